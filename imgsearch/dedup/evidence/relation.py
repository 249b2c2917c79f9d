"""The relation of two files, decided by everything that they hold beside the compared image.

The images look alike. The rest of the files decides whether one may stand for the other: the number of images, a film,
a RAW's data, the moment and the exposure, the source that one was made from.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from imgsearch.dedup.evidence.records import Evidence
from imgsearch.media.samples.whole import FileTraits

_BURST_S = 10.0
_MILLISECONDS = 3  # digits
_SHOT_WORDS = {
    "exposure_time": "another exposure",
    "iso": "another exposure",
    "f_number": "another exposure",
    "exposure_bias": "another exposure",
    "focal_length": "another focal length",
    "white_balance": "another white balance",
    "flash": "another flash",
    "subject_distance": "another focus",
    "image_number": "another shot of one camera",
    "gps_time": "another time",
    "iptc_time": "another time",
    "on_a_map": "another place on a map",
}
"""Facts of an exposure: if both files have one and they differ, the shutter opened twice."""

_ALIKE = ("perceptual", "near")


def relate(evidence: Evidence, first: FileTraits | None, second: FileTraits | None) -> Evidence:
    """The evidence with its tier as the files' traits allow (None: they could not be read, which rules nothing out).

    Equal samples (tier pixels) and equal bytes keep their tier; `worth.stays` decides whether such a file may be moved.
    """
    if evidence.tier not in (*_ALIKE, "pixels") or first is None or second is None:
        return evidence
    if first.film != second.film:
        return _as("stack", "a motion photo and its still", evidence)
    if first.raw or second.raw:
        if first.raw and second.raw:
            return _as("burst", another_shot(first, second) or "two RAW files", evidence)
        apart = seconds_between(first.taken, second.taken)
        if apart:
            return replace(_as("burst", _apart(apart), evidence), seconds=apart)
        return _as("stack", "a RAW and a picture made of it", evidence)
    if first.film:
        return _as("part", "two motion photos: their films are not compared", evidence)
    if evidence.tier == "pixels":
        return evidence
    if first.images != second.images:
        few, many = sorted((first.images, second.images))
        return _as("part", f"{_count(few)} against {_count(many)}", evidence)
    if first.images > 1:
        return _as("part", f"{_count(first.images)} each, not all of them equal", evidence)
    shot = another_shot(first, second)
    if shot:
        return replace(_as("burst", shot, evidence), seconds=seconds_between(first.taken, second.taken))
    if _derived(first, second) or _derived(second, first):
        return _as("stack", "an edited picture and its original", evidence)
    return evidence


def another_shot(first: FileTraits, second: FileTraits) -> str:
    """Why two files are two shots, for a person; "" if nothing says so. A copy keeps the moment and the exposure of its
    source, or loses them."""
    if first.camera and second.camera and not same_camera(first.camera, second.camera):
        return "by another camera"
    apart = seconds_between(first.taken, second.taken)
    if apart:
        return _apart(apart)
    if first.taken and second.taken and apart is None and first.taken != second.taken:
        return "another time"
    for name, words in _SHOT_WORDS.items():
        if name in first.shot and name in second.shot and first.shot[name] != second.shot[name]:
            return words
    return ""


def same_camera(first: str, second: str) -> bool:
    """Whether two cameras ("Make Model #serial") may be one: the serial number counts if both have it, else the make if
    both have that."""
    name, _, serial = first.casefold().partition(" #")
    other, _, other_serial = second.casefold().partition(" #")
    named = name == other or name.endswith(" " + other) or other.endswith(" " + name)
    return named and (not serial or not other_serial or serial == other_serial)


def seconds_between(first: str, second: str) -> float | None:
    """Between two times in ISO 8601; None if one is missing or makes no sense. Offsets count if both have one,
    fractions of a second if both have them: .5 and .51 are two shots (zeros at the end were cut off), .5123 and .512
    are one (a program that keeps milliseconds)."""
    if not first or not second:
        return None
    try:
        one, other = datetime.fromisoformat(first), datetime.fromisoformat(second)
    except ValueError:
        return None
    if one.tzinfo is None or other.tzinfo is None:
        one, other = one.replace(tzinfo=None), other.replace(tzinfo=None)
    digits = min(_digits(first), _digits(second), 6)
    step = int(10 ** (6 - max(digits, _MILLISECONDS))) if digits else 1_000_000
    whole = (one.replace(microsecond=0) - other.replace(microsecond=0)).total_seconds()
    return abs(whole + (one.microsecond // step - other.microsecond // step) * step / 1e6)


def _digits(text: str) -> int:
    """The number of digits behind the seconds' point, 0 without a point."""
    _, _, rest = text[19:].partition(".") if text[19:20] == "." else ("", "", "")
    count = 0
    while count < len(rest) and rest[count].isdigit():
        count += 1
    return count


def _apart(seconds: float) -> str:
    return "a burst" if seconds <= _BURST_S else "another time"


def _derived(made: FileTraits, source: FileTraits) -> bool:
    """Whether XMP says that ``made`` was derived from ``source``. Copies of one file share a document, and two exports
    of one image are derived from the same document: neither was made from the other."""
    one_document = bool(made.document) and made.document == source.document
    if one_document or made.derived_from == source.derived_from:
        return False
    return bool(made.derived_from) and made.derived_from in (source.document, source.original_document)


def _count(images: int) -> str:
    return "one picture" if images == 1 else f"{images:,} pictures"


def _as(tier: str, why: str, evidence: Evidence) -> Evidence:
    return replace(evidence, tier=tier, why=why)
