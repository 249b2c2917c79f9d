"""Whether one picture's colour is another's, after what an editor does to a whole picture, and no more of it than a
little."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imgsearch.dedup.inspection.filters import halved, smooth, steepness
from imgsearch.dedup.inspection.residual import Peak, peak_of
from imgsearch.records import Float32, UInt8

SATURATION = 1.6
"""A change of saturation, up or down, that is a little."""

HUE = np.radians(10)
CAST = 9.0
"""Steps of 255 by which all colours may shift: an old print under two lamps, no sepia, which is 20 and more."""

_FLOOR = 5.0
_BROAD = 3  # halvings of colour, which is at half the size of lightness
_SAMPLED = 20_000
_LEAST_CHROMA = 4.0  # of the root of the mean square: under it a picture is grey, and has no hue to turn
_ROUNDS = 2
_KEPT = 0.93


@dataclass(frozen=True, slots=True)
class ColourChange:
    """``saturation``: of the target over the source, 1 where nothing changed; ``hue``: radians; ``cast``: steps of 255;
    ``peak``: of what is left, as lightness has it; ``broad``: the largest rest over 16 x 16 pixels, steps of 255;
    ``rest``: root of the mean square."""

    saturation: float
    hue: float
    cast: float
    peak: Peak
    rest: float
    broad: float = 0.0

    @property
    def little(self) -> bool:
        """Whether the change is one that a copy may have."""
        return 1 / SATURATION <= self.saturation <= SATURATION and abs(self.hue) <= HUE and self.cast <= CAST


def colour_change(source: UInt8, target: UInt8) -> ColourChange:
    """What brings ``source`` uint8 [2, h, w] (Cb, Cr) to ``target``: a complex factor (saturation and hue) and a cast,
    by least squares without what fits worst, and what is then left at its worst place. Nothing is fitted where next to
    nothing differs."""
    planes = [smooth(smooth(difference)) for difference in np.subtract(target, source, dtype=np.float32)]
    away = np.sqrt(planes[0] ** 2 + planes[1] ** 2)
    if float(away.max(initial=0.0)) <= _FLOOR:
        return ColourChange(1.0, 0.0, 0.0, Peak(float(away.max(initial=0.0)) / _FLOOR, 0.0), 0.0)
    x, y = _complex(source), _complex(target)
    step = max(1, x.size // _SAMPLED)
    a, b = x.ravel()[::step], y.ravel()[::step]
    kept = np.ones(len(a), np.bool_)
    factor, cast = 1.0 + 0j, 0j
    for _ in range(_ROUNDS):
        factor, cast = _fitted(a[kept], b[kept])
        rest = np.abs(b - factor * a - cast)
        kept = rest <= max(_FLOOR, float(np.quantile(rest, _KEPT)))
    left = y - factor * x - cast
    planes = [smooth(smooth(np.ascontiguousarray(part, np.float32))) for part in (left.real, left.imag)]
    away = np.sqrt(planes[0] ** 2 + planes[1] ** 2)
    edges = sum(steepness(smooth(plane.astype(np.float32))) for plane in (*source, *target))
    peak = peak_of(away, _FLOOR, np.asarray(edges, np.float32))  # JPEG keeps colour at half, and bleeds at its edges
    rest_ms = float(np.sqrt((away**2).mean()))
    return ColourChange(float(abs(factor)), float(np.angle(factor)), abs(cast), peak, rest_ms, _broad(planes))


def _broad(planes: Sequence[Float32]) -> float:
    for _ in range(_BROAD):
        if min(planes[0].shape) < 2:
            break
        planes = [halved(plane) for plane in planes]
    return float(np.sqrt(planes[0] ** 2 + planes[1] ** 2).max())


def _fitted(a: NDArray[np.complex64], b: NDArray[np.complex64]) -> tuple[complex, complex]:
    centred = a - a.mean()
    energy = float((np.abs(centred) ** 2).mean())
    if energy < _LEAST_CHROMA:
        return 1.0 + 0j, complex(b.mean() - a.mean())
    factor = complex((centred.conj() * b).mean() / energy)
    return factor, complex(b.mean() - factor * a.mean())


def _complex(planes: UInt8) -> NDArray[np.complex64]:
    """Cb + i Cr, 0 for grey [h, w]."""
    return np.asarray(planes[0].astype(np.float32) - 128 + 1j * (planes[1].astype(np.float32) - 128), np.complex64)
