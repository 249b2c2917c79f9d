import random

import pytest
from PIL import Image

from imgsearch.media.containers.header import Header
from imgsearch.media.facts.reading import file_facts, is_silent
from imgsearch.media.facts.shot import _told_by, shot_facts
from imgsearch.media.metadata.exif import orientation_of
from imgsearch.records import FileFacts


def camera_facts(block: Image.Exif) -> FileFacts:
    return file_facts(Header(exif=block))


def exif(tags: dict[int, object], details: dict[int, object] | None = None, gps: dict[int, object] | None = None):
    block = Image.Exif()
    block.update(tags)
    block.get_ifd(0x8769).update(details or {})
    block.get_ifd(0x8825).update(gps or {})
    again = Image.Exif()
    again.load(block.tobytes())
    return again


def test_facts_are_read() -> None:
    facts = camera_facts(
        exif(
            {0x010F: "Canon", 0x0110: "Canon EOS R5", 0x0112: 6, 0x0132: "2024:05:06 07:08:09"},
            {0x9003: "2023:12:31 23:59:58"},
            {1: "S", 2: (33.0, 51.0, 24.0), 3: "E", 4: (151.0, 12.0, 36.0)},
        )
    )
    assert facts.taken_at == "2023-12-31T23:59:58"
    assert facts.camera == "Canon EOS R5"
    assert facts.latitude == pytest.approx(-33.856667, abs=1e-5)
    assert facts.longitude == pytest.approx(151.21, abs=1e-5)


def test_maker_and_model_are_joined() -> None:
    assert camera_facts(exif({0x010F: "FUJIFILM ", 0x0110: "X100V\0\0"})).camera == "FUJIFILM X100V"
    assert camera_facts(exif({0x010F: "ACME"})).camera == "ACME"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0000:00:00 00:00:00", None),
        ("    :  :     :  :  ", None),
        ("2023:02:30 10:00:00", "2023-02"),
        ("2023-02-03 10:00", "2023-02-03T10:00"),
        ("2023:02:03T10:00:01+02:00", "2023-02-03T10:00:01+02:00"),
        ("2023:02:03 24:61:61", "2023-02-03"),
        ("2015:08:22 24:08:19", "2015-08-22T00:08:19"),  # of the same day
        ("2015:08:22 23:59:60", "2015-08-22T23:59:59"),
        ("2015:08:22 12:60:10", "2015-08-22T12"),
        ("2015:08:22   :  :  ", "2015-08-22"),
        ("2015:08:22", "2015-08-22"),
        ("1998:07:     :  :  ", "1998-07"),
        ("1998:00:00 00:00:00", "1998"),
        ("2019:07:14 03:30:12 PM", "2019-07-14T15:30:12"),
        ("2019:07:14 12:30:12 AM", "2019-07-14T00:30:12"),
        ("2019/7/4 5:3:2", "2019-07-04T05:03:02"),
        ("20190714 153012", "2019-07-14T15:30:12"),
        ("14.07.2019 15:30:12", "2019-07-14T15:30:12"),
        ("07/08/2019", "2019"),  # nobody knows which is the month
        ("yesterday", None),
    ],
)
def test_odd_dates(text: str, expected: str | None) -> None:
    assert camera_facts(exif({}, {0x9003: text})).taken_at == expected


@pytest.mark.parametrize(
    "gps",
    [
        {1: "N", 2: (0.0, 0.0, 0.0), 3: "E", 4: (0.0, 0.0, 0.0)},
        {1: "N", 2: (91.0, 0.0, 0.0), 3: "E", 4: (5.0, 0.0, 0.0)},
        {1: "N", 2: (45.0, 0.0, 0.0)},
        {},
    ],
)
def test_places_that_cannot_be_are_left_out(gps: dict[int, object]) -> None:
    facts = camera_facts(exif({}, {}, gps))
    assert (facts.latitude, facts.longitude) == (None, None)


def test_orientations_out_of_range_count_as_upright() -> None:
    assert [orientation_of(exif({0x0112: value})) for value in (0, 9, 65535, 6)] == [1, 1, 1, 6]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_rubbish_is_never_an_exception() -> None:
    rng = random.Random(7)
    good = bytearray(exif({0x010F: "ACME", 0x0112: 3}, {0x9003: "2023:12:31 23:59:58"}, {2: (1.0, 2.0, 3.0)}).tobytes())
    for _ in range(300):
        bad = bytearray(good)
        for _ in range(rng.randrange(1, 12)):
            bad[rng.randrange(6, len(bad))] = rng.randrange(256)
        block = Image.Exif()
        try:
            block.load(bytes(bad))
        except (SyntaxError, ValueError, OSError, TypeError, LookupError):  # what exif_of() turns to an empty block
            continue
        camera_facts(block)
        assert 1 <= orientation_of(block) <= 8


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"words": ["by the sea"]},
        {"software": "GIMP"},
        {"created": ["2020-02-03"]},
        {"exif": exif({0x0112: 6})},
        {"more_exif": exif({0x010F: "ACME"})},
        {"tables": {0x8769: exif({0x9003: "2023:12:31 23:59:58"})}},
        {"xmp": b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'},
    ],
)
def test_header_is_read_in_full_unless_it_tells_nothing(told: dict[str, object]) -> None:
    header = Header(**told, icc=b"profile", depth=16, images=2)
    assert is_silent(header) is not bool(told)
    assert shot_facts(header) == _told_by(header)
