"""Letters that the recogniser leaves out of a column of Japanese or Chinese, found by the gap that they leave.

A column is read lying on its side. In pieces of up to six letters the bar of "コーヒー" is then read, in longer ones it
is dropped with a confidence of 1.0, as some small kana are; the letters beside it keep their places.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

_GAP = 1.5  # pitches between two letters from which on one is missing between them,
_END = 1.25  # and from the last letter's middle to the end of the line, where it is half a pitch
_BESIDE = 2  # letters on both sides that are read again with the gap, and must be the same then
_FEWEST = 3  # letters that tell the pitch
_CERTAIN = 0.85  # confidence of a piece with what was missing: 0.91 to 0.98 where it was right


@dataclass(frozen=True, slots=True)
class Letters:
    """A line letter by letter: where each stands along it, 0 to 1, and how sure it is."""

    text: str
    centres: tuple[float, ...]
    confidences: tuple[float, ...]


def completed(letters: Letters, reread: Callable[[float, float], tuple[str, float]]) -> Letters:
    """The column with what its gaps hold. ``reread`` reads the part between two places, 0 to 1: (text, confidence).
    Cost: one reading a gap."""
    if len(letters.text) < _FEWEST:
        return letters
    pitch = float(np.median(np.diff(letters.centres)))
    gaps = [-1, *_gaps(letters, pitch), len(letters.text) - 1]
    for number in range(len(gaps) - 2, 0, -1):  # from the end, so that earlier places stay
        first = max(gaps[number] + 1 - _BESIDE, gaps[number - 1] + 1)
        behind = min(gaps[number] + 1 + _BESIDE, gaps[number + 1] + 1)
        letters = _filled(letters, (first, gaps[number] + 1, behind), pitch, reread)
    return letters


def _gaps(letters: Letters, pitch: float) -> list[int]:
    """The letters behind which one is missing. Only those of Japanese and Chinese, which stand in equal cells."""
    text, centres = letters.text, letters.centres
    square = [unicodedata.east_asian_width(letter) in "WF" for letter in text]
    apart = [*np.diff(centres).tolist(), 1 - centres[-1]]
    least = [*([_GAP * pitch] * (len(text) - 1)), _END * pitch]
    last = len(text) - 1
    return [
        place
        for place in range(len(text))
        if apart[place] > least[place] and square[place] and square[min(place + 1, last)]
    ]


def _filled(
    letters: Letters, span: tuple[int, int, int], pitch: float, reread: Callable[[float, float], tuple[str, float]]
) -> Letters:
    """With what stands before the letter ``middle`` of the span, where the letters first to behind are read again."""
    first, middle, behind = span
    text, centres = letters.text, letters.centres
    before, after = text[first:middle], text[middle:behind]
    start = centres[first] - pitch / 2
    stop = centres[behind - 1] + pitch / 2 if after else 1.0
    found, confidence = reread(max(0.0, start), min(1.0, stop))
    found = "".join(found.split())
    missing = found[len(before) : len(found) - len(after)]
    if confidence < _CERTAIN or not missing or before + missing + after != found:
        return letters
    edge = centres[middle] if after else 1.0 + pitch / 2
    between = np.linspace(centres[middle - 1], edge, len(missing) + 2)[1:-1]
    return replace(
        letters,
        text=text[:middle] + missing + text[middle:],
        centres=(*centres[:middle], *map(float, between), *centres[middle:]),
        confidences=(*letters.confidences[:middle], *(confidence for _ in missing), *letters.confidences[middle:]),
    )
