"""Where a picture may lie in another, roughly: normalised cross-correlation by FFT over scales and turns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from imgsearch.records import Float32

COARSE_SIDE = 48
"""Pixels of the larger picture's longer side in the search."""

_SCALES = tuple(0.93**step for step in range(14))  # 1 .. 0.39: half of the area is 0.71, a quarter 0.5
_SMOOTHINGS = 6  # of what is taken away as background: a deviation of 1.7 pixels


@dataclass(frozen=True, slots=True)
class Place:
    """A part lies in a whole at ``box`` (left, top, right, bottom, of the whole's size); ``correlation`` -1..1."""

    box: tuple[float, float, float, float]
    correlation: float


def find_place(whole: Float32, part: Float32) -> Place:
    """The best place and scale for ``part`` [h, w] in ``whole`` [H, W], lightness, both with a longer side of about
    `COARSE_SIDE`; the part keeps its aspect. A negative of it is found too. 2 ms."""
    height, width = whole.shape
    fit = min(height / part.shape[0], width / part.shape[1])
    detail = _detail(whole, height, width)
    size = max(height, width)  # shifts at which the part lies wholly inside do not wrap
    spectrum = np.fft.rfft2(detail, (size, size))
    sums = _integral(detail), _integral(detail * detail)
    best = Place((0.0, 0.0, 1.0, 1.0), 0.0)
    for scale in _SCALES:
        h, w = round(part.shape[0] * fit * scale), round(part.shape[1] * fit * scale)
        if min(h, w) < 10:
            break
        found, top, left = _best_shift(spectrum, sums, _detail(part, h, w), (height, width))
        if abs(found) > abs(best.correlation):
            best = Place((left / width, top / height, (left + w) / width, (top + h) / height), found)
    return best


def resized(plane: Float32, height: int, width: int) -> Float32:
    """``plane`` [h, w] at another size, by area when it shrinks and bilinear when it grows."""
    return np.asarray(_weights(plane.shape[0], height) @ plane @ _weights(plane.shape[1], width).T, np.float32)


@lru_cache(maxsize=512)
def _weights(source: int, target: int) -> Float32:
    """Triangle filter, as wide as a target pixel and no narrower than a source pixel: float32 [target, source]."""
    centres = (np.arange(target) + 0.5) * source / target - 0.5
    reach = max(1.0, source / target)
    weights = np.maximum(0, 1 - np.abs(np.arange(source)[None, :] - centres[:, None]) / reach)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


def _detail(plane: Float32, height: int, width: int) -> Float32:
    """The plane at a size, a little smoothed, without its slow changes, so that light falling off towards one side does
    not decide."""
    fine_rows, slow_rows = _filters(plane.shape[0], height)
    fine_columns, slow_columns = _filters(plane.shape[1], width)
    return np.asarray(fine_rows @ plane @ fine_columns.T - slow_rows @ plane @ slow_columns.T, np.float32)


@lru_cache(maxsize=512)
def _filters(source: int, target: int) -> tuple[Float32, Float32]:
    """Resizing, then binomials once and `_SMOOTHINGS` times: float32 [target, source] each."""
    binomial = 0.5 * np.eye(target) + 0.25 * np.eye(target, k=1) + 0.25 * np.eye(target, k=-1)
    binomial[0, 0] = binomial[-1, -1] = 0.75
    weights = _weights(source, target)
    fine, slow = binomial @ weights, np.linalg.matrix_power(binomial, _SMOOTHINGS) @ weights
    return np.asarray(fine, np.float32), np.asarray(slow, np.float32)


def _best_shift(
    spectrum: NDArray[np.complex128],
    sums: tuple[NDArray[np.float64], NDArray[np.float64]],
    template: Float32,
    shape: tuple[int, int],
) -> tuple[float, int, int]:
    """(correlation, top, left) where ``template`` [h, w] fits best within a whole of ``shape``."""
    h, w = template.shape
    size = spectrum.shape[0]
    zero_mean = template - template.mean()
    product = np.fft.irfft2(spectrum * np.conj(np.fft.rfft2(zero_mean, (size, size))), (size, size))
    down, across = shape[0] - h + 1, shape[1] - w + 1
    first, second = (_window_sums(table, h, w) for table in sums)
    variance = np.maximum(second - first * first / (h * w), 1e-3)
    correlation = product[:down, :across] / np.sqrt(variance * max(float((zero_mean**2).sum()), 1e-3))
    at = int(np.abs(correlation).argmax())
    top, left = divmod(at, across)
    return float(correlation[top, left]), top, left


def _integral(plane: Float32) -> NDArray[np.float64]:
    table = np.zeros((plane.shape[0] + 1, plane.shape[1] + 1))
    table[1:, 1:] = plane.astype(np.float64).cumsum(axis=0).cumsum(axis=1)
    return table


def _window_sums(table: NDArray[np.float64], h: int, w: int) -> NDArray[np.float64]:
    return table[h:, w:] - table[:-h, w:] - table[h:, :-w] + table[:-h, :-w]
