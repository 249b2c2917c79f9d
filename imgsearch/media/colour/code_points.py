"""Colours given by code points (CICP, ITU-T H.273) instead of an ICC profile, converted to sRGB.

**Tone mapping.** A high-dynamic-range image (PQ or HLG) is shown as on a standard display. The reference white of 203
cd/m2 (ITU-R BT.2408) becomes white, and light below it keeps its proportions. A brighter colour keeps its hue: its
three channels are divided by the largest of them. Colours outside sRGB's gamut are clipped, as a relative colorimetric
profile does. Sources: ITU-R BT.2100-2 (PQ, HLG and its OOTF at 1,000 cd/m2), BT.709, BT.2020, SMPTE EG 432-1, IEC
61966-2-1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from imgsearch.records import UInt8

Array = np.ndarray[Any, np.dtype[Any]]
Chromaticities = tuple[float, float, float, float, float, float, float, float]
"""x and y of white, red, green and blue."""

UNSPECIFIED, SRGB_CURVE, PQ, HLG = 2, 13, 16, 18
REFERENCE_WHITE = 203.0
"""Luminance in cd/m2 that becomes sRGB white."""

_D65 = (0.3127, 0.3290)
_PRIMARIES: dict[int, Chromaticities] = {
    1: (*_D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06),
    4: (0.310, 0.316, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),
    5: (*_D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    7: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    8: (0.310, 0.316, 0.681, 0.319, 0.243, 0.692, 0.145, 0.049),
    9: (*_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    10: (1 / 3, 1 / 3, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0),
    11: (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    12: (*_D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    22: (*_D65, 0.630, 0.340, 0.295, 0.605, 0.155, 0.077),
}
_GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0, 17: 2.6}
_BT709_CURVES = frozenset({1, 6, 11, 12, 14, 15})
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_LUT_STEPS = 65536


@dataclass(frozen=True, slots=True)
class CodePoints:
    """Colour primaries and transfer characteristics. Where they are given, ``gamma`` (a PNG's gAMA; 0.45455 means 2.2)
    and ``chromaticities`` (its cHRM) replace the codes."""

    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    gamma: float = 0.0
    chromaticities: Chromaticities | None = None

    @property
    def is_hdr(self) -> bool:
        return not self.gamma and self.transfer in (PQ, HLG)

    @property
    def is_srgb(self) -> bool:
        """Whether no conversion is needed: the code points name sRGB or say nothing."""
        plain = self.transfer not in (PQ, HLG, 7) and self.transfer not in _GAMMAS
        plain = plain and self.transfer not in _BT709_CURVES
        if self.gamma:
            plain = abs(self.gamma - 0.45455) < 0.02
        return plain and _is_srgb_gamut(self._chromaticities())

    def _chromaticities(self) -> Chromaticities:
        if self.chromaticities is not None:
            return self.chromaticities
        usual = 9 if self.is_hdr and self.primaries == UNSPECIFIED else 1
        return _PRIMARIES.get(self.primaries, _PRIMARIES[usual])

    def matrix(self) -> Array:
        """float32 [3, 3] that takes linear light in these primaries to linear sRGB."""
        return _matrix(self._chromaticities())


def to_srgb_samples(samples: Array, codes: CodePoints) -> UInt8:
    """Samples [H, W, 3] -> sRGB uint8 [H, W, 3]. Floats run from 0 to 1, uint8 and uint16 use their full range. Costs
    0.2 s a megapixel, so reduce the image first."""
    light = _linear(samples, codes)
    if codes.is_hdr:
        light /= np.maximum(light.max(axis=-1, keepdims=True), 1.0)
    matrix = codes.matrix().astype(np.float32)
    return encode_srgb(light @ matrix.T)


def encode_srgb(light: Array) -> UInt8:
    """Linear light (1.0 is white, any shape) -> uint8 by sRGB's transfer curve, clipped."""
    steps = np.clip(light * np.float32(_LUT_STEPS - 1) + np.float32(0.5), 0, _LUT_STEPS - 1)
    found: UInt8 = _srgb_table()[np.nan_to_num(steps).astype(np.uint16)]
    return found


def _linear(samples: Array, codes: CodePoints) -> Array:
    """Light relative to white (for PQ and HLG relative to 203 cd/m2), float32. Integer samples go through a lookup
    table."""
    if samples.dtype.kind != "u":  # a table of 65,536 entries is finer than the 8 bits that come out
        samples = (np.clip(samples, 0.0, 1.0) * np.float32(65535) + np.float32(0.5)).astype(np.uint16)
    top = np.iinfo(samples.dtype).max
    light = _light(np.arange(top + 1, dtype=np.float64) / top, codes).astype(np.float32)[samples]
    if codes.transfer == HLG and not codes.gamma:
        return _hlg_display(light, codes)
    return light


def _light(signal: Array, codes: CodePoints) -> Array:
    """The inverse of the transfer characteristics, applied to each channel alone."""
    if codes.gamma:
        if abs(codes.gamma - 0.45455) < 0.02:  # files that mean sRGB write its nearest gamma
            return _srgb_light(signal)
        return signal ** (1.0 / codes.gamma)
    transfer = codes.transfer
    if transfer == PQ:
        root = signal ** (1 / 78.84375)
        return (np.maximum(root - 0.8359375, 0.0) / (18.8515625 - 18.6875 * root)) ** (1 / 0.1593017578125) * (
            10_000.0 / REFERENCE_WHITE
        )
    if transfer == HLG:  # this is scene light; `_hlg_display` needs all three channels
        low, high = signal**2 / 3, (np.exp((signal - 0.55991073) / 0.17883277) + 0.28466892) / 12
        return np.where(signal <= 0.5, low, high)
    if transfer in _GAMMAS:
        return signal ** _GAMMAS[transfer]
    if transfer in _BT709_CURVES:
        return np.where(signal < 0.081242858, signal / 4.5, ((signal + 0.099296827) / 1.099296827) ** (1 / 0.45))
    if transfer == 7:
        return np.where(signal < 0.0913, signal / 4.0, ((signal + 0.1115) / 1.1115) ** (1 / 0.45))
    return _srgb_light(signal)


def _srgb_light(signal: Array) -> Array:
    return np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)


def _hlg_display(scene: Array, codes: CodePoints) -> Array:
    """HLG's system gamma of 1.2, for a display of 1,000 cd/m2. It acts on the luminance, not on each channel."""
    weights = _to_xyz(codes._chromaticities())[1].astype(np.float32)
    luminance = np.maximum(scene @ weights, 0.0)[..., None]
    return np.asarray(scene * luminance**0.2 * (1000.0 / REFERENCE_WHITE), np.float32)


@lru_cache(maxsize=1)
def _srgb_table() -> UInt8:
    light = np.arange(_LUT_STEPS) / (_LUT_STEPS - 1)
    signal = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return (255 * signal + 0.5).astype(np.uint8)


@lru_cache(maxsize=16)
def _matrix(chromaticities: Chromaticities) -> Array:
    adapted = _adapted(_to_xyz(chromaticities), chromaticities[:2])
    found: Array = np.linalg.inv(_to_xyz(_PRIMARIES[1])) @ adapted
    return found


def _to_xyz(chromaticities: Chromaticities) -> Array:
    """Matrix float64 [3, 3] from linear RGB to XYZ of the same white point."""
    primaries = np.array([_xyz(*chromaticities[at : at + 2]) for at in (2, 4, 6)]).T
    scale = np.linalg.solve(primaries, _xyz(*chromaticities[:2]))
    return np.asarray(primaries * scale)


def _adapted(to_xyz: Array, white: tuple[float, ...]) -> Array:
    """Adapt a matrix from another white point to D65 (Bradford)."""
    there, here = _BRADFORD @ _xyz(*white[:2]), _BRADFORD @ _xyz(*_D65)
    return np.asarray(np.linalg.inv(_BRADFORD) @ np.diag(here / there) @ _BRADFORD @ to_xyz)


def _xyz(x: float, y: float) -> Array:
    return np.array([x / y, 1.0, (1 - x - y) / y]) if y else np.array([x, 0.0, 1 - x])


def _is_srgb_gamut(chromaticities: Chromaticities) -> bool:
    return all(abs(a - b) < 0.005 for a, b in zip(chromaticities, _PRIMARIES[1], strict=True))


def usable_chromaticities(values: tuple[float, ...]) -> Chromaticities | None:
    """The eight numbers of a cHRM chunk, or None if they do not span a gamut."""
    if len(values) != 8 or not all(0.0 <= each <= 1.0 for each in values) or min(values[1], values[0]) < 0.05:
        return None
    found = tuple(float(each) for each in values)
    assert len(found) == 8
    triangle = (found[4] - found[2]) * (found[7] - found[3]) - (found[6] - found[2]) * (found[5] - found[3])
    return found if abs(triangle) > 0.01 else None
