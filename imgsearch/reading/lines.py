"""Recognised boxes as lines and words of an image, whatever its size."""

from __future__ import annotations

import re
import unicodedata

import numpy as np

from imgsearch.reading.contract import Points, Recognised
from imgsearch.storage import TextLine, TextWord

_WORD = re.compile(r"\S+")


def as_line(found: Recognised, width: int, height: int) -> TextLine:
    """What stands in a box of an image of that size, with its words: of Latin letters those between spaces, of scripts
    without spaces the whole line."""
    text = unicodedata.normalize("NFC", found.text)
    if len(text) != len(found.centres):
        text = found.text
    spans = [(at.start(), at.end()) for at in _WORD.finditer(text)]
    edges = _edges(found.centres)
    words = []
    for start, stop in spans:
        confidence = float(np.mean(found.confidences[start:stop]))
        points = _part(found.points, edges[start][0], edges[stop - 1][1])
        words.append(TextWord(text[start:stop], _box(points, width, height), confidence))
    return TextLine(" ".join(text.split()), _box(found.points, width, height), found.confidence, tuple(words))


def _edges(centres: object) -> list[tuple[float, float]]:
    """Where each letter begins and ends along the line: midway between its neighbours."""
    at = np.asarray(centres, np.float64)
    between = (at[1:] + at[:-1]) / 2
    return list(zip([0.0, *between.tolist()], [*between.tolist(), 1.0], strict=True))


def _part(points: Points, start: float, stop: float) -> Points:
    """The part of a turned rectangle between two shares of its length."""
    upper, lower = points[1] - points[0], points[2] - points[3]
    return np.stack(
        [points[0] + start * upper, points[0] + stop * upper, points[3] + stop * lower, points[3] + start * lower]
    )


def _box(points: Points, width: int, height: int) -> tuple[float, float, float, float, float, float, float, float]:
    shares = np.clip(points / [width, height], 0, 1)
    one, two, three, four, five, six, seven, eight = (float(value) for value in shares.reshape(-1))
    return one, two, three, four, five, six, seven, eight
