"""How much fine detail a picture has, by itself: that tells a blur and a sharpening."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from imgsearch.dedup.differences import smooth
from imgsearch.records import Float32, UInt8

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
    """The detail of lightness uint8 [h, w], of tiles spread over it. 5 ms."""
    height, width = luma.shape
    rng = np.random.default_rng(height * 65_537 + width)
    whole = height * width <= _TILES * _TILE * _TILE
    tops = [0] if whole else rng.integers(0, max(1, height - _TILE), _TILES).tolist()
    lefts = [0] if whole else rng.integers(0, max(1, width - _TILE), _TILES).tolist()
    sums, count = np.zeros(3), 0
    for top, left in zip(tops, lefts, strict=True):
        tile = luma if whole else luma[top : top + _TILE, left : left + _TILE]
        bands = _bands(np.asarray(tile, np.float32))
        sums += [float((band * band).sum()) for band in bands]
        count += tile.size
    fine, middle, coarse = np.sqrt(sums / max(count, 1)).tolist()
    return Detail(fine, middle, coarse)


def _bands(plane: Float32) -> list[Float32]:
    bands = []
    for passes in (1, 4, 16):
        slow = plane
        for _ in range(passes):
            slow = smooth(slow)
        bands.append(plane - slow)
        plane = slow
    return bands
