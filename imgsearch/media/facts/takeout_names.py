"""The names that Google Takeout gives to the JSON notes of an image. All names here are folded.

``IMG_1.jpg`` has ``IMG_1.jpg.json``, since 2024 ``IMG_1.jpg.supplemental-metadata.json``. The part before ``.json`` is
cut to 46 characters: first "supplemental-metadata" loses its end, then the image's name. The second ``IMG_1.jpg`` of an
album is ``IMG_1(1).jpg`` with ``IMG_1.jpg(1).json`` or ``IMG_1.jpg.supplemental-metadata(1).json``. Sources: Google
Takeout exports, as recorded in the tests of immich-go and GooglePhotosTakeoutHelper.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

_MOST = 46  # UTF-16 units, as JavaScript and Java count them, before the number and ".json"
_CUTS = (_MOST, _MOST + 1)  # exports with one more are known: "PXL_20230809_203449253.LONG_EXPOSURE-02.ORIGINA.json"
_NOTES = ".supplemental-metadata"
# Exports in other languages may name the notes in theirs: "img_1.jpg.métadonnées supplémentaires(1).json".
_WORDED = re.compile(r"(.+)(\.[a-z0-9]{2,5})\.[^\W\d_][^\d./()]{2,45}(\(\d{1,4}\))?\.json")
_NUMBER = re.compile(r"\(\d{1,4}\)$")


def notes_of(name: str) -> Iterator[str]:
    """The names that the notes of the image ``name`` may have."""
    stem, extension = os.path.splitext(name)  # noqa: PTH122
    number = _NUMBER.search(stem)
    yield from _notes(name, "")
    if number:
        yield from _notes(stem[: number.start()] + extension, number[0])
    yield stem + ".json"  # before 2018, and programs other than Takeout


def image_of_worded_notes(name: str) -> str:
    """The name of the image whose notes ``name`` may be, written in any language; "" if they are not named so."""
    match = _WORDED.fullmatch(name)
    return f"{match[1]}{match[3] or ''}{match[2]}" if match else ""


def images_of_notes(name: str) -> Iterator[str]:
    """The names that the image of the notes ``name`` may have. Where Takeout cut the image's name, only its longest
    remaining beginning is given (see `was_cut`)."""
    for text in _with_and_without_number(name.removesuffix(".json")):
        for media in {text[0], _without_notes(text[0])}:
            for bare, number in _with_and_without_number(media):
                stem, extension = os.path.splitext(bare)  # noqa: PTH122
                yield stem + (number or text[1]) + extension
    if worded := image_of_worded_notes(name):
        yield worded


def _with_and_without_number(text: str) -> list[tuple[str, str]]:
    """("a", "(1)") and ("a(1)", "") of "a(1)"."""
    number = _NUMBER.search(text)
    return [(text, ""), (text[: number.start()], number[0])] if number else [(text, "")]


def was_cut(name: str) -> str:
    """The beginning of the image's name that the notes ``name`` keep, if Takeout may have cut it; otherwise ""."""
    bare = _NUMBER.sub("", name.removesuffix(".json"))
    return bare if _units(bare) >= _MOST - 1 else ""


def _notes(media: str, number: str) -> Iterator[str]:
    yield f"{media}{number}.json"
    for length in range(1, len(_NOTES) + 1):
        yield f"{media}{_NOTES[:length]}{number}.json"
    if number:
        yield f"{media}{number}{_NOTES}.json"
    for cut in dict.fromkeys(_cut(media, length) for length in _CUTS):
        if cut != media:
            yield f"{cut}{number}.json"
            if number:  # Takeout sometimes writes only the first one's notes
                yield f"{cut}.json"


def _without_notes(text: str) -> str:
    for length in range(len(_NOTES), 0, -1):
        if text.endswith(_NOTES[:length]):
            return text[:-length]
    return text


def _units(text: str) -> int:
    return len(text) + sum(letter > "\uffff" for letter in text)


def _cut(text: str, most: int) -> str:
    if len(text) <= most and _units(text) <= most:
        return text
    if _units(text) == len(text):
        return text[:most]
    return text.encode("utf-16-le", "surrogatepass")[: 2 * most].decode("utf-16-le", "ignore")
