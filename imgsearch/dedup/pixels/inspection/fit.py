"""Brings one image's lightness to another's, if the second is the first saved again.

The fit uses a tone curve (brightness, contrast, gamma), the image's own gradients (a shift, a scale, a turn of less
than a pixel: Lucas and Kanade, 1981) and its Laplacians (a blur, a sharpening, another filter of resizing). It is one
least-squares fit on samples, three times, each time without the samples that fit worst, so that a thing that only one
image has does not pull.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from imgsearch.dedup.pixels.inspection.filters import slopes, smooth, usual_ones
from imgsearch.dedup.pixels.inspection.planes import Planes
from imgsearch.records import Float32, Float64

_KNOTS = 12  # of the tone curve; hat functions between the darkest and the lightest value
_WARPS = 8
_TILE = 64  # pixels of a sampled tile's side
_TILES = 24
_HALO = 3  # pixels beside a tile that its filters need
_SAMPLES = 6_000  # pixels used by the fit
_ROUNDS = 3
_KEPT = 0.93
_FLAT = 1e-6  # squared lightness a sample, below which an image has no contrast to compare
_LEAST_REST = 4.0  # lightness within which a sample always counts
_SIXTEENTHS = 16 * 255 + 1
_CURVE_RIDGE = 5e-4
_WARP_RIDGE = 0.02

Places = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Fit:
    """``gain`` and ``offset`` of the straight line; ``curve``: the tone curve's addition at its knots, which are spaced
    evenly from ``low`` to ``high``; ``warps``: the weights of the filters; both None for a line alone."""

    gain: float
    offset: float
    low: float = 0.0
    high: float = 255.0
    curve: Float64 | None = None  # [12]
    warps: Float64 | None = None  # [8]

    def tone(self, levels: Float32) -> Float32:
        """The tone curve applied to lightness 0..255, any shape."""
        found = np.asarray(levels * np.float32(self.gain) + np.float32(self.offset), np.float32)
        if self.curve is not None:
            place = (levels - self.low) / max(self.high - self.low, 1.0) * (_KNOTS - 1)
            found += np.interp(place, np.arange(_KNOTS), self.curve).astype(np.float32)
        return found

    def tone_smoothed(self, levels: Float32) -> Float32:
        """The same for smoothed lightness, which is in steps of a sixteenth."""
        if self.curve is None:
            return self.tone(levels)
        table = self.tone(np.arange(_SIXTEENTHS, dtype=np.float32) / np.float32(16))
        return table[(levels * np.float32(16)).astype(np.intp)]


def fit_line(source: Planes, target: Planes) -> Fit:
    """The straight line alone, without the tenth of the samples that fits worst. 0.2 ms."""
    step = max(1, source.luma.size // _SAMPLES)
    x, y = (planes.luma.reshape(-1)[::step].astype(np.float64) for planes in (source, target))
    gain, offset = _line(x, y)
    rest = np.abs(y - gain * x - offset)
    kept = usual_ones(rest, _LEAST_REST, 0.9)
    return Fit(gain, offset) if kept.all() else Fit(*_line(x[kept], y[kept]))


def fit_lightness(source: Planes, target: Planes) -> Fit:
    """Everything that brings ``source`` to ``target``. 4 ms, whatever the size."""
    tops, lefts = _places(*source.luma.shape)
    x, filters = _sampled(source, tops, lefts)
    y = _sampled(target, tops, lefts, filtered=False)[0]
    low, high = float(x.min()), float(x.max())
    design = _design(x, filters, low, high)
    ridge, whole = _ridge(), design.T @ design
    kept = np.ones(len(x), np.bool_)
    gain, offset = 1.0, 0.0
    weights: Float64 = np.zeros(_KNOTS + _WARPS)
    for _ in range(_ROUNDS):
        gain, offset = _line(x[kept], y[kept])
        wanted = y - gain * x - offset
        dropped = design[~kept]  # a few
        count = len(x) - len(dropped)
        moment = design.T @ np.where(kept, wanted, 0.0)
        weights = np.asarray(np.linalg.solve(whole - dropped.T @ dropped + ridge * count, moment), np.float64)
        rest = np.abs(wanted - design @ weights)
        kept = usual_ones(rest, _LEAST_REST, _KEPT)
    return Fit(gain, offset, low, high, weights[:_KNOTS], weights[_KNOTS:])


def _design(x: Float64, filters: Float64, low: float, high: float) -> Float64:
    """Hat functions of ``x`` [n], then the filters: [n, 20]."""
    place = (x - low) / max(high - low, 1.0) * (_KNOTS - 1)
    below = np.minimum(place.astype(np.intp), _KNOTS - 2)
    design = np.zeros((len(x), _KNOTS + _WARPS))
    rows = np.arange(len(x))
    design[rows, below + 1] = place - below
    design[rows, below] = 1 - (place - below)
    design[:, _KNOTS:] = filters
    return design


def apply_fit(fit: Fit, source: Float32, top: int, height: int) -> Float32:
    """The rows ``source`` [r, w], smoothed, of an image of ``height`` rows, brought to the other image; ``top`` is the
    first row's number."""
    found = fit.tone_smoothed(source)
    if fit.warps is not None:
        u, v = _along(0, source.shape[1], source.shape[1]), _along(top, len(source), height)[:, None]
        w = fit.warps.astype(np.float32)
        across, down = slopes(source)
        once = smooth(source)
        found += across * (w[0] + w[2] * u + w[3] * v)
        found += down * (w[1] + w[4] * u + w[5] * v)
        found += (once - source) * w[6]
        found += (smooth(once) - source) * w[7]
    return found


def _sampled(planes: Planes, tops: Places, lefts: Places, *, filtered: bool = True) -> tuple[Float64, Float64]:
    """Smoothed lightness [n] and the filters [n, 8] at samples of the tiles."""
    height, width = planes.luma.shape
    values, filters = [], []
    for top, left in zip(tops.tolist(), lefts.tolist(), strict=True):
        whole, side = len(tops) == 1, _TILE + 2 * _HALO
        cut = planes.luma[top : top + side, left : left + side]
        tile = planes.smoothed() if whole else smooth(np.asarray(cut, np.float32))
        inset = _HALO if min(tile.shape) > 4 * _HALO else 0
        rows, columns = tile.shape[0] - 2 * inset, tile.shape[1] - 2 * inset
        step = max(1, rows * columns * len(tops) // _SAMPLES)
        at, beside = np.divmod(np.arange(0, rows * columns, step), columns)
        place = (at + inset) * tile.shape[1] + beside + inset
        seen = tile.reshape(-1)[place]
        values.append(seen)
        if filtered:
            u = _along(left, tile.shape[1], width)[beside + inset]
            v = _along(top, len(tile), height)[at + inset]
            across, down = (part.reshape(-1)[place] for part in slopes(tile))
            once = smooth(tile)
            blurs = [blur.reshape(-1)[place] - seen for blur in (once, smooth(once))]
            filters.append(np.stack([across, down, u * across, v * across, u * down, v * down, *blurs], axis=1))
    found = np.concatenate(values).astype(np.float64)
    return found, np.concatenate(filters).astype(np.float64) if filtered else np.empty((0, _WARPS))


def _places(height: int, width: int) -> tuple[Places, Places]:
    """Top left corners of the tiles, the same for every image of one size; a small image is one tile."""
    side = _TILE + 2 * _HALO
    if height * width <= _TILES * side * side or min(height, width) <= side:
        return np.zeros(1, np.intp), np.zeros(1, np.intp)
    rng = np.random.default_rng(height * 65_537 + width)
    return rng.integers(0, height - side + 1, _TILES), rng.integers(0, width - side + 1, _TILES)


def _along(first: int, count: int, length: int) -> Float32:
    """The part of -1 to 1, spread over ``length`` pixels, that begins at pixel ``first``."""
    return np.asarray(2 * np.arange(first, first + count, dtype=np.float32) / max(length - 1, 1) - 1, np.float32)


def _line(x: Float64, y: Float64) -> tuple[float, float]:
    centred = x - x.mean()
    energy = float(centred @ centred)
    gain = float(centred @ y) / energy if energy > _FLAT * len(x) else 1.0
    return gain, float(y.mean() - gain * x.mean())


@lru_cache(maxsize=1)
def _ridge() -> Float64:
    bend = np.diff(np.eye(_KNOTS), 2, axis=0)
    ridge = np.zeros((_KNOTS + _WARPS, _KNOTS + _WARPS))
    ridge[:_KNOTS, :_KNOTS] = _CURVE_RIDGE * (bend.T @ bend + 0.04 * np.eye(_KNOTS))
    ridge[_KNOTS:, _KNOTS:] = _WARP_RIDGE * np.eye(_WARPS)
    return ridge
