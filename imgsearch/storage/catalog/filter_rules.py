"""What filters mean, whoever applies them: the catalog's SQL (`filters.py`) and the columns beside it."""

from __future__ import annotations

import contextlib
import math
import os
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imgsearch import wordforms
from imgsearch.records import Clause, Filters, Float64, Root
from imgsearch.storage.catalog import words
from imgsearch.storage.catalog.collected.marks import is_mark

EARTH_KM = 6371.0088  # mean radius, IUGG
_DEGREE_KM = EARTH_KM * math.pi / 180
SQUARE = 1.05
"""Longer side over shorter, up to which an image counts as square."""

OF_FILE = ("folder", "name")
"""Filters about a place; all others are about the content."""

PLAIN_FORMATS = (
    *("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "AVIF", "HEIF", "ICO", "JPEG2000", "PPM", "QOI"),
    *("PSD", "JXL", "JXR", "TGA", "DDS", "ICNS", "CUR", "PCX", "PCD", "SGI", "SUN", "XBM", "XPM", "HDR"),
    *("FLI", "BLP", "FITS", "IM", "MSP", "DCX", "GBR", "XVTHUMB"),
)
"""`MediaFacts.format` of everything but camera RAW, whose files carry the name of their kind: "CR2", "NEF" ..."""


def groups(filters: Filters) -> list[list[Clause]]:
    """Groups the clauses of which any one may hold. A picture may bear several marks: each of these is for itself."""
    found: list[list[Clause]] = []
    together: dict[str, list[Clause]] = {}
    for clause in filters.clauses:
        if clause.name in Filters.ANY and not clause.unwanted and not is_mark(clause):
            if clause.name not in together:
                together[clause.name] = []
                found.append(together[clause.name])
            together[clause.name].append(clause)
        else:
            found.append([clause])
    return found


def is_of_file(group: Sequence[Clause]) -> bool:
    """Whether all clauses like these must hold for the same file."""
    return group[0].name in OF_FILE and not group[0].unwanted


def expanded(value: str) -> str:
    """The value of ``folder:`` with ``~`` as the person's home."""
    with contextlib.suppress(RuntimeError):  # ~user for a user who does not exist
        return str(Path(value).expanduser())
    return value


def folder_of_root(root: Root) -> str:
    """The folder in which a root's files lie; a root may be a file."""
    return str(root.path.parent if root.path.is_file() else root.path)


def beginnings(folder: str, roots: Sequence[Root]) -> dict[int, bytes]:
    """By root, how the paths of the files below an absolute folder begin; b"" where all of them lie there."""
    place = Path(os.path.normpath(folder))
    found: dict[int, bytes] = {}
    for root in roots:
        if root.path.is_relative_to(place):
            found[root.root_id] = b""
        elif place.is_relative_to(root.path):
            found[root.root_id] = os.fsencode(str(place.relative_to(root.path))) + b"/"
    return found


def sql_text(path: str) -> str:
    """The text as databases take it: bytes that are not UTF-8 become a sign that no pattern names."""
    return os.fsencode(path).decode("utf-8", "replace")


def signs(text: str) -> str:
    """The signs that the index of words does not hold, emoji and the like, one a line; all of a text without words."""
    if not any(wordforms.readings(text)):
        return words.plain(text.strip())
    return "\n".join(letter for letter in words.plain(text) if unicodedata.category(letter) == "So")


def holds(wanted: str, text: str, *, unfinished: bool = False) -> bool:
    """Whether ``wanted`` stands in ``text``, by the same rule as the index of words."""
    found = wordforms.holds(text, wanted, unfinished=unfinished) or not any(wordforms.readings(wanted))
    return found and words.holds_signs(signs(wanted), text)


def belt(value: tuple[float, float, float]) -> tuple[float, float]:
    """The latitudes between which all lies that `within` finds; ``value`` of ``near:``, degrees and kilometres."""
    north, _, kilometres = value
    return north - kilometres / _DEGREE_KM, north + kilometres / _DEGREE_KM


def within(north: Float64, east: Float64, value: tuple[float, float, float]) -> NDArray[np.bool_]:
    """Which places, in degrees [n], lie within the circle, by the haversine of the great circle."""
    lat, lon = np.radians(north), np.radians(east)
    half = np.sin((lat - math.radians(value[0])) / 2) ** 2
    half += np.cos(lat) * math.cos(math.radians(value[0])) * np.sin((lon - math.radians(value[1])) / 2) ** 2
    distance = 2 * EARTH_KM * np.arcsin(np.sqrt(np.clip(half, 0, 1)))
    inside: NDArray[np.bool_] = distance <= value[2]
    return inside
