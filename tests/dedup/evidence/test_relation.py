"""What two files that look alike are to each other, by what else they hold."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgsearch.dedup.evidence.records import NEVER_MOVED, Evidence
from imgsearch.dedup.evidence.relation import another_shot, relate, same_camera, seconds_between
from imgsearch.media.samples.whole import FileTraits

ALIKE = Evidence("perceptual", 0.97, hamming=1, difference=0.02)
PLAIN = FileTraits()
NOON = datetime(2024, 5, 3, 12, 0, 0)

SHOTS = ("exposure_time", "iso", "f_number", "exposure_bias", "focal_length", "white_balance", "subject_distance")


def both_ways(first: FileTraits, second: FileTraits, evidence: Evidence = ALIKE) -> Evidence:
    """What `relate` says, and it says the same the other way round."""
    found = relate(evidence, first, second)
    assert relate(evidence, second, first) == found
    return found


def as_exif(moment: datetime, digits: int) -> str:
    """A moment as `media.shot` writes it: so many digits of the second, without zeros at the end, an offset if any."""
    whole = moment.replace(microsecond=0, tzinfo=None).isoformat()
    fraction = f"{moment.microsecond:06}"[:digits]
    fraction = fraction.rstrip("0") or fraction[:1]
    offset = moment.strftime("%z")
    return whole + (f".{fraction}" if fraction else "") + (f"{offset[:3]}:{offset[3:]}" if offset else "")


moments = st.datetimes(datetime(1990, 1, 2), datetime(2040, 1, 1))
zones = st.sampled_from([None, UTC, *(timezone(timedelta(minutes=15 * step)) for step in range(-48, 57))])


@settings(max_examples=80, deadline=None)
@given(moments, st.timedeltas(timedelta(days=-400), timedelta(days=400)), st.integers(0, 6), st.integers(0, 6))
def test_seconds_are_those_of_the_clock_to_what_both_tell(moment, gap, digits, other_digits) -> None:
    other = moment + gap
    least = min(digits, other_digits)
    cut = 10 ** (6 - max(3, least)) if least else 1_000_000

    def shown(time: datetime, count: int) -> datetime:
        told = int(f"{time.microsecond:06}"[:count].ljust(6, "0") or 0)
        return time.replace(microsecond=told // cut * cut)

    wanted = abs((shown(moment, digits) - shown(other, other_digits)).total_seconds())
    found = seconds_between(as_exif(moment, digits), as_exif(other, other_digits))
    # Zeros at the end are not there: where a fraction ends in them the fewer digits may be less than what was written.
    assert found == pytest.approx(wanted, abs=1e-3 if least else 1e-6)
    assert found == seconds_between(as_exif(other, other_digits), as_exif(moment, digits))
    if least in (1, 2, 3):
        assert found == pytest.approx(wanted, abs=1e-6)


@settings(max_examples=100, deadline=None)
@given(moments, zones, zones)
def test_one_moment_in_two_zones_is_one_moment(moment, zone, other) -> None:
    moment = moment.replace(microsecond=0)
    if zone is None or other is None:
        one, two = moment.replace(tzinfo=zone), moment.replace(tzinfo=other)  # the clock is all that both tell
    else:
        one = moment.replace(tzinfo=zone)
        two = one.astimezone(other)
    assert seconds_between(as_exif(one, 0), as_exif(two, 0)) == 0
    assert not another_shot(FileTraits(taken=as_exif(one, 0)), FileTraits(taken=as_exif(two, 0)))


@pytest.mark.parametrize(
    ("first", "second", "seconds"),
    [
        ("2024-05-03T12:00:00.5", "2024-05-03T12:00:00.52", 0.02),  # 50 and 52 hundredths
        ("2024-05-03T12:00:00.5123", "2024-05-03T12:00:00.512", 0.0),
        ("2024-05-03T12:00:00.0", "2024-05-03T12:00:00.4", 0.4),
        ("2024-05-03T12:00:00", "2024-05-03T12:00:00.4", 0.0),
        ("2024-05-03T12:00:00.123456789", "2024-05-03T12:00:00.1234567", 0.0),
        ("2024-05-03T12:00:00+02:00", "2024-05-03T10:00:00+00:00", 0.0),
        ("2024-05-03T12:00:00+02:00", "2024-05-03T12:00:00+01:00", 3600.0),
        ("2024-05-03T12:00:00+02:00", "2024-05-03T12:00:00", 0.0),
        ("2024-03-31T01:59:59+01:00", "2024-03-31T03:00:00+02:00", 1.0),  # the clocks went forward
        ("2023-12-31T23:59:59", "2024-01-01T00:00:00", 1.0),
        ("", "2024-05-03T12:00:00", None),
        ("yesterday", "2024-05-03T12:00:00", None),
        ("2024-05-03T25:00:00", "2024-05-03T12:00:00", None),
    ],
)
def test_seconds_between_two_times_as_files_have_them(first, second, seconds) -> None:
    assert seconds_between(first, second) == (seconds if seconds is None else pytest.approx(seconds))
    assert seconds_between(second, first) == seconds_between(first, second)


def test_times_of_one_camera_that_differ_are_a_series() -> None:
    def at(seconds: float) -> FileTraits:
        return FileTraits(taken=as_exif(NOON + timedelta(seconds=seconds), 3), camera="Canon EOS R6")

    assert both_ways(at(0), at(0)) == ALIKE
    assert (found := both_ways(at(0.1), at(0.2))).tier == "burst" and found.why == "a burst"
    assert found.seconds == pytest.approx(0.1)
    assert (found := both_ways(at(0), at(60))).tier == "burst" and found.why == "another time"
    assert both_ways(at(0), at(86_400)).tier == "burst"
    assert both_ways(FileTraits(taken="long ago"), FileTraits(taken="2024-05-03T12:00:00")).tier == "burst"


def test_copy_that_lost_its_metadata_may_be_one() -> None:
    rich = FileTraits(
        taken="2024-05-03T12:00:00.25+02:00", camera="Canon EOS R6 #1", shot={"iso": "100"}, told=frozenset({"date"})
    )
    for poor in (
        PLAIN,
        replace(rich, taken="2024-05-03T12:00:00"),
        replace(rich, camera="Canon EOS R6"),
        replace(rich, camera="EOS R6"),
        replace(rich, shot={}),
        replace(rich, software="GIMP 2.10", orientation=6),
    ):
        assert both_ways(rich, poor) == ALIKE


@pytest.mark.parametrize("fact", [*SHOTS, "flash", "image_number", "gps_time", "iptc_time", "on_a_map"])
def test_another_exposure_is_another_shot(fact) -> None:
    one, other = (FileTraits(shot={fact: value, "light_source": "1"}) for value in ("1/60", "1/30"))
    found = both_ways(one, other)
    assert found.tier == "burst" and found.why.startswith("another ")
    assert both_ways(one, replace(other, shot={})) == ALIKE, "a copy may have lost it"
    assert both_ways(one, replace(other, shot=dict(one.shot))) == ALIKE


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("Canon EOS R6 #12", "Canon EOS R6 #12", True),
        ("Canon EOS R6 #12", "Canon EOS R6 #13", False),
        ("Canon EOS R6 #12", "Canon EOS R6", True),
        ("Canon EOS R6", "CANON EOS R6", True),
        ("Canon EOS R6", "Canon EOS R5", False),
        ("Apple iPhone 15", "Apple iPhone 15 Pro", False),
        ("Apple iPhone 15", "iPhone 15", True),  # a program kept the model alone
        ("Samsung SM-S911B", "1B", False),
    ],
)
def test_camera_is_the_same_by_name_and_serial(first, second, same) -> None:
    assert same_camera(first, second) == same_camera(second, first) == same
    other = another_shot(FileTraits(camera=first), FileTraits(camera=second))
    assert other == ("" if same else "by another camera")


def test_film_in_a_file_makes_it_a_motion_photo() -> None:
    film = FileTraits(film=True)
    for tier in ("pixels", "perceptual", "near"):
        evidence = Evidence(tier, 1.0)
        assert both_ways(film, PLAIN, evidence).tier == "stack"
        assert both_ways(film, film, evidence).tier == "part"


def test_raw_and_picture_are_a_stack_and_two_raws_are_two_shots() -> None:
    raw = FileTraits(raw=True, taken="2024-05-03T12:00:00", camera="Canon EOS R6")
    assert both_ways(raw, replace(raw, raw=False)).tier == "stack"
    assert both_ways(raw, PLAIN).tier == "stack"
    assert both_ways(raw, raw).tier == "burst"
    later = FileTraits(taken="2024-05-03T12:00:03")
    assert (found := both_ways(raw, later)).tier == "burst" and found.seconds == 3.0


def test_number_of_pictures_decides_where_samples_did_not() -> None:
    one, three = FileTraits(images=1), FileTraits(images=3)
    assert (found := both_ways(one, three)).tier == "part" and found.why == "one picture against 3 pictures"
    assert both_ways(three, three).tier == "part"
    equal = Evidence("pixels", 1.0)
    assert both_ways(three, three, equal) == equal, "all frames were compared"


def test_derived_document_is_an_edit_and_copies_of_one_are_none() -> None:
    source = FileTraits(document="xmp.did:source", original_document="xmp.did:source")
    made = FileTraits(document="xmp.did:made", original_document="xmp.did:source", derived_from="xmp.did:source")
    assert both_ways(source, made).tier == "stack"
    assert both_ways(made, made) == ALIKE, "a copy keeps the ids of its source"
    twin = replace(made, document="xmp.did:other export")
    assert both_ways(made, twin) == ALIKE, "neither of two exports was made of the other"
    assert both_ways(made, PLAIN) == ALIKE
    of_edit = FileTraits(document="xmp.did:third", original_document="xmp.did:source", derived_from="xmp.did:made")
    assert both_ways(of_edit, made).tier == "stack"


def test_other_tiers_and_unknown_files_stay_what_they_are() -> None:
    raw, film = FileTraits(raw=True), FileTraits(film=True)
    for tier in ("bytes", "part", "stack", "burst", "semantic"):
        evidence = Evidence(tier, 1.0)
        assert both_ways(raw, film, evidence) is evidence
    assert relate(ALIKE, None, film) is ALIKE
    assert relate(ALIKE, film, None) is ALIKE


values = {
    "taken": st.sampled_from(["", "2024-05-03T12:00:00", "2024-05-03T12:00:00.5", "2024-05-03T12:00:01+02:00", "x"]),
    "camera": st.sampled_from(["", "A B", "A B #1", "A B #2", "B"]),
    "shot": st.dictionaries(st.sampled_from([*SHOTS, "image_number"]), st.sampled_from(["1", "2"]), max_size=2),
    "images": st.integers(1, 2),
    "raw": st.booleans(),
    "film": st.booleans(),
    "document": st.sampled_from(["", "a", "b"]),
    "original_document": st.sampled_from(["", "a", "b"]),
    "derived_from": st.sampled_from(["", "a", "b"]),
}
traits = st.builds(FileTraits, **values)


@settings(max_examples=120, deadline=None)
@given(traits, traits, st.sampled_from(["pixels", "perceptual", "near"]))
def test_relation_is_symmetric_and_never_makes_a_copy_surer(first, second, tier) -> None:
    evidence = Evidence(tier, 0.9)
    found = both_ways(first, second, evidence)
    assert found is evidence or (found.tier in NEVER_MOVED and found.why)
    assert another_shot(first, second) == another_shot(second, first) or first.shot != second.shot
    assert bool(another_shot(first, second)) == bool(another_shot(second, first))
