"""The samples that become black and white where a file does not say."""

from __future__ import annotations

from typing import Any

import numpy as np

from imgsearch.media.colour.rows import Rows

_BAND_SAMPLES = 3_000_000
_OUTLIERS = 0.25
"""Largest share of float samples above 1.0 at which an image still counts as running from 0 to 1. Highlights of a
linear image exceed 1."""
_SLIGHTLY_NEGATIVE = 0.05  # share of the largest sample: sharpening and resampling leave values below black


Span = tuple[float, float]
"""The samples (lowest, highest) that become black and white."""


def usual_range(rows: Rows) -> Span:
    """The range of samples whose file says none. For uint8 and uint16 it is the range of the type. Floats end at 1,
    255 or 65535, signed and 32-bit integers at 255, 65535 or the largest value of their type: the first of these
    that holds all samples and of which they use more than half. Anything else is stretched from its lowest to its
    highest sample."""
    kind, low, high, beyond_one = _survey(rows)
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


def _survey(rows: Rows) -> tuple[np.dtype[Any], float, float, float]:
    """The dtype, the lowest and highest finite sample, and the share of samples above 1."""
    low, high, beyond, count = np.inf, -np.inf, 0, 0
    kind = np.dtype(np.uint8)
    for top, bottom in _bands(rows):
        samples, _ = rows.read(top, bottom)
        kind = samples.dtype
        if kind.kind == "u" and kind.itemsize <= 2:
            break
        finite = samples[np.isfinite(samples)] if kind.kind == "f" else samples
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
            beyond, count = beyond + int((finite > 1).sum()), count + finite.size
    return (kind, low, high, beyond / count) if count else (kind, 0.0, 1.0, 0.0)


def _bands(rows: Rows) -> list[tuple[int, int]]:
    width, height = rows.size
    step = max(1, _BAND_SAMPLES // max(1, 4 * width))
    return [(top, min(top + step, height)) for top in range(0, height, step)]
