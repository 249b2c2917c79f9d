"""Decides whether one image has the colours of another, after slight changes that an editor makes to a whole image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imgsearch.dedup.pixels.inspection.filters import halved, smooth, smooth_steps, usual_ones
from imgsearch.dedup.pixels.inspection.planes import Planes
from imgsearch.dedup.pixels.inspection.residual import Peak, peak_of
from imgsearch.records import Float32, UInt8

SATURATION = 1.6
"""A change of saturation, up or down, that counts as slight."""

HUE = np.radians(10)
CAST = 9.0
"""Steps of 255 by which all colours may shift: an old print under two lamps, but not sepia, which is 20 and more."""

_FLOOR = 5.0
_BROAD = 3  # halvings of colour, which is at half the size of lightness
_SAMPLED = 20_000
_LEAST_CHROMA = 4.0  # root of the mean square below which an image is grey and has no hue to turn
_ROUNDS = 2
_KEPT = 0.93


@dataclass(frozen=True, slots=True)
class ColourChange:
    """``saturation``: of the target over the source, 1 if nothing changed; ``hue``: radians; ``cast``: steps of 255;
    ``peak``: of the rest, as for lightness; ``broad``: the largest rest over 16 x 16 pixels, steps of 255; ``rest``:
    root of the mean square."""

    saturation: float
    hue: float
    cast: float
    peak: Peak
    rest: float
    broad: float = 0.0

    @property
    def little(self) -> bool:
        """Whether a copy may have this change."""
        return 1 / SATURATION <= self.saturation <= SATURATION and abs(self.hue) <= HUE and self.cast <= CAST


def colour_change(source: Planes, target: Planes) -> ColourChange:
    """Fits the colours of ``source`` to those of ``target`` and measures the largest remaining rest. The fit is a
    complex factor of Cb + i Cr (saturation and hue) and a cast, by least squares without the worst samples. Nothing is
    fitted if next to nothing differs; its ``peak`` is then an upper bound."""
    largest = _largest_step(source.chroma, target.chroma)
    if largest <= _FLOOR:
        return ColourChange(1.0, 0.0, 0.0, Peak(largest / _FLOOR, 0.0), 0.0)
    (given, steep), (wanted, other_steep) = source.smooth_colour(), target.smooth_colour()
    factor, cast = _fit(source.chroma, target.chroma)
    left = np.empty_like(given)  # smoothed before the fit: filters keep a factor and a cast
    left[0] = wanted[0] - np.float32(factor.real) * given[0] + np.float32(factor.imag) * given[1] - cast.real
    left[1] = wanted[1] - np.float32(factor.imag) * given[0] - np.float32(factor.real) * given[1] - cast.imag
    away = _away(left)
    peak = peak_of(away, _FLOOR, steep + other_steep)  # JPEG halves the size of colour, which bleeds at its edges
    flat = away.ravel()
    rest_ms = float(np.sqrt(flat @ flat / flat.size))
    return ColourChange(float(abs(factor)), float(np.angle(factor)), abs(cast), peak, rest_ms, _broad(left))


def _largest_step(source: UInt8, target: UInt8) -> float:
    """The largest difference of two chroma planes smoothed twice, or that of less smoothed ones if it is no more than
    `_FLOOR`: smoothing makes none larger."""
    once = smooth_steps(np.subtract(target, source, dtype=np.int16)).astype(np.float32)
    largest = float(_away(once).max(initial=0.0)) / 16
    return largest if largest <= _FLOOR else float(_away(smooth(once)).max(initial=0.0)) / 16


def _fit(source: UInt8, target: UInt8) -> tuple[complex, complex]:
    step = max(1, source[0].size // _SAMPLED)
    a, b = _complex(source, step), _complex(target, step)
    kept = np.ones(len(a), np.bool_)
    factor, cast = 1.0 + 0j, 0j
    for last in range(_ROUNDS - 1, -1, -1):
        factor, cast = _fitted(a[kept], b[kept])
        if last:
            rest = b - factor * a - cast
            kept = usual_ones(rest.real**2 + rest.imag**2, _FLOOR**2, _KEPT)
            if kept.all():
                break
    return factor, cast


def _away(planes: Float32) -> Float32:
    """Lengths [h, w] of differences of colour [2, h, w]."""
    squares = planes[0] * planes[0]
    squares += planes[1] * planes[1]
    return np.asarray(np.sqrt(squares, out=squares), np.float32)


def _broad(planes: Float32) -> float:
    for _ in range(_BROAD):
        if min(planes.shape[1:]) < 2:
            break
        planes = halved(planes)
    return float(_away(planes).max())


def _fitted(a: NDArray[np.complex64], b: NDArray[np.complex64]) -> tuple[complex, complex]:
    centred = a - a.mean()
    energy = float(np.vdot(centred, centred).real) / len(a)
    if energy < _LEAST_CHROMA:
        return 1.0 + 0j, complex(b.mean() - a.mean())
    factor = complex(np.vdot(centred, b)) / len(a) / energy
    return factor, complex(b.mean() - factor * a.mean())


def _complex(planes: UInt8, step: int) -> NDArray[np.complex64]:
    """Cb + i Cr of each ``step``-th pixel, 0 for grey, flat."""
    found = np.empty(len(planes[0].reshape(-1)[::step]), np.complex64)
    found.real, found.imag = (plane.reshape(-1)[::step] for plane in planes)
    found -= np.complex64(128 + 128j)
    return found
