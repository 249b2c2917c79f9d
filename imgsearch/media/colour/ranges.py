"""The samples that become black and white where a file does not say."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from imgsearch.media.colour.rows import SampleRows

_BAND_SAMPLES = 3_000_000
_OUTLIERS = 0.25
"""Largest share of float samples above 1.0 at which an image still counts as running from 0 to 1. Highlights of a
linear image exceed 1."""
_FEW = 0.02  # share of negative samples that are marks of missing values or errors of rounding, whatever their size
_SLIGHTLY_NEGATIVE = 0.05  # share of the largest sample: sharpening and resampling leave values below black


Span = tuple[float, float]
"""The samples (lowest, highest) that become black and white."""


def usual_range(rows: SampleRows) -> Span:
    """The range of samples whose file says none. For uint8 and uint16 it is the range of the type. Floats end at 1,
    255 or 65535, signed and 32-bit integers at 255, 65535 or the largest value of their type: the first of these
    that holds all samples and of which they use more than half. Anything else is stretched from its lowest to its
    highest sample. A few negative samples in a file of positive ones are ignored."""
    found = _survey(rows)
    kind, low, high, beyond_one = found.kind, found.low, found.high, found.beyond_one
    if kind.kind == "u" and kind.itemsize <= 2:
        return 0.0, float(np.iinfo(kind).max)
    if kind == np.int8:
        return min(low, 0.0), 127.0
    own = (65535.0,) if kind.kind == "f" else (float(np.iinfo(kind).max),)
    tops = (1.0, 255.0, *own) if kind.kind == "f" else (255.0, *own) if kind.itemsize == 2 else (255.0, 65535.0, *own)
    if low >= -_SLIGHTLY_NEGATIVE * high:
        if kind.kind == "f" and beyond_one <= _OUTLIERS and high > 0:
            return 0.0, 1.0
        for top in tops:
            if top / 2 < high <= top:
                return 0.0, top
    return low, max(high, low + 1e-30)


class _Survey(NamedTuple):
    """The lowest and highest finite sample, without a few negative ones, and the share of samples above 1."""

    kind: np.dtype[Any]
    low: float = 0.0
    high: float = 1.0
    beyond_one: float = 0.0


def _survey(rows: SampleRows) -> _Survey:
    low, least, high, negative, beyond, count = np.inf, np.inf, -np.inf, 0, 0, 0
    kind = np.dtype(np.uint8)
    for top, bottom in _bands(rows):
        samples, _ = rows.read(top, bottom)
        kind = samples.dtype
        if kind.kind == "u" and kind.itemsize <= 2:
            break
        finite = samples[np.isfinite(samples)] if kind.kind == "f" else samples
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
            if low < 0:
                positive = finite[finite >= 0]
                least = min(least, float(positive.min())) if positive.size else least
                negative += finite.size - positive.size
            else:
                least = low
            beyond, count = beyond + int((finite > 1).sum()), count + finite.size
    if not count:
        return _Survey(kind)
    return _Survey(kind, least if negative <= _FEW * count and least < np.inf else low, high, beyond / count)


def _bands(rows: SampleRows) -> list[tuple[int, int]]:
    width, height = rows.size
    step = max(1, _BAND_SAMPLES // max(1, 4 * width))
    return [(top, min(top + step, height)) for top in range(0, height, step)]
