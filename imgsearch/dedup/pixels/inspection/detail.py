"""Measures how much stronger one image's finest detail is than another's, where both have it. This distinguishes
sharpening and blurring from compression, which takes detail away here and there and never strengthens it."""

from __future__ import annotations

import numpy as np

from imgsearch.dedup.pixels.inspection.planes import Planes, finest_detail
from imgsearch.records import UInt8

_LEAST = 0.3  # lightness, root mean square, below which there is no detail to compare


def detail_gain(one: Planes, other: Planes) -> float:
    """The factor that makes the weaker detail the stronger one, by least squares; 1 if there is none. 2 ms at most. Ten
    photographs of JPEG 90 against themselves as JPEG of 10 to 95, WebP, AVIF and with noise have 0.46 to 1.08, with
    other contrast up to 1.13; sharpened by 50 % 1.34 and more, blurred by 0.5 px 1.33 and more."""
    weak, strong = sorted((one.detail, other.detail), key=lambda detail: float(detail @ detail))
    energy = float(weak @ weak)
    return float(strong @ weak) / energy if energy > len(weak) * _LEAST**2 else 1.0


def detail_strength(luma: UInt8) -> float:
    """Root mean square of the finest detail of lightness uint8 [h, w]."""
    detail = finest_detail(luma)
    return float(np.sqrt(detail @ detail / max(len(detail), 1)))
