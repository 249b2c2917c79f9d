"""`describe_file`: what the headers of a file tell of the moment, the camera, the place and the words of people."""

import struct

import pytest
from odd_files import encode, photo, png_chunk
from PIL import Image
from PIL.TiffImagePlugin import IFDRational, ImageFileDirectory_v2
from whole_files import (
    with_segment,
    with_xmp,
    xmp_packet,
)
from whole_traits import JPEG, PNG, exif_of

from imgsearch.media.metadata.xmp import NAMESPACES
from imgsearch.media.samples.whole import FileTraits

RESOURCE = 'rdf:parseType="Resource"'


REGION = '<rdf:li><rdf:Description mwg-rs:Name="Anna" mwg-rs:Type="Face"/></rdf:li>'


REGIONS = f"<mwg-rs:RegionList><rdf:Bag>{REGION}</rdf:Bag></mwg-rs:RegionList>"


TITLE = '<dc:title><rdf:Alt><rdf:li xml:lang="x-default">東京</rdf:li></rdf:Alt></dc:title>'


def taken(traits, details: dict[int, object], **tags: object) -> str:
    return traits(encode(photo(), "JPEG", exif=exif_of(details, **tags))).taken


def test_capture_time_has_sub_seconds_and_offset(traits) -> None:
    date = "2019:05:03 10:00:00"
    assert taken(traits, {0x9003: date}) == "2019-05-03T10:00:00"
    assert taken(traits, {0x9003: date, 0x9291: "25", 0x9011: "+02:00"}) == "2019-05-03T10:00:00.25+02:00"
    assert taken(traits, {0x9003: date, 0x9291: "250 "}) == "2019-05-03T10:00:00.25"
    assert taken(traits, {0x9003: date, 0x9291: "00", 0x9011: "Z"}) == "2019-05-03T10:00:00.0+00:00"
    assert taken(traits, {0x9004: date, 0x9292: "5", 0x9291: "9"}) == "2019-05-03T10:00:00.5"
    assert taken(traits, {0x9003: "2019:05:03 24:10:00"}) == "2019-05-03T00:10:00"


def test_capture_time_is_never_the_time_of_editing(traits) -> None:
    assert taken(traits, {}, edited="2024:01:01 00:00:00") == ""
    for nothing in ("0000:00:00 00:00:00", "    :  :     :  :  ", "2019:02:30 10:00:00", "yesterday"):
        assert taken(traits, {0x9003: nothing}, edited="2024:01:01 00:00:00") == "", nothing


def test_capture_time_of_xmp_counts_where_exif_is_silent(traits) -> None:
    packet = xmp_packet('exif:DateTimeOriginal="2019-05-03T10:00:00.250+02:00"')
    assert traits(with_xmp(JPEG, packet)).taken == "2019-05-03T10:00:00.25+02:00"


def test_camera_has_its_serial_number(traits) -> None:
    exif = exif_of({0xA431: "0123"}, make="Canon", model="Canon EOS R5")
    assert traits(encode(photo(), "JPEG", exif=exif)).camera == "Canon EOS R5 #0123"
    exif = exif_of({0xA431: "0000"}, make="NIKON CORPORATION", model="D90")
    assert traits(encode(photo(), "JPEG", exif=exif)).camera == "NIKON CORPORATION D90"


def test_exposure_is_told_in_lowest_terms(traits) -> None:
    details = {
        0x829A: IFDRational(10, 2500),
        0x829D: IFDRational(28, 10),
        0x8827: 400,
        0x9204: IFDRational(-2, 3),
        0x920A: IFDRational(50, 1),
        0xA403: 0,
        0x9206: IFDRational(0, 1),
        0x9209: 16,
        0xA420: "a1b2",
        0x9208: 0,
    }
    found = traits(encode(photo(), "JPEG", exif=exif_of(details))).shot
    assert found == {
        "exposure_time": "1/250",
        "f_number": "14/5",
        "iso": "400",
        "exposure_bias": "-2/3",
        "focal_length": "50",
        "white_balance": "0",
        "flash": "16",
        "image_number": "a1b2",
    }


def test_gps_clock_tells_the_shot_to_the_second(traits) -> None:
    gps: dict[int, object] = {29: "2023:05:06", 7: (IFDRational(10), IFDRational(11), IFDRational(123, 10))}
    assert traits(encode(photo(), "JPEG", exif=exif_of(gps=gps))).shot == {"gps_time": "2023-05-06T10:11:12"}
    day = {29: "2023:05:06"}
    assert traits(encode(photo(), "JPEG", exif=exif_of(gps=day))).shot == {}, "a day is no time"


def test_tiles_of_other_places_on_a_map_and_works_of_other_people_differ(traits) -> None:
    def tile(east: float) -> FileTraits:
        tags = ImageFileDirectory_v2()
        for tag, values in ((33550, (10.0, 10.0, 0.0)), (33922, (0.0, 0.0, 0.0, east, 4.5e6, 0.0))):
            tags.tagtype[tag] = 12  # doubles
            tags[tag] = values
        return traits(encode(photo(), "TIFF", tiffinfo=tags))

    assert tile(500_000).shot["on_a_map"] == tile(500_000).shot["on_a_map"] != tile(502_560).shot["on_a_map"]
    assert tile(500_000).told == {"place"}
    roe, moe = (traits(encode(photo(), "TIFF", tiffinfo={315: name})).words for name in ("Jane Roe", "Max Moe"))
    assert len(roe) == len(moe) == 1 and roe != moe


def test_exposure_of_nothing_is_left_out(traits) -> None:
    details = {0x829A: IFDRational(0, 0), 0x9206: IFDRational(0xFFFFFFFF, 1), 0xA420: "0" * 32}
    assert traits(encode(photo(), "JPEG", exif=exif_of(details))).shot == {}


@pytest.mark.parametrize(
    ("kind", "packet"),
    [
        ("words", xmp_packet(elements="<dc:subject><rdf:Bag><rdf:li>beach</rdf:li></rdf:Bag></dc:subject>")),
        (
            "words",
            xmp_packet(elements=TITLE),
        ),
        ("rating", xmp_packet('xmp:Rating="4"')),
        ("rating", xmp_packet('xmp:Label="Red"')),
        ("place", xmp_packet('exif:GPSLatitude="47,22.5N"')),
        ("date", xmp_packet('exif:DateTimeOriginal="2019-05-03T10:00:00"')),
        ("panorama", xmp_packet(f'xmlns:GPano="{NAMESPACES["GPano"]}" GPano:ProjectionType="equirectangular"')),
        ("people", xmp_packet(elements=f"<mwg-rs:Regions {RESOURCE}>{REGIONS}</mwg-rs:Regions>")),
        (
            "history",
            xmp_packet(elements='<xmpMM:History><rdf:Seq><rdf:li stRef:instanceID="x"/></rdf:Seq></xmpMM:History>'),
        ),
    ],
)
def test_kinds_of_metadata_are_told_from_xmp(traits, kind: str, packet: bytes) -> None:
    assert traits(with_xmp(JPEG, packet)).told == {kind}
    text = b"XML:com.adobe.xmp\0\0\0\0\0" + packet
    assert traits(PNG[:33] + png_chunk(b"iTXt", text) + PNG[33:]).told == {kind}
    assert traits(encode(photo(), "WEBP", xmp=packet)).told == {kind}
    assert traits(encode(photo(), "TIFF", tiffinfo={700: packet})).told == {kind}


def test_words_of_people_are_told_and_those_of_programs_are_not(traits) -> None:
    def told(**tags: object) -> frozenset[str]:
        return traits(encode(photo(), "JPEG", exif=exif_of(**tags))).told

    assert told(description="Anna at the lake") == {"words"}
    assert told(description="OLYMPUS DIGITAL CAMERA         ") == frozenset()
    assert told(details={0x9286: b"ASCII\0\0\0a day out"}) == {"words"}
    assert told(details={0x9286: b"ASCII\0\0\0" + b" " * 40}) == frozenset()
    caption = b"Photoshop 3.0\x008BIM\x04\x04\0\0" + struct.pack(">I", 10) + b"\x1c\x02\x78\0\x05hello"
    assert traits(with_segment(JPEG, 0xED, caption)).told == {"words"}
    assert traits(encode(photo(), "JPEG", comment="grandmother")).told == {"words"}
    assert traits(encode(photo(), "JPEG", comment="CREATOR: gd-jpeg v1.0")).told == frozenset()
    note = PNG[:33] + png_chunk(b"tEXt", b"parameters\0a cat, steps: 20") + PNG[33:]
    assert traits(note).told == {"words"}
    assert traits(PNG[:33] + png_chunk(b"tEXt", b"Software\0gnome-screenshot") + PNG[33:]).told == frozenset()


def test_place_is_told_from_gps(traits) -> None:
    gps = {1: "N", 2: (47.0, 22.0, 30.0), 3: "E", 4: (8.0, 33.0, 0.0)}
    assert traits(encode(photo(), "JPEG", exif=exif_of(gps=gps))).told == {"place"}


def test_documents_are_told_from_xmp_but_not_those_of_ingredients(traits) -> None:
    packet = xmp_packet(
        'xmpMM:DocumentID="xmp.did:1" xmpMM:OriginalDocumentID="xmp.did:0" xmp:CreatorTool="Darkroom 3"',
        '<xmpMM:DerivedFrom stRef:instanceID="xmp.iid:7" stRef:documentID="xmp.did:7"/>'
        "<xmpMM:Pantry><rdf:Bag><rdf:li><rdf:Description><xmpMM:DocumentID>other</xmpMM:DocumentID></rdf:Description>"
        "</rdf:li></rdf:Bag></xmpMM:Pantry>",
    )
    found = traits(with_xmp(JPEG, packet))
    assert (found.document, found.original_document, found.derived_from) == ("xmp.did:1", "xmp.did:0", "xmp.did:7")
    assert found.software == "Darkroom 3"
    written = traits(encode(photo(), "JPEG", exif=exif_of(software="Ver.1.00")))
    assert (written.software, written.document) == ("Ver.1.00", "")


def test_orientation_is_exifs(traits) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for kind in ("JPEG", "PNG", "WEBP", "TIFF"):
        assert traits(encode(photo(), kind, exif=exif)).orientation == 6, kind
