"""Facts from the files beside an image: XMP sidecars and the JSON notes of Google Takeout. They are only read. A
hostile sidecar yields no facts."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from imgsearch.errors import MediaError
from imgsearch.media.facts.encodings import tidy
from imgsearch.media.facts.names import epoch_date
from imgsearch.media.facts.places import decimal_place, xmp_place
from imgsearch.media.facts.reading import NO_FACTS, xmp_date
from imgsearch.media.facts.words import distinct_words, xmp_rating, xmp_words
from imgsearch.media.limits import MIB, DecodeLimits
from imgsearch.media.metadata.xmp import MAX_BYTES, Xmp, parse_xmp
from imgsearch.media.source import open_source
from imgsearch.records import FileFacts, Word

_MOST_JSON_BYTES = 1 * MIB  # notes of an image have about 2 KB
_OF_TAKEOUT = frozenset({"photoTakenTime", "geoData", "googlePhotosOrigin"})
_ORIENTATIONS = frozenset("12345678")
_LIMITS = DecodeLimits(file_bytes=max(MAX_BYTES, _MOST_JSON_BYTES))


def read_sidecars(paths: Iterable[str]) -> FileFacts:
    """The facts in these files. Each fact comes from the first file that has it; words are collected from all. Raises
    MediaError if a file cannot be read now but may be later (permissions, disk)."""
    found = [_read(path) for path in paths]
    words = distinct_words(word for facts in found for word in facts.words)
    return replace(merged(found), words=words)


def merged(found: Iterable[FileFacts]) -> FileFacts:
    """Each date, place, rating and orientation from the first that has it, with its source."""
    facts = NO_FACTS
    for more in found:
        if facts.taken_at is None:
            facts = replace(facts, taken_at=more.taken_at, taken_source=more.taken_source)
        if facts.latitude is None:
            place = more.latitude, more.longitude, more.place_source
            facts = replace(facts, latitude=place[0], longitude=place[1], place_source=place[2])
        if facts.rating is None:
            facts = replace(facts, rating=more.rating, rating_source=more.rating_source)
        if facts.orientation is None:
            facts = replace(facts, orientation=more.orientation)
    return facts


def xmp_facts(data: bytes) -> FileFacts:
    """The facts in an XMP sidecar."""
    xmp = parse_xmp(data)
    date, place, rating = xmp_date(xmp), xmp_place(xmp), xmp_rating(xmp)
    return FileFacts(
        taken_at=date or None,
        taken_source="sidecar" if date else None,
        latitude=None if place is None else place.latitude,
        longitude=None if place is None else place.longitude,
        place_source=None if place is None else "sidecar",
        rating=rating,
        rating_source="sidecar" if rating else None,
        words=distinct_words(xmp_words(xmp, "sidecar")),
        orientation=_orientation_of(xmp),
    )


def takeout_facts(data: bytes) -> FileFacts:
    """The facts in Google's notes; none in any other JSON. Their times are UTC, and a place of zeros means none. A
    place that a person set goes before their copy of the image's own."""
    try:
        notes = json.loads(data)
    except (ValueError, RecursionError):
        return NO_FACTS
    if not isinstance(notes, dict) or _OF_TAKEOUT.isdisjoint(notes):
        return NO_FACTS
    taken = notes.get("photoTakenTime")
    date = _time_of(taken) if isinstance(taken, dict) else None
    place = _place_of(notes.get("geoData")) or _place_of(notes.get("geoDataExif"))
    return FileFacts(
        taken_at=date,
        taken_source="takeout" if date else None,
        latitude=None if place is None else place[0],
        longitude=None if place is None else place[1],
        place_source=None if place is None else "takeout",
        words=distinct_words(_notes_words(notes)),
    )


def _read(path: str) -> FileFacts:
    is_json = os.path.splitext(path)[1].lower() == ".json"  # noqa: PTH122
    try:
        with open_source(path, _LIMITS) as source:
            source.stream.seek(0)
            data = source.stream.read(_MOST_JSON_BYTES if is_json else MAX_BYTES)
    except MediaError as error:
        if error.transient:
            raise
        return NO_FACTS
    return takeout_facts(data) if is_json else xmp_facts(data)


def _orientation_of(xmp: Xmp) -> int | None:
    text = xmp.first("tiff:Orientation", "exif:Orientation").strip()
    return int(text) if text in _ORIENTATIONS else None


def _time_of(told: dict[str, Any]) -> str | None:
    try:
        seconds = float(told.get("timestamp", 0))
    except (TypeError, ValueError):
        return None
    return epoch_date(seconds, first_year=1826) if seconds else None


def _place_of(told: Any) -> tuple[float, float] | None:
    return decimal_place(told.get("latitude"), told.get("longitude")) if isinstance(told, dict) else None


def _notes_words(notes: dict[str, Any]) -> list[Word]:
    found = []
    if isinstance(text := notes.get("description"), str):
        found.append(Word("caption", tidy(text), "takeout"))
    people = notes.get("people")
    for person in people if isinstance(people, list) else ():
        if isinstance(person, dict) and isinstance(name := person.get("name"), str):
            found.append(Word("person", tidy(name), "takeout"))
    if notes.get("favorited") is True:
        found.append(Word("tag", "favorite", "takeout"))
    return found
