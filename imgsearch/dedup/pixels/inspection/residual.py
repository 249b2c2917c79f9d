"""The rest of one image after another was brought to it, at several scales: its peak over the usual rest.

An image that was compressed or resized differs a little everywhere, and most at edges. A word, a digit, a closed eye
leaves much at one place. Each rest is therefore divided by the edges around it, and the largest such ratio of the image
is compared with the ratio that one pixel in a hundred reaches.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from imgsearch.dedup.pixels.inspection.filters import boxed, halved, steepness
from imgsearch.dedup.pixels.inspection.fit import Fit, apply_fit
from imgsearch.dedup.pixels.inspection.planes import KEPT_PIXELS, Planes
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


@dataclass(frozen=True, slots=True)
class Peak:
    """``largest``: the greatest ratio of rest to edges at one scale; ``usual``: the ratio that a hundredth of the
    pixels exceeds. Where even a picture without edges would give less than `FAINTEST`, that ratio and 0."""

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
    finest = _Level(_FLOORS[0], height * width)
    halves: list[Float32] = []
    squares = values = value_squares = 0.0
    rows = height if target.is_small else max(_LEAST_ROWS, _BAND_PIXELS // width // 2 * 2)
    for top in range(0, height, rows):
        first, stop = max(0, top - _HALO), min(height, top + rows + _HALO)
        inner = slice(top - first, min(top + rows, height) - first)
        wanted, rest, edges = _band(fit, source, target, slice(first, stop))
        rest3, edges3 = boxed(rest)[inner], boxed(edges)[inner]
        finest.take(rest3, edges3)
        halves.append(np.stack([halved(rest3), halved(edges3)]))
        inside, seen = rest[inner].ravel(), wanted[inner].ravel()
        squares += float(inside @ inside)
        values += float(seen.sum(dtype=np.float64))
        value_squares += float(seen @ seen)
    count = height * width
    variance = max(value_squares / count - (values / count) ** 2, 1e-3)
    peaks = [finest.peak(), *_broader_peaks(np.concatenate(halves, axis=1))]
    return ScaleResidual(tuple(peaks), squares / count / variance, finest.largest_rest, count)


def _broader_peaks(both: Float32) -> Iterator[Peak]:
    """The peaks of the scales after the finest, from rest and edges [2, h, w] at half the size."""
    rest, edges = both
    for floor in _FLOORS[1:]:
        if min(rest.shape) < _LEAST:
            return
        bound = float(np.abs(rest).max()) / floor
        if bound < FAINTEST:
            yield Peak(bound, 0.0)
        else:
            while edges.shape != rest.shape:
                edges = halved(edges)
            level = _Level(floor, rest.size)
            level.take(rest, edges)
            yield level.peak()
        rest = halved(rest)


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
    """Ratios of one scale, a band at a time."""

    def __init__(self, floor: float, size: int) -> None:
        self._floor = np.float32(floor)
        self._step = max(1, size // _SAMPLED)
        self._largest = self.largest_rest = 0.0
        self._sampled: list[Float32] = []

    def take(self, rest: Float32, edges: Float32) -> None:
        size = np.abs(rest)
        self.largest_rest = max(self.largest_rest, float(size.max(initial=0.0)))
        allowed = edges * np.float32(_EDGE_SHARE)
        allowed += self._floor
        size /= allowed
        self._largest = max(self._largest, float(size.max(initial=0.0)))
        self._sampled.append(size.ravel()[:: self._step])

    def peak(self) -> Peak:
        sampled = np.concatenate(self._sampled)
        at = min(len(sampled) - 1, int(_USUAL * len(sampled)))
        return Peak(self._largest, float(np.partition(sampled, at)[at]) if len(sampled) else 0.0)


def peak_of(plane: Float32, floor: float, edges: Float32) -> Peak:
    """The same for one plane by itself, float32 [h, w] each."""
    level = _Level(floor, plane.size)
    level.take(plane, edges)
    return level.peak()
