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
    sums = _integral(detail), _integral(detail * detail)
    sizes = [(round(part.shape[0] * fit * scale), round(part.shape[1] * fit * scale)) for scale in _SCALES]
    sizes = [size for size in sizes if min(size) >= 10]
    best = Place((0.0, 0.0, 1.0, 1.0), 0.0)
    for (h, w), product in zip(sizes, _products(detail, part, sizes), strict=True):
        found, top, left = _best_shift(product, sums, h, w)
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


def _products(detail: Float32, part: Float32, sizes: list[tuple[int, int]]) -> list[Float32]:
    """Of the part at each size (h, w), of mean 0 and norm 1, the inner product with the whole's detail [H, W] at every
    shift at which it lies wholly inside: float32 [H - h + 1, W - w + 1] each."""
    side = max(detail.shape)  # shifts at which the part lies wholly inside do not wrap
    templates = np.zeros((len(sizes), side, side), np.float32)
    for template, (h, w) in zip(templates, sizes, strict=True):
        shown = _detail(part, h, w)
        shown -= shown.mean()
        template[:h, :w] = shown / max(float(np.linalg.norm(shown)), 0.03)
    spectrum = np.fft.rfft2(detail, (side, side))
    products = np.fft.irfft2(spectrum * np.conj(np.fft.rfft2(templates)), (side, side))
    height, width = detail.shape
    return [found[: height - h + 1, : width - w + 1] for found, (h, w) in zip(products, sizes, strict=True)]


def _best_shift(
    product: Float32, sums: tuple[NDArray[np.float64], NDArray[np.float64]], h: int, w: int
) -> tuple[float, int, int]:
    """(correlation, top, left) where a template of h x w fits best, from its products with the whole."""
    first, second = (_window_sums(table, h, w) for table in sums)
    variance = np.maximum(second - first * first / (h * w), 1e-3)
    correlation = product / np.sqrt(variance)
    at = int(np.abs(correlation).argmax())
    top, left = divmod(at, correlation.shape[1])
    return float(correlation[top, left]), top, left


def _integral(plane: Float32) -> NDArray[np.float64]:
    table = np.zeros((plane.shape[0] + 1, plane.shape[1] + 1))
    table[1:, 1:] = plane.astype(np.float64).cumsum(axis=0).cumsum(axis=1)
    return table


def _window_sums(table: NDArray[np.float64], h: int, w: int) -> NDArray[np.float64]:
    return table[h:, w:] - table[:-h, w:] - table[h:, :-w] + table[:-h, :-w]
