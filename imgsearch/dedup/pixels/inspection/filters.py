"""Small filters on planes, in place where possible: the comparison at full size spends its time here."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from imgsearch.records import Float32, UInt8

UInt16 = NDArray[np.uint16]
Int16 = NDArray[np.int16]
Number = TypeVar("Number", np.float32, np.uint16, np.int16)
Real = TypeVar("Real", np.float32, np.float64)


def smooth(plane: Float32) -> Float32:
    """[..., h, w] through the binomial [1 2 1] / 4 both ways, edges repeated. 2 ns a pixel."""
    found = _binomial(plane)
    found *= np.float32(1 / 16)
    return found


def smooth_whole(plane: UInt8) -> UInt16:
    """`smooth` of uint8 [h, w], times 16, which is exact. 0.5 ns a pixel."""
    return _binomial(plane.astype(np.uint16))


def smooth_steps(plane: Int16) -> Int16:
    """`smooth` of differences of 8-bit planes, int16 [..., h, w], times 16, which is exact."""
    return _binomial(plane)


def box_sums(plane: Float32) -> Float32:
    """Sums over 3 x 3 pixels of [..., h, w], edges repeated."""
    plane = np.ascontiguousarray(plane)
    wide, plain = np.empty_like(plane), plane.reshape(-1)
    flat = wide.reshape(-1)
    np.add(plain[:-2], plain[1:-1], out=flat[1:-1])  # also across the ends of rows, as in `_binomial`
    flat[1:-1] += plain[2:]
    for end, beside in _ends(plane.shape[-1]):
        wide[..., end] = plane[..., end] * 2 + plane[..., beside]
    found = np.empty_like(wide)
    np.add(wide[..., :-2, :], wide[..., 1:-1, :], out=found[..., 1:-1, :])
    found[..., 1:-1, :] += wide[..., 2:, :]
    for end, beside in _ends(plane.shape[-2]):
        found[..., end, :] = wide[..., end, :] * 2 + wide[..., beside, :]
    return found


def slopes(plane: Float32) -> tuple[Float32, Float32]:
    """Central differences across and down of [..., h, w], one-sided at the edges."""
    across, down = np.empty_like(plane), np.empty_like(plane)
    np.subtract(plane[..., 2:], plane[..., :-2], out=across[..., 1:-1])
    across[..., 1:-1] *= np.float32(0.5)
    np.subtract(plane[..., 1], plane[..., 0], out=across[..., 0])
    np.subtract(plane[..., -1], plane[..., -2], out=across[..., -1])
    np.subtract(plane[..., 2:, :], plane[..., :-2, :], out=down[..., 1:-1, :])
    down[..., 1:-1, :] *= np.float32(0.5)
    np.subtract(plane[..., 1, :], plane[..., 0, :], out=down[..., 0, :])
    np.subtract(plane[..., -1, :], plane[..., -2, :], out=down[..., -1, :])
    return across, down


def steepness(plane: Float32) -> Float32:
    """The length of the gradient."""
    found = squared_steepness(plane)
    found *= np.float32(0.25)
    return np.sqrt(found, out=found)


def squared_steepness(plane: Float32) -> Float32:
    """Four times the square of `steepness`, which has its order."""
    across, down = np.empty_like(plane), np.empty_like(plane)
    np.subtract(plane[..., 2:], plane[..., :-2], out=across[..., 1:-1])
    np.subtract(plane[..., 2:, :], plane[..., :-2, :], out=down[..., 1:-1, :])
    for at, beside in ((0, 1), (-2, -1)):
        across[..., at + (at < 0)] = (plane[..., beside] - plane[..., at]) * 2
        down[..., at + (at < 0), :] = (plane[..., beside, :] - plane[..., at, :]) * 2
    across *= across
    down *= down
    across += down
    return across


def halved(plane: Float32) -> Float32:
    """Means over 2 x 2 pixels of [..., h, w]; an odd last row or column is left out."""
    found = quad_sums(plane)
    found *= np.float32(0.25)
    return found


def quad_sums(plane: Float32) -> Float32:
    """Sums over 2 x 2 pixels, as `halved`."""
    rows, columns = plane.shape[-2] // 2 * 2, plane.shape[-1] // 2 * 2
    pairs = plane[..., :rows:2, :columns] + plane[..., 1:rows:2, :columns]
    return np.asarray(pairs[..., ::2] + pairs[..., 1::2])


def quantile(values: NDArray[Real], share: float) -> float:
    """`numpy.quantile` of a flat array that is not empty, in a fifth of its time."""
    at = share * (len(values) - 1)
    low = int(at)
    high = min(low + 1, len(values) - 1)
    ordered = np.partition(values, (low, high))
    return float(ordered[low]) + (float(ordered[high]) - float(ordered[low])) * (at - low)


def usual_ones(values: NDArray[Real], least: float, share: float) -> NDArray[np.bool_]:
    """bool [n]: which values of a flat array are at most ``least``, or at most its quantile if that is more."""
    kept = values <= least
    if np.count_nonzero(kept) < min(int(share * (len(values) - 1)) + 2, len(values)):  # else the quantile is less
        kept = values <= max(least, quantile(values, share))
    return kept


def _binomial(plane: NDArray[Number]) -> NDArray[Number]:
    """Sums over 3 x 3 pixels with the weights [1 2 1] both ways, the edges repeated: sums of sums of two neighbours."""
    plane = np.ascontiguousarray(plane)
    wide, plain = np.empty_like(plane), plane.reshape(-1)
    pairs = plain[:-1] + plain[1:]  # also across the ends of rows, which is faster: those two columns are made again
    np.add(pairs[:-1], pairs[1:], out=wide.reshape(-1)[1:-1])
    three = plane.dtype.type(3)
    for end, beside in _ends(plane.shape[-1]):
        wide[..., end] = plane[..., end] * three + plane[..., beside]
    found = np.empty_like(wide)
    rows = wide[..., :-1, :] + wide[..., 1:, :]
    np.add(rows[..., :-1, :], rows[..., 1:, :], out=found[..., 1:-1, :])
    for end, beside in _ends(plane.shape[-2]):
        found[..., end, :] = wide[..., end, :] * three + wide[..., beside, :]
    return found


def _ends(length: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """The first and the last place of ``length`` places, each with the place beside it."""
    return (0, min(1, length - 1)), (length - 1, max(0, length - 2))
