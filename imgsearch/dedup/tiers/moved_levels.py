"""Tells from two signatures that a large even area of one image is lighter or darker in the other.

A drawing (an icon, a chart, a drawn scene) is no copy of such an image, however evenly all of it changed, because each
of its colours means something (`inspection.judge`). A look that knows this need not open both files: one drawing is
enough.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from imgsearch.media.signature import luma_of, oriented
from imgsearch.records import UInt8

MOVED = 8
"""Steps of 255 that a level must move, twice as much as a look allows in a drawing: 1,845 of 2,730 pairs of drawn
scenes that looks rejected have it; of 4,851 copies that are not recoloured none has more than 5."""

_LEAST_CELLS = 41  # of 1,024, a twenty-fifth of the area: a look asks for a fiftieth
_EVEN = 1  # steps between neighbouring cells inside an area


def levels_move(first: UInt8, second: UInt8, orientations: Sequence[int]) -> NDArray[np.bool_]:
    """bool [n]: whether a lightness level that fills an even area of either image moved by `MOVED` or more, by the
    median over that area. Signatures uint8 [n, 1536]; ``orientations`` [n] make the second ones lie like the first.
    5 us a pair, 80 if much differs."""
    one, other = luma_of(first).astype(np.int16), luma_of(second).astype(np.int16)
    for place in np.flatnonzero(np.asarray(orientations) != 1).tolist():
        other[place] = oriented(other[place].copy(), orientations[place])
    apart = np.abs(one - other) >= MOVED
    found = np.count_nonzero(apart, axis=(1, 2)) >= _LEAST_CELLS // 2
    for place in np.flatnonzero(found).tolist():
        found[place] = _level_moves(one[place], other[place])
    return np.asarray(found)


def _level_moves(first: NDArray[np.int16], second: NDArray[np.int16]) -> bool:
    even = _even(first) & _even(second)
    levels, others = first[even], second[even]
    return max(_largest_move(levels, others), _largest_move(others, levels)) >= MOVED


def _largest_move(levels: NDArray[np.int16], others: NDArray[np.int16]) -> float:
    wide = np.flatnonzero(np.bincount(levels, minlength=1) >= _LEAST_CELLS)
    return max((abs(float(np.median(others[levels == level])) - float(level)) for level in wide), default=0.0)


def _even(plane: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Which cells differ by `_EVEN` at most from those beside, above and below: bool [h, w]."""
    even = np.ones(plane.shape, np.bool_)
    across = np.abs(np.diff(plane, axis=1)) <= _EVEN
    down = np.abs(np.diff(plane, axis=0)) <= _EVEN
    even[:, 1:] &= across
    even[:, :-1] &= across
    even[1:] &= down
    even[:-1] &= down
    return even
