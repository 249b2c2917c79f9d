"""How much fine detail a picture has, by itself: that tells a blur and a sharpening."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from imgsearch.dedup.inspection.filters import halved, smooth
from imgsearch.records import UInt8

_TILE = 64
_TILES = 24


@dataclass(frozen=True, slots=True)
class Detail:
    """Root mean squares of lightness in three bands, each coarser than the one before."""

    fine: float
    middle: float
    coarse: float

    @property
    def slope(self) -> float:
        """Fine over middle: 0.9 to 1.6 in seven sharp photographs of 640 px, 0.4 to 0.55 in the same blurred by 1 px,
        0.55 to 0.65 enlarged twice; sharpening changes it little."""
        return self.fine / max(self.middle, 1e-3)


def detail_of(luma: UInt8) -> Detail:
    """The detail of lightness uint8 [h, w], of tiles spread over it. 1 ms."""
    height, width = luma.shape
    rng = np.random.default_rng(height * 65_537 + width)
    whole = height * width <= _TILES * _TILE * _TILE or min(height, width) <= _TILE
    tops = [0] if whole else rng.integers(0, height - _TILE, _TILES).tolist()
    lefts = [0] if whole else rng.integers(0, width - _TILE, _TILES).tolist()
    sums, counts = np.zeros(3), np.zeros(3)
    for top, left in zip(tops, lefts, strict=True):
        plane = np.asarray(luma if whole else luma[top : top + _TILE, left : left + _TILE], np.float32)
        for band in range(3):
            if min(plane.shape) < 2:
                break
            slow = smooth(plane)
            fine = (plane - slow).ravel()
            sums[band] += float(fine @ fine)
            counts[band] += fine.size
            plane = halved(slow)
    fine, middle, coarse = np.sqrt(sums / np.maximum(counts, 1)).tolist()
    return Detail(fine, middle, coarse)
