"""Tells two shots of one scene by their grain: the noise of the sensor is another in each.

A copy keeps the fine detail of its source, or loses some of it. If both pictures have about as much fine detail in
their plainest parts, and it is not the same detail, neither is the other saved again.
"""

from __future__ import annotations

import numpy as np

from imgsearch.dedup.pixels.inspection.filters import smooth
from imgsearch.dedup.pixels.inspection.planes import Planes
from imgsearch.records import Float32, UInt8

ANOTHER_GRAIN = "another shot: its grain is another"
PERHAPS_ANOTHER_SHOT = "perhaps another shot: its compression does not explain how it differs"

_ACROSS = 768  # pixels of the side of the middle, which is compared
_BLOCK = 8
_LEAST_BLOCKS = 100
_PLAINEST = 0.3  # share of the blocks
_DARKEST, _LIGHTEST = 12, 240  # lightness of blocks that were not clipped
_LEAST_DETAIL = 1.0  # root mean square of lightness; there is hardly any grain below it
_LIMITS = ((0.93, 0.7), (0.85, 0.6))
"""From this ratio of the two details (root mean square) on, the least share of the weaker detail that must lie in the
stronger one. 300 copies of nine photographs, without noise and with 1 to 8 steps of it (halves, thirds, JPEG 50 to 95,
WebP, AVIF, HEIC), have at least 0.77 and 0.67 there; of 320 pairs of another frame, and its copies, half have less."""

_GENTLE = 500
"""The sum of a JPEG's 64 steps at quality 93. Below it the steps themselves tell more (`saved_again`): they put other
detail in place of fine detail, as much as there was."""


def is_another_grain(one: Planes, other: Planes, steps: int = 0) -> bool:
    """Whether two images of one size, which look alike, differ in their grain. ``steps``: the sum of the 64 steps of
    the smaller file if it is a JPEG of that size, else 0. 10 ms at most."""
    if 0 < steps <= _GENTLE:
        return False
    details = [_fine(planes) for planes in (one, other)]
    rows, columns = (side // _BLOCK for side in details[0].shape)
    if rows * columns < _LEAST_BLOCKS:
        return False
    lightness = _blocks(np.asarray(_middle(one.luma), np.float32), rows, columns)
    shown = (lightness > _DARKEST) & (lightness < _LIGHTEST)
    powers = [_blocks(detail * detail, rows, columns)[shown] for detail in details]
    shared = _blocks(details[0] * details[1], rows, columns)[shown]
    if len(shared) < _LEAST_BLOCKS:
        return False
    larger = np.maximum(*powers)
    plain = larger <= np.quantile(larger, _PLAINEST)
    weak, strong = sorted(float(power[plain].mean()) for power in powers)
    if weak < _LEAST_DETAIL**2:
        return False
    ratio, in_both = (weak / strong) ** 0.5, float(shared[plain].mean()) / weak
    return any(ratio >= least and in_both < limit for least, limit in _LIMITS)


def _fine(planes: Planes) -> Float32:
    """What smoothing twice removes from the middle."""
    luma = np.asarray(_middle(planes.luma), np.float32)
    return luma - smooth(smooth(luma))


def _middle(luma: UInt8) -> UInt8:
    top, left = (max(0, (side - _ACROSS) // 2) // _BLOCK * _BLOCK for side in luma.shape)
    return luma[top : top + _ACROSS, left : left + _ACROSS]


def _blocks(values: Float32, rows: int, columns: int) -> Float32:
    """The mean of each block, flat."""
    whole = values[: rows * _BLOCK, : columns * _BLOCK].reshape(rows, _BLOCK, columns, _BLOCK)
    return np.asarray(whole.mean((1, 3)).ravel(), np.float32)
