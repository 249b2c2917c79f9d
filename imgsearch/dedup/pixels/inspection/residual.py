"""The rest of one image after another was brought to it, at several scales: its peak over the usual rest.

An image that was compressed or resized differs a little everywhere, and most at edges. A word, a digit, a closed eye
leaves much at one place. Each rest is therefore divided by the edges around it, and the largest such ratio of the image
is compared with the ratio that one pixel in a hundred reaches.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from imgsearch.dedup.pixels.inspection.filters import box_sums, quad_sums, steepness
from imgsearch.dedup.pixels.inspection.fit import Fit, apply_fit
from imgsearch.dedup.pixels.inspection.planes import KEPT_PIXELS, Planes, sum_and_squares
from imgsearch.records import Float32

_FLOORS = (
    6.0,
    4.0,
    3.0,
    2.5,
    2.5,
)  # lightness that never counts as a difference: of means over 3 x 3 pixels, then each level half as fine
FAINTEST = 0.35
"""A ratio that never counts as a difference, whatever is usual."""

_EDGE_SHARE = 0.5
_BAND_PIXELS = KEPT_PIXELS  # at a time, so that a band's data stay in the cache
_LEAST_ROWS = 32
_HALO = 8  # rows above and below a band that its filters need
_USUAL = 0.99
_SAMPLED = 6_000  # ratios from which the quantile is taken
_LEAST = 6  # pixels of a level's shorter side
_BOX, _QUAD = 9, 4  # how many times too large sums over 3 x 3 and 2 x 2 pixels are


@dataclass(frozen=True, slots=True)
class Peak:
    """``largest``: the greatest ratio of rest to edges at one scale; ``usual``: the ratio that a hundredth of the
    pixels exceeds. Where it, or the ratio without edges, is less than `FAINTEST`, that ratio and 0."""

    largest: float
    usual: float


@dataclass(frozen=True, slots=True)
class ScaleResidual:
    """``peaks``: one for each scale, the finest first. ``share``: of the target's variance that is left. ``largest``:
    the greatest rest over 3 x 3 pixels, 0..255. ``pixels``: of the image."""

    peaks: tuple[Peak, ...]
    share: float
    largest: float
    pixels: int = 1 << 30


def rest_of(fit: Fit, source: Planes, target: Planes) -> ScaleResidual:
    """The rest of ``target`` after ``source``, which has its size, was brought to it. Works in bands: 20 bytes a pixel
    of one band, 2.5 a pixel of the image. 30 ns a pixel, 12 with a line alone."""
    height, width = target.luma.shape
    finest = _Level(_FLOORS[0] * _BOX, height * width)
    halves: list[tuple[Float32, Float32]] = []
    squares = values = value_squares = 0.0
    rows = height if target.is_small else max(_LEAST_ROWS, _BAND_PIXELS // width // 2 * 2)
    for top in range(0, height, rows):
        first, stop = max(0, top - _HALO), min(height, top + rows + _HALO)
        inner = slice(top - first, min(top + rows, height) - first)
        wanted, rest, edges = _band(fit, source, target, slice(first, stop))
        rest9, edges9 = box_sums(rest)[inner], box_sums(edges)[inner]
        finest.take(rest9, edges9)
        halves.append((quad_sums(rest9), edges9 if target.is_small else quad_sums(edges9)))
        inside = rest[inner].ravel()
        squares += float(inside @ inside)
        if not target.is_small:
            sums = sum_and_squares(wanted[inner])
            values, value_squares = values + sums[0], value_squares + sums[1]
    if target.is_small:
        values, value_squares = target.smoothed_sums
    count = height * width
    variance = max(value_squares / count - (values / count) ** 2, 1e-3)
    rest36, edges = (parts[0] if len(parts) == 1 else np.concatenate(parts) for parts in zip(*halves, strict=True))
    peaks = [finest.peak(), *_broader_peaks(rest36, edges)]
    return ScaleResidual(tuple(peaks), squares / count / variance, finest.largest_rest / _BOX, count)


def _broader_peaks(rest: Float32, edges: Float32) -> Iterator[Peak]:
    """The peaks of the scales after the finest, from sums of the rest over 3 x 3 pixels and then 2 x 2, and of the
    edges over 3 x 3, or as of the rest."""
    scale = _BOX
    for floor in _FLOORS[1:]:
        scale *= _QUAD
        if min(rest.shape) < _LEAST:
            return
        bound = max(float(rest.max()), -float(rest.min())) / (floor * scale)
        if bound < FAINTEST:
            yield Peak(bound, 0.0)
        else:
            while edges.shape != rest.shape:
                edges = quad_sums(edges)
            level = _Level(floor * scale, rest.size)
            level.take(rest, edges)
            yield level.peak()
        rest = quad_sums(rest)


def _band(fit: Fit, source: Planes, target: Planes, rows: slice) -> tuple[Float32, Float32, Float32]:
    """For these rows: the smoothed target, its rest, and the edges of either image."""
    wanted, given = target.smoothed(rows), source.smoothed(rows)
    edges = target.slopes(wanted, rows)
    brought = apply_fit(fit, given, rows.start, target.luma.shape[0])
    plain = fit.curve is None  # a line only makes slopes steeper
    own = source.slopes(given, rows) * np.float32(abs(fit.gain)) if plain else steepness(brought)
    edges = np.maximum(edges, own, out=own)
    return wanted, np.subtract(wanted, brought, out=brought), edges


class _Level:
    """Ratios of one scale, a band at a time. Rest, edges and ``floor`` may be any number of times too large."""

    def __init__(self, floor: float, size: int) -> None:
        self._floor = np.float32(floor / _EDGE_SHARE)
        self._step = max(1, size // _SAMPLED)
        self._largest = self.largest_rest = 0.0
        self._sampled: list[Float32] = []

    def take(self, rest: Float32, edges: Float32) -> None:
        size = np.abs(rest)
        self.largest_rest = max(self.largest_rest, float(size.max(initial=0.0)))
        allowed = edges + self._floor
        size /= allowed
        self._largest = max(self._largest, float(size.max(initial=0.0)) / _EDGE_SHARE)
        self._sampled.append(size.ravel()[:: self._step])

    def peak(self) -> Peak:
        if self._largest < FAINTEST:
            return Peak(self._largest, 0.0)
        sampled = self._sampled[0] if len(self._sampled) == 1 else np.concatenate(self._sampled)
        at = min(len(sampled) - 1, int(_USUAL * len(sampled)))
        return Peak(self._largest, float(np.partition(sampled, at)[at]) / _EDGE_SHARE if len(sampled) else 0.0)


def peak_of(plane: Float32, floor: float, edges: Float32) -> Peak:
    """The same for one plane by itself, float32 [h, w] each."""
    level = _Level(floor, plane.size)
    level.take(plane, edges)
    return level.peak()
