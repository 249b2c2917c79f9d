"""What brings one picture's lightness to another's, when the second is the first saved again.

A tone curve (brightness, contrast, gamma), the picture's own gradients (a shift, a scale, a turn of less than a pixel:
Lucas and Kanade, 1981) and its Laplacians (a blur, a sharpening, another filter of resizing). One least-squares fit on
samples, three times, each time without the samples that fit worst, so that a thing that only one picture has does not
pull.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imgsearch.dedup.inspection.filters import slopes, smooth
from imgsearch.records import Float32, Float64, UInt8

_KNOTS = 12  # of the tone curve; hat functions between the darkest and the lightest value
_WARPS = 8
_TILE = 64  # pixels of a sampled tile's side
_TILES = 24
_HALO = 3  # pixels beside a tile that its filters see
_SAMPLES = 6_000  # pixels that the fit is made on
_ROUNDS = 3
_KEPT = 0.93
_FLAT = 1e-6  # squared lightness a sample, under which a picture has no contrast to be compared
_LEAST_REST = 4.0  # lightness within which a sample always counts
_CURVE_RIDGE = 5e-4
_WARP_RIDGE = 0.02

Places = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Fit:
    """``gain`` and ``offset`` of the straight line, ``curve`` what the tone curve adds at its knots, which stand evenly
    from ``low`` to ``high``; ``warps`` the weights of the filters; both None where a line is all there is."""

    gain: float
    offset: float
    low: float = 0.0
    high: float = 255.0
    curve: Float64 | None = None  # [12]
    warps: Float64 | None = None  # [8]

    def tone(self, levels: Float32) -> Float32:
        """The tone curve of lightness 0..255, any shape."""
        found = np.asarray(levels * np.float32(self.gain) + np.float32(self.offset), np.float32)
        if self.curve is not None:
            place = (levels - self.low) / max(self.high - self.low, 1.0) * (_KNOTS - 1)
            found += np.interp(place, np.arange(_KNOTS), self.curve).astype(np.float32)
        return found


def fit_line(source: UInt8, target: UInt8) -> Fit:
    """The straight line alone, uint8 [h, w] each; without the tenth of the samples that fits worst. 1 ms."""
    step = max(1, source.size // _SAMPLES)
    x, y = (plane.ravel()[::step].astype(np.float64) for plane in (source, target))
    gain, offset = _line(x, y)
    rest = np.abs(y - gain * x - offset)
    kept = rest <= max(_LEAST_REST, float(np.quantile(rest, 0.9)))
    return Fit(*_line(x[kept], y[kept]))


def fit_lightness(source: UInt8, target: UInt8) -> Fit:
    """All that brings ``source`` to ``target``, uint8 [h, w] each. 8 ms, whatever the size."""
    tops, lefts = _places(*source.shape)
    x, filters = _sampled(source, tops, lefts)
    y = _sampled(target, tops, lefts, filtered=False)[0]
    low, high = float(x.min()), float(x.max())
    place = (x - low) / max(high - low, 1.0) * (_KNOTS - 1)
    below = np.minimum(place.astype(np.intp), _KNOTS - 2)
    design = np.zeros((len(x), _KNOTS + _WARPS))
    rows = np.arange(len(x))
    design[rows, below + 1] = place - below
    design[rows, below] = 1 - (place - below)
    design[:, _KNOTS:] = filters
    ridge = _ridge()
    kept = np.ones(len(x), np.bool_)
    gain, offset = 1.0, 0.0
    weights: Float64 = np.zeros(_KNOTS + _WARPS)
    for _ in range(_ROUNDS):
        gain, offset = _line(x[kept], y[kept])
        wanted = y - gain * x - offset
        chosen = design[kept]
        normal, moment = chosen.T @ chosen + ridge * len(chosen), chosen.T @ wanted[kept]
        weights = np.asarray(np.linalg.solve(normal, moment), np.float64)
        rest = np.abs(wanted - design @ weights)
        kept = rest <= max(_LEAST_REST, float(np.quantile(rest, _KEPT)))
    return Fit(gain, offset, low, high, weights[:_KNOTS], weights[_KNOTS:])


def apply_fit(fit: Fit, source: Float32, top: int, height: int) -> Float32:
    """The rows ``source`` [r, w], smoothed, of a picture of ``height`` rows, brought to the other picture; ``top`` is
    the first row's number."""
    found = fit.tone(source)
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


def _sampled(plane: UInt8, tops: Places, lefts: Places, *, filtered: bool = True) -> tuple[Float64, Float64]:
    """Smoothed lightness [n] and the filters [n, 8] at samples of the tiles."""
    height, width = plane.shape
    values, filters = [], []
    for top, left in zip(tops.tolist(), lefts.tolist(), strict=True):
        tall, wide = (height, width) if len(tops) == 1 else (_TILE + 2 * _HALO, _TILE + 2 * _HALO)
        tile = smooth(np.asarray(plane[top : top + tall, left : left + wide], np.float32))
        inner = (slice(_HALO, -_HALO),) * 2 if min(tile.shape) > 4 * _HALO else (slice(None),) * 2
        seen = tile[inner]
        step = max(1, seen.size * len(tops) // _SAMPLES)
        values.append(seen.ravel()[::step])
        if filtered:
            u = np.broadcast_to(_along(left, tile.shape[1], width), tile.shape)[inner].ravel()[::step]
            v = np.broadcast_to(_along(top, len(tile), height)[:, None], tile.shape)[inner].ravel()[::step]
            across, down = (part[inner].ravel()[::step] for part in slopes(tile))
            once = smooth(tile)
            blurs = [(blur - tile)[inner].ravel()[::step] for blur in (once, smooth(once))]
            filters.append(np.stack([across, down, u * across, v * across, u * down, v * down, *blurs], axis=1))
    found = np.concatenate(values).astype(np.float64)
    return found, np.concatenate(filters).astype(np.float64) if filtered else np.empty((0, _WARPS))


def _places(height: int, width: int) -> tuple[Places, Places]:
    """Top left corners of the tiles, the same for every picture of one size; a small picture is one tile."""
    side = _TILE + 2 * _HALO
    if height * width <= _TILES * side * side or min(height, width) <= side:
        return np.zeros(1, np.intp), np.zeros(1, np.intp)
    rng = np.random.default_rng(height * 65_537 + width)
    return rng.integers(0, height - side + 1, _TILES), rng.integers(0, width - side + 1, _TILES)


def _along(first: int, count: int, length: int) -> Float32:
    """-1 to 1 over ``length`` pixels: those from ``first``."""
    return np.asarray(2 * np.arange(first, first + count, dtype=np.float32) / max(length - 1, 1) - 1, np.float32)


def _line(x: Float64, y: Float64) -> tuple[float, float]:
    centred = x - x.mean()
    energy = float(centred @ centred)
    gain = float(centred @ y) / energy if energy > _FLAT * len(x) else 1.0
    return gain, float(y.mean() - gain * x.mean())


def _ridge() -> Float64:
    bend = np.diff(np.eye(_KNOTS), 2, axis=0)
    ridge = np.zeros((_KNOTS + _WARPS, _KNOTS + _WARPS))
    ridge[:_KNOTS, :_KNOTS] = _CURVE_RIDGE * (bend.T @ bend + 0.04 * np.eye(_KNOTS))
    ridge[_KNOTS:, _KNOTS:] = _WARP_RIDGE * np.eye(_WARPS)
    return ridge
