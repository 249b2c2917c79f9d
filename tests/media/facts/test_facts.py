"""Dates, places, ratings and their sources, from files of each kind."""

from __future__ import annotations

import numpy as np
import pytest
from facts_files import bag, box, dataset, exif, facts, jpeg, png, tiff_of, xmp
from PIL.TiffImagePlugin import IFDRational
from whole_files import Page, tiff_bytes

from imgsearch.media.facts.dates import any_date, gps_date, iptc_date, offset_text, parse_date
from imgsearch.media.facts.places import exif_place

DAY = {0x9003: "2019:07:14 15:30:12"}
SYDNEY = {1: "S", 2: (33.0, 51.0, 24.0), 3: "E", 4: (151.0, 12.0, 36.0)}
CANON = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2013:04:21 下午 03:30:12", "2013-04-21T15:30:12"),
        ("2013:04:21 오후 3:30:12", "2013-04-21T15:30:12"),
        ("2019. 7. 14. 오전 12:30:12", "2019-07-14T00:30:12"),
        ("٢٠١٩:٠٧:١٤ ١٥:٣٠:١٢", "2019-07-14T15:30:12"),
        ("2015：08：22 10：11：12", "2015-08-22T10:11:12"),
        ("2019年07月14日 15時30分12秒", "2019-07-14T15:30:12"),
        ("2019-07-14T15:30-02:00", "2019-07-14T15:30-02:00"),
        ("2019-07-14T15:30:12.123Z", "2019-07-14T15:30:12.123+00:00"),
        ("2019:07:1415:30:12", "2019-07-14T15:30:12"),
        ("2019:07:14-15:30:12", "2019-07-14T15:30:12"),
        ("2019:07:14 - 15:30", "2019-07-14T15:30"),
        ("2019-07-14T153012+0200", "2019-07-14T15:30:12+02:00"),
        ("2019:07:14 -1:-1:-1", "2019-07-14"),
        ("2019:07:14 15:30:12 GMT+02:00", "2019-07-14T15:30:12+02:00"),
        ("2019:07:14 15:30:12 UTC", "2019-07-14T15:30:12+00:00"),
        ("2019-07-14T15:30:12\u221205:00", "2019-07-14T15:30:12-05:00"),
        ("2015-08-22T24:08:19+14:00", "2015-08-22T00:08:19+14:00"),
        ("2000:00:00 00:00:00", "2000"),
        ("2019:02:30 10:00:00", "2019-02"),  # no such day, month, or both
        ("2021:04:31", "2021-04"),
        ("31.04.2021", "2021-04"),
        ("2019:07:00 10:00:00", "2019-07"),
        ("2019:13:05 10:00:00", "2019"),
        ("2019:00:14 10:00:00", "2019"),
        ("2019-02-30T10:00:00+02:00", "2019-02"),
        ("9999:99:99 99:99:99", ""),
        ("12345678", ""),
        ("1563117012", ""),
    ],
)
def test_a_date_is_read_in_the_script_of_the_phone(text, expected):
    assert parse_date(text) == expected


def test_dates_of_other_standards_keep_their_precision():
    assert (iptc_date("19980700"), iptc_date("19980000")) == ("1998-07", "1998")
    assert (iptc_date("20190230", "153012"), any_date("30 Feb 2019 10:00:00")) == ("2019-02", "2019-02")
    assert iptc_date("20190714", "153012+0200") == "2019-07-14T15:30:12+02:00"
    assert gps_date("2019:07:14", (13.0, 30.0, 12.5)) == "2019-07-14T13:30:12.5+00:00"
    assert any_date("Sun, 14 Jul 2019 15:30:12 +0200") == "2019-07-14T15:30:12+02:00"
    assert any_date("Sun Jul 14 15:30:12 2019") == "2019-07-14T15:30:12"
    assert any_date("Jul 14, 2019, 3:30:12 PM") == "2019-07-14T15:30:12"
    assert any_date("14 Jul 2019") == any_date("July 14, 2019") == "2019-07-14"
    assert any_date("Paris in July 2019") == any_date("July 2019") == ""
    assert any_date("Jul 14, 2019, 12:30:12\u202fAM UTC") == "2019-07-14T00:30:12+00:00"
    assert [offset_text(text) for text in ("UTC+2", "GMT-03:00", "+02:00\0", "+15:00")] == [
        "+02:00",
        "-03:00",
        "+02:00",
        "",
    ]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (
            jpeg(exif(details={0x9003: "2015:08:22 24:08:19", 0x9291: "25 ", 0x9011: "+02:00"})),
            ("2015-08-22T00:08:19.25+02:00", "exif"),
        ),
        (jpeg(exif(DAY)), ("2019-07-14T15:30:12", "exif")),  # misplaced into the first directory
        (jpeg(exif(details={0x9004: "2019:07:14 15:30:12"})), ("2019-07-14T15:30:12", "exif")),
        (jpeg(exif({0x0132: "2019:07:14 15:30:12"})), ("2019-07-14T15:30:12", "exif")),
        (  # of EXIF's last change the date and its offset stand in two tables
            jpeg(exif({0x0132: "2019:07:14 15:30:12"}, {0x9290: "7", 0x9010: "+09:00"})),
            ("2019-07-14T15:30:12.7+09:00", "exif"),
        ),
        (jpeg(exif(details=DAY | {0x9010: "+09:00"})), ("2019-07-14T15:30:12+09:00", "exif")),
        (jpeg(exif({0x0132: "2020:01:01 10:00:00"}, DAY | {0x9010: "+09:00"})), ("2019-07-14T15:30:12", "exif")),
        (jpeg(exif(details=DAY | {0x882A: -3})), ("2019-07-14T15:30:12-03:00", "exif")),
        (jpeg(packet=xmp('exif:DateTimeOriginal="2019-07-14T15:30:12+02:00"')), ("2019-07-14T15:30:12+02:00", "xmp")),
        (jpeg(packet=xmp('photoshop:DateCreated="1998"')), ("1998", "xmp")),
        (jpeg(packet=xmp('xmp:CreateDate="2001-02-03"')), ("2001-02-03", "xmp")),
        (jpeg(packet=xmp('xmp:ModifyDate="2001-02-03"')), (None, None)),  # of editing
        (jpeg(packet=xmp(elements=bag("dc:date", "2019-07-14"))), ("2019-07-14", "xmp")),
        (
            jpeg(iptc=dataset(2, 55, b"20190714") + dataset(2, 60, b"153012+0200")),
            ("2019-07-14T15:30:12+02:00", "iptc"),
        ),
        (jpeg(exif(gps={29: "2019:07:14", 7: (13.0, 30.0, 12.0)})), ("2019-07-14T13:30:12+00:00", "gps")),
        (jpeg(exif({0x0132: "0000:00:00 00:00:00"}, gps={29: "2019:07:14"})), ("2019-07-14", "gps")),
        (jpeg(packet=xmp('exif:GPSTimeStamp="2019-07-14T13:30:12"')), ("2019-07-14T13:30:12+00:00", "gps")),
        (jpeg(exif(details={0x9003: "Sun Jul 14 15:30:12 2019"})), ("2019-07-14T15:30:12", "exif")),  # C's asctime
        (png({"Creation Time": "Sun, 14 Jul 2019 15:30:12 +0200"}), ("2019-07-14T15:30:12+02:00", "png")),
        (png({"Creation Time": "2019-07-14T15:30:12"}), ("2019-07-14T15:30:12", "png")),
        (png({"Creation Time": "2019:07:14 15:30:12"}), ("2019-07-14T15:30:12", "png")),
        (png({"date:create": "2019-07-14T15:30:12"}), (None, None)),  # of the file
        (png({}, exif({0x010F: "ACME"}, DAY)), ("2019-07-14T15:30:12", "exif")),
        (png({}), (None, None)),
    ],
)
def test_a_date_is_found_wherever_it_stands(data, expected):
    found = facts(data)
    assert (found.taken_at, found.taken_source) == expected


def test_an_impossible_day_is_completed_by_another_clock_of_the_shot():
    never = {0x9003: "2019:02:30 10:00:00", 0x9004: "2019:02:28 10:00:00"}
    clock = {29: "2019:02:28", 7: (9.0, 0.0, 12.0)}
    cases = ("", {}), ('xmp:CreateDate="2019-02-27"', {}), ('exif:DateTimeOriginal="2019-02-28"', {}), ("", clock)
    found = [facts(jpeg(exif(details=never, gps=gps), xmp(packet))) for packet, gps in cases]
    month, day = ("2019-02", "exif"), ("2019-02-28", "xmp")
    assert [(each.taken_at, each.taken_source) for each in found] == [
        *(month, month, day, ("2019-02-28T09:00:12+00:00", "gps"))
    ]


@pytest.mark.parametrize("head", [b"Exif\0\0", b""])
@pytest.mark.parametrize("key", ["exif", "APP1"])
def test_exif_is_read_from_the_text_of_imagemagick(head, key):
    block = head + tiff_of(exif({0x010F: "ACME"}, DAY))
    found = facts(png({f"Raw profile type {key}": f"\n{key}\n{len(block):8}\n{block.hex()}\n"}))
    assert (found.taken_at, found.camera) == ("2019-07-14T15:30:12", "ACME")


def test_a_date_of_taking_goes_before_one_of_scanning():
    scan = jpeg(exif(details={0x9004: "2020:01:01 10:00:00"}), xmp('photoshop:DateCreated="1975-06"'))
    assert facts(scan).taken_at == "1975-06"
    both = jpeg(exif(details=DAY), xmp('exif:DateTimeOriginal="2001-01-01T01:01:01"'))
    assert facts(both).taken_source == "exif"


@pytest.mark.parametrize(
    ("gps", "expected"),
    [
        (SYDNEY, (-33.856667, 151.21)),
        ({1: "N", 2: (IFDRational(0, -1), 30.0, 0.0), 3: "E", 4: (10.0, 0.0, 0.0)}, (-0.5, 10.0)),
        ({1: "N", 2: (48.0, 30.0, IFDRational(0, 0)), 3: "W", 4: (2.0, 0.0, 0.0)}, (48.5, -2.0)),
        ({1: "N", 2: (IFDRational(0, 0), 30.0, 0.0), 3: "E", 4: (10.0, 0.0, 0.0)}, None),
        ({2: (48.0, 30.0, 0.0), 4: (2.0, 0.0, 0.0)}, None),  # nobody knows which hemisphere
        ({1: "\x07", 2: (48.0, 30.0, 0.0), 3: "E", 4: (2.0, 0.0, 0.0)}, None),
        ({1: "N", 2: (0.0, 0.0, 0.0), 3: "E", 4: (0.0, 0.0, 0.0)}, None),
    ],
)
def test_a_place_keeps_its_hemisphere_and_is_none_without(gps, expected):
    found = exif_place(gps)
    assert found is None if expected is None else found == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("latitude", "longitude", "expected"),
    [
        ("48,51.5N", "2,21.1E", (48.858333, 2.351667)),
        ("33,51,24S", "151,12,36E", (-33.856667, 151.21)),
        ("-33.85", "151.2", (-33.85, 151.2)),
        ("-33,856", "151,21", (-33.856, 151.35)),  # minutes end at 60
        ("91,0.0N", "2,0.0E", None),
        ("north", "east", None),
    ],
)
def test_a_place_is_read_from_xmp(latitude, longitude, expected):
    found = facts(jpeg(packet=xmp(f'exif:GPSLatitude="{latitude}" exif:GPSLongitude="{longitude}"')))
    place = None if found.latitude is None else (found.latitude, found.longitude)
    assert place is None if expected is None else place == pytest.approx(expected, abs=1e-5)
    assert found.place_source == ("xmp" if expected else None)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("magic", [b"", b"IIRO", b"IIU\x00"])
def test_a_raw_tells_its_own_place_and_no_made_up_date(order, magic):
    data = tiff_of(exif({0xC612: b"\1\4\0\0"}, gps=SYDNEY, order=order))
    data = magic + data[4:] if magic and order == "<" else data
    found = facts(data, raw=True)
    assert (found.taken_at, found.place_source) == (None, "exif")
    assert (found.latitude, found.longitude) == pytest.approx((-33.856667, 151.21), abs=1e-5)


def test_raws_that_are_no_tiff_tell_theirs_too():
    photo = jpeg(exif({0x0110: "SD1"}, DAY))
    minolta = tiff_of(exif(gps=SYDNEY, order=">"))
    blocks = b"\0PRD" + (4).to_bytes(4, "big") + bytes(4) + b"\0TTW" + len(minolta).to_bytes(4, "big") + minolta
    canon = box(b"CMT2", tiff_of(exif(DAY))) + box(b"CMT4", tiff_of(exif(SYDNEY)))
    fuji = (
        b"FUJIFILMCCD-RAW " + bytes(68) + (148).to_bytes(4, "big") + len(photo).to_bytes(4, "big") + bytes(56) + photo
    )
    assert facts(b"\0MRM" + len(blocks).to_bytes(4, "big") + blocks, raw=True).latitude == pytest.approx(-33.856667)
    cr3 = facts(box(b"ftyp", b"crx ") + box(b"moov", box(b"uuid", CANON + canon)), raw=True)
    assert (cr3.taken_at, cr3.latitude) == ("2019-07-14T15:30:12", pytest.approx(-33.856667))
    assert facts(fuji, raw=True).taken_at == "2019-07-14T15:30:12"
    assert facts(b"FOVb" + bytes(5000) + photo, raw=True).taken_at == "2019-07-14T15:30:12"  # Sigma
    assert facts(b"FOVb" + bytes(5000), raw=True).taken_at is None


def test_a_tiff_behind_its_thumbnail_has_the_facts_of_either_page():
    day, camera = list(b"2019:07:14 15:30:12\0"), list(b"Scanner 1\0")
    small = Page(np.zeros((12, 16, 3), np.uint8), [(254, 4, [1]), (306, 2, day)])
    found = facts(tiff_bytes([small, Page(np.zeros((48, 64, 3), np.uint8), [(272, 2, camera)])]))
    assert (found.taken_at, found.camera) == ("2019-07-14T15:30:12", "Scanner 1")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (jpeg(exif({0x4746: 3})), (3, "exif")),
        (jpeg(exif({0x4749: 75})), (4, "exif")),
        (jpeg(packet=xmp('xmp:Rating="-1"')), (-1, "xmp")),
        (jpeg(packet=xmp('xmp:Rating="5.0"')), (5, "xmp")),
        (jpeg(packet=xmp('MicrosoftPhoto:Rating="50"')), (3, "xmp")),
        (jpeg(packet=xmp('xmp:Rating="0"')), (None, None)),
        (jpeg(packet=xmp('xmp:Rating="99"')), (None, None)),
        (jpeg(exif({0x4746: 0}), xmp('xmp:Rating="2"')), (2, "xmp")),
    ],
)
def test_a_rating_is_read_as_stars(data, expected):
    found = facts(data)
    assert (found.rating, found.rating_source) == expected


def test_damaged_headers_leave_no_facts_and_raise_nothing():
    whole = jpeg(exif({0x010F: "ACME"}, DAY, SYDNEY), xmp('xmp:Rating="2"'), dataset(2, 25, b"beach"))
    for at in range(0, len(whole), 7):
        facts(whole[:at] + b"\xff" + whole[at + 1 :])
    facts(jpeg(packet=b'<!DOCTYPE x [<!ENTITY a "aaaa">]>' + xmp()))
    assert facts(jpeg(packet=xmp('xmp:Rating="2"').decode().encode("utf-16"))).rating == 2
