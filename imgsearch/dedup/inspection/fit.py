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

from imgsearch.dedup.differences import gradients, smooth
from imgsearch.records import Float32, Float64, UInt8

_KNOTS = 12  # of the tone curve; hat functions between the darkest and the lightest value
_WARPS = 8
_TILE = 48  # pixels of a sampled tile's side
_TILES = 20
_HALO = 3  # pixels beside a tile that its filters see
_WHOLE = 60_000  # pixels: a smaller picture is sampled whole
_ROUNDS = 3
_KEPT = 0.93
_LEAST_REST = 4.0  # lightness within which a sample always counts
_CURVE_RIDGE = 5e-4
_WARP_RIDGE = 0.02


@dataclass(frozen=True, slots=True)
class Fit:
    """``gain`` and ``offset`` of the straight line, ``curve`` what the tone curve adds at its knots, which stand evenly
    from ``low`` to ``high``; ``warps`` the weights of the filters."""

    gain: float
    offset: float
    low: float
    high: float
    curve: Float64  # [12]
    warps: Float64  # [8]

    def tone(self, levels: Float32) -> Float32:
        """The tone curve of lightness 0..255, any shape."""
        place = (levels - self.low) / max(self.high - self.low, 1.0) * (_KNOTS - 1)
        bend = np.interp(place, np.arange(_KNOTS), self.curve)
        return np.asarray(self.gain * levels + self.offset + bend, np.float32)


def fit_lightness(source: UInt8, target: UInt8) -> Fit:
    """What brings ``source`` to ``target``, uint8 [h, w] each. 15 ms, whatever the size."""
    rows, columns = _places(source.shape[0], source.shape[1])
    x, filters = _sampled(source, rows, columns)
    y = _sampled(target, rows, columns)[0]
    low, high = float(x.min()), float(x.max())
    place = (x - low) / max(high - low, 1.0) * (_KNOTS - 1)
    hats = np.maximum(0, 1 - np.abs(place[:, None] - np.arange(_KNOTS)))
    design = np.concatenate([hats, filters], axis=1)
    ridge = _ridge()
    kept = np.ones(len(x), np.bool_)
    gain, offset, weights = 1.0, 0.0, np.zeros(_KNOTS + _WARPS)
    for _ in range(_ROUNDS):
        gain, offset = _line(x[kept], y[kept])
        wanted = y - gain * x - offset
        chosen = design[kept]
        weights = np.linalg.solve(chosen.T @ chosen + ridge * len(chosen), chosen.T @ wanted[kept])
        rest = np.abs(wanted - design @ weights)
        kept = rest <= max(_LEAST_REST, float(np.quantile(rest, _KEPT)))
    return Fit(gain, offset, low, high, weights[:_KNOTS], weights[_KNOTS:])


def apply_fit(fit: Fit, source: Float32, top: int, height: int) -> Float32:
    """The rows ``source`` [r, w], smoothed, of a picture of ``height`` rows, brought to the other picture; ``top`` is
    the first row's number."""
    u, v = _across(source.shape[1]), _down(top, len(source), height)
    found = fit.tone(source)
    for weight, plane in zip(fit.warps, _filters(source, u, v), strict=True):
        found += np.float32(weight) * plane
    return found


def _filters(plane: Float32, u: Float32, v: Float32) -> list[Float32]:
    across, down = gradients(plane)
    once = smooth(plane)
    return [across, down, u * across, v * across, u * down, v * down, once - plane, smooth(once) - plane]


def _sampled(plane: UInt8, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> tuple[Float64, Float64]:
    """Smoothed lightness [n] and the filters [n, 8] at the sampled tiles."""
    height, width = plane.shape
    values, filters = [], []
    for top, left in zip(rows.tolist(), columns.tolist(), strict=True):
        tile = smooth(np.asarray(plane[top : top + _side(height), left : left + _side(width)], np.float32))
        u = _across(width)[:, left : left + tile.shape[1]]
        inner = (slice(_HALO, -_HALO), slice(_HALO, -_HALO)) if min(tile.shape) > 4 * _HALO else (slice(None),) * 2
        values.append(tile[inner].ravel())
        planes = _filters(tile, u, _down(top, len(tile), height))
        filters.append(np.stack([each[inner].ravel() for each in planes], axis=1))
    return np.concatenate(values).astype(np.float64), np.concatenate(filters).astype(np.float64)


def _side(length: int) -> int:
    return min(length, _TILE + 2 * _HALO)


def _places(height: int, width: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Top left corners of the tiles: evenly spread, the same for every picture of one size."""
    if height * width <= _WHOLE:
        rows, columns = np.arange(0, height, _side(height)), np.arange(0, width, _side(width))
        rows, columns = np.minimum(rows, height - _side(height)), np.minimum(columns, width - _side(width))
        return np.repeat(rows, len(columns)), np.tile(columns, len(rows))
    rng = np.random.default_rng(height * 65_537 + width)
    return rng.integers(0, height - _side(height) + 1, _TILES), rng.integers(0, width - _side(width) + 1, _TILES)


def _across(width: int) -> Float32:
    return np.linspace(-1, 1, width, dtype=np.float32)[None, :]


def _down(top: int, rows: int, height: int) -> Float32:
    down = 2 * np.arange(top, top + rows, dtype=np.float32) / max(height - 1, 1) - 1
    return np.asarray(down[:, None], np.float32)


def _line(x: Float64, y: Float64) -> tuple[float, float]:
    centred = x - x.mean()
    gain = float((centred * y).sum() / max(float((centred * centred).sum()), 1e-3))
    return gain, float(y.mean() - gain * x.mean())


def _ridge() -> Float64:
    bend = np.diff(np.eye(_KNOTS), 2, axis=0)
    ridge = np.zeros((_KNOTS + _WARPS, _KNOTS + _WARPS))
    ridge[:_KNOTS, :_KNOTS] = _CURVE_RIDGE * (bend.T @ bend + 0.04 * np.eye(_KNOTS))
    ridge[_KNOTS:, _KNOTS:] = _WARP_RIDGE * np.eye(_WARPS)
    return ridge
