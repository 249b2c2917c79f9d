"""The filters of the query language, and how the value of each is read."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from imgsearch.errors import UsageError
from imgsearch.search.query.near import EXAMPLE, near_notes, read_near

_TYPES = {
    "jpg": "JPEG",
    "jpeg": "JPEG",
    "jpe": "JPEG",
    "jfif": "JPEG",
    "heic": "HEIF",
    "heif": "HEIF",
    "hif": "HEIF",
    "tif": "TIFF",
    "tiff": "TIFF",
    "png": "PNG",
    "gif": "GIF",
    "bmp": "BMP",
    "webp": "WEBP",
    "avif": "AVIF",
    "ico": "ICO",
    "jp2": "JPEG2000",
    "psd": "PSD",
    "psb": "PSD",
    "jxl": "JXL",
    "jxr": "JXR",
    "ppm": "PPM",
    "pnm": "PPM",
    "qoi": "QOI",
    "tga": "TGA",
    "dds": "DDS",
    "icns": "ICNS",
    "hdr": "HDR",
    "raw": "RAW",
    "dng": "RAW",
}
SHAPES = ("landscape", "portrait", "square")
_MARKS = {"favourite": "favourite", "favorite": "favourite", "hidden": "hidden"}
FACTS = ("gps", "date", "camera", "tag", "rating", "caption", "text")
_COMPARED = re.compile(r"(>=|<=|>|<|=)?(\d{1,9})")
_BETWEEN = re.compile(r"(\d{1,9})(?:-|\.\.)(\d{1,9})")
_LAST_YEAR = 9998  # the year behind it still has four digits, as texts are compared


@dataclass(frozen=True, slots=True)
class Filter:
    """``read`` turns the text after the colon into a clause's value, or raises UsageError. ``example`` shows one.
    ``notes``: what a person should be told of how a value was taken."""

    read: Callable[[str], Any]
    example: str
    notes: Callable[[str], tuple[str, ...]] = lambda _: ()


def _wrong(name: str, value: str, expected: str) -> UsageError:
    return UsageError(
        f"{name}:{value[:40]} is not understood, expected {expected}", f"for example {FILTERS[name].example}"
    )


def _words(name: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if not any(letter.isalnum() for letter in value):
            raise _wrong(name, value, "a name")
        return value.strip()

    return read


def _name_of_file(name: str) -> Callable[[str], str]:
    """Any text with a sign that is seen: a folder may be called "#", "&" or "…"."""

    def read(value: str) -> str:
        if not any(unicodedata.category(letter)[0] in "LMNPS" for letter in value):
            raise _wrong(name, value, "a name")
        return value.strip()

    return read


def _chosen(name: str, choices: dict[str, str]) -> Callable[[str], str]:
    def read(value: str) -> str:
        found = choices.get(value.strip().lower().removeprefix("."))
        if found is None:
            raise _wrong(name, value, f"one of {', '.join(choices)}")
        return found

    return read


def _day(name: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        """A year, a month or a day, as ISO 8601 writes it."""
        text = value.strip().replace("/", "-").replace(".", "-")
        parts = text.split("-")
        try:
            if (
                not 1 <= len(parts) <= 3
                or not all(part.isascii() and part.isdigit() for part in parts)
                or len(parts[0]) != 4
            ):
                raise ValueError
            year, month, day = (*map(int, parts), 1, 1)[:3]
            date(year, month, day)
        except ValueError as exc:
            raise _wrong(name, value, "a year, a month or a day") from exc
        return "-".join([parts[0], *(f"{int(part):02d}" for part in parts[1:])])

    return read


def _years(value: str) -> tuple[int, int]:
    """(first, last), both included."""
    text = value.replace(" ", "")
    if match := re.fullmatch(r"(>=|<=|>|<|=)?(\d{4})", text, re.ASCII):
        sign, year = match[1] or "=", int(match[2])
        ends = {">": (year + 1, _LAST_YEAR), ">=": (year, _LAST_YEAR), "<": (0, year - 1), "<=": (0, year)}
        first, last = ends.get(sign, (year, year))
    else:
        match = re.fullmatch(r"(\d{4})?(?:-|\.{2,3})(\d{4})?", text, re.ASCII)
        first, last = (int(match[1] or 0), int(match[2] or _LAST_YEAR)) if match else (1, 0)
    if first > last or not any(letter.isdigit() for letter in text):
        raise _wrong("year", value, "a year, a first and a last one, or >=, <= and a year (after:2019-06 for months)")
    return first, last


def _pixels(name: str) -> Callable[[str], tuple[int, int]]:
    def read(value: str) -> tuple[int, int]:
        """(least, most), both included."""
        text = value.replace(" ", "").removesuffix("px")
        if match := _BETWEEN.fullmatch(text):
            low, high = int(match[1]), int(match[2])
            if low > high:
                raise _wrong(name, value, "a number of pixels")
            return low, high
        match = _COMPARED.fullmatch(text)
        if match is None:
            raise _wrong(name, value, "a number of pixels")
        number = int(match[2])
        ends = {">": (number + 1, 1 << 40), ">=": (number, 1 << 40), "<": (0, number - 1), "<=": (0, number)}
        return ends.get(match[1] or "=", (number, number))

    return read


def _tag(value: str) -> str:
    """The words of a tag; a ``*`` after them leaves the last one open-ended."""
    if not value.strip(" *") or "*" in value[:-1] or "?" in value:
        raise _wrong("tag", value, "the words of a tag, perhaps with * at their end")
    return value.strip()


def _caption(value: str) -> str:
    """Words of a caption; a ``*`` after them leaves the last one open-ended."""
    text = value.strip()
    if "*" in text[:-1] or "?" in text or not any(letter.isalnum() for letter in text):
        raise _wrong("caption", value, "words of a caption, perhaps with * at their end")
    return text


def _text(value: str) -> str:
    """Words that stand in the picture; a ``*`` behind them leaves the last unfinished."""
    text = value.strip()
    if "*" in text[:-1] or not any(letter.isalnum() for letter in text):
        raise _wrong("text", value, "words that stand in the picture, perhaps with * at their end")
    return text


def _album(value: str) -> str:
    """The name of an album; a ``*`` behind it leaves it unfinished."""
    if not value.strip(' "*') or "*" in value.strip()[:-1]:
        raise _wrong("album", value, "an album's name, perhaps with * at its end")
    return value.strip()


def _rating(value: str) -> tuple[int, int]:
    """(fewest, most stars), both included; (0, 0) is no rating, (-1, -1) a rejected picture."""
    text = value.replace(" ", "").lower()
    if text in ("-1", "rejected"):
        return -1, -1
    match = re.fullmatch(r"(>=|<=|>|<|=)?(\d)|(\d)(?:-|\.\.)(\d)", text, re.ASCII)
    if match is None:
        raise _wrong("rating", value, "a number of stars from 0 (none) to 5, or -1 for rejected pictures")
    if match[3]:
        low, high = int(match[3]), int(match[4])
    else:
        stars = int(match[2])
        ends = {">": (stars + 1, 5), ">=": (stars, 5), "<": (1, stars - 1), "<=": (1, stars)}
        low, high = ends.get(match[1] or "=", (stars, stars))
    if not (1 <= low <= high <= 5 or low == high == 0):
        raise _wrong("rating", value, "a number of stars from 0 (none) to 5, or -1 for rejected pictures")
    return low, high


def _image(value: str) -> str:
    return value


FILTERS: dict[str, Filter] = {
    "folder": Filter(_name_of_file("folder"), "folder:Holiday"),
    "name": Filter(_name_of_file("name"), "name:IMG_2041"),
    "after": Filter(_day("after"), "after:2019-06"),
    "before": Filter(_day("before"), "before:2020"),
    "year": Filter(_years, "year:2019"),
    "camera": Filter(_words("camera"), "camera:Canon"),
    "type": Filter(_chosen("type", _TYPES), "type:jpg"),
    "width": Filter(_pixels("width"), "width:>2000"),
    "height": Filter(_pixels("height"), "height:<=1080"),
    "is": Filter(_chosen("is", {shape: shape for shape in SHAPES} | _MARKS), "is:landscape"),
    "has": Filter(_chosen("has", {fact: fact for fact in FACTS}), "has:gps"),
    "tag": Filter(_tag, "tag:beach"),
    "caption": Filter(_caption, "caption:dog"),
    "text": Filter(_text, 'text:"total 12.50"'),
    "album": Filter(_album, 'album:"Rome 2019"'),
    "rating": Filter(_rating, "rating:>=3"),
    "near": Filter(read_near, EXAMPLE, near_notes),
    "similar": Filter(_image, "similar:holiday.jpg"),
    "like": Filter(_image, 'like:holiday.jpg "at night"'),
}
