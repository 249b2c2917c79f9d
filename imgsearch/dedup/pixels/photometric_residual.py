"""The rest of one image after another was brought to it, judged where it is largest.

The other image's lightness goes through a curve (brightness, contrast, gamma and clipping do not count as a
difference), and takes a share of its own gradients and of its Laplacian: to first order these are a small shift, scale
or turn (Lucas and Kanade, 1981) and a blur or sharpening. All weights come from one least-squares fit. A place where
much is left although neither image has an edge there shows something that only one of them has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgsearch.dedup.pixels.inspection import filters
from imgsearch.records import Float32

Complex64 = NDArray[np.complex64]

_KNOTS = 12  # of the curve; hat functions between the darkest and the lightest value
_WARPS = 7  # shift 2, scale 2, turn and shear 2, blur 1
_SMOOTH = 5e-4
"""Ridge on the second differences of the curve, as a share of the number of pixels: at 3e-3 an image differs from
itself where few pixels are as light, at 5e-4 it does not."""

_WARP_RIDGE = 0.02
_FLOOR = 2.0
_NOISE_SHARE = 1.0
_NOISE_QUANTILE = 0.9

_SATURATION = 1.5
_HUE = np.radians(10)
_CAST = 0.05  # of a step in lightness: 12 of 255 from black to white
_COLOUR_RIDGE = 1.0  # squared levels a pixel


@dataclass(frozen=True, slots=True)
class PhotometricResidual:
    """The rest of n pairs, each float32 [n]. ``peak``: the largest rest over the rest that edges there allow, over the
    noise of the pair; ``largest``: the largest rest, 0..255; ``explained``: share of the variance that the fit
    explains, at most 1; ``gain``: contrast of the first over that of the second, negative for a negative."""

    peak: Float32
    largest: Float32
    explained: Float32
    gain: Float32


def compare_lightness(first: Float32, second: Float32, enough: float = 0.0) -> PhotometricResidual:
    """Compares registered lightness 0..255, float32 [n, h, w] each. Each image is brought to the other and the better
    fit counts: values that one of them clipped follow from the other, but not the other way round. If a straight line
    alone leaves a peak of ``enough`` or less, nothing more is fitted. 0.3 ms a pair at 32 x 32, 20 ms at 128 x 128; a
    tenth of it if a line is enough."""
    found = _judged(first, _line_rest(first, second))
    left = np.flatnonzero(found[0] > enough)
    if len(left):
        x, y = first[left], second[left]
        forth, back = _judged(x, _rest(x, y)), _judged(y, _rest(y, x))
        found[0][left], found[1][left] = np.minimum(forth[0], back[0]), np.minimum(forth[1], back[1])
        found[2][left] = np.maximum(forth[2], back[2])
    gain = (first.std(axis=(1, 2)) + 0.5) / (second.std(axis=(1, 2)) + 0.5)
    together = ((first - first.mean(axis=(1, 2), keepdims=True)) * second).sum(axis=(1, 2))
    return PhotometricResidual(*found, np.copysign(gain, together).astype(np.float32))


def compare_colour(first: Float32, second: Float32) -> tuple[Float32, Float32]:
    """(largest, mean) rest of colour, 0..255, once the second's colour is brought to the first's by changes that an
    editor makes to a whole image: saturation, a slight turn of hue, a cast, also one that grows with lightness. Takes
    YCbCr planes [n, 3, h, w], gives float32 [n] each. Nothing more is allowed: an arbitrary linear map of colours turns
    a red car into a blue one. The largest, smoothed, is that of the better direction; the mean (root of the squares)
    that of the worse, so that a grey copy of a coloured image is recognised."""
    forth, back = _colour_one_way(first, second), _colour_one_way(second, first)
    return np.minimum(forth[0], back[0]), np.maximum(forth[1], back[1])


def smooth(planes: Float32) -> Float32:
    """[..., h, w] through the binomial [1 2 1] / 4 both ways."""
    return filters.smooth(np.asarray(planes, np.float32))


def gradients(planes: Float32) -> tuple[Float32, Float32]:
    """Central differences across and down of [..., h, w]."""
    return filters.slopes(planes)


def _judged(target: Float32, rest: Float32) -> tuple[Float32, Float32, Float32]:
    """(peak, largest, explained) [n] of the rest of ``target``."""
    n = len(target)
    edges = np.hypot(*gradients(target))
    unexpected = (np.abs(rest) / (_FLOOR + edges)).reshape(n, -1)
    noise = np.quantile(unexpected, _NOISE_QUANTILE, axis=1)
    peak = unexpected.max(axis=1) / (1 + _NOISE_SHARE * noise)
    largest = np.abs(rest).reshape(n, -1).max(axis=1)
    explained = 1 - rest.var(axis=(1, 2)) / np.maximum(target.var(axis=(1, 2)), 1e-3)
    return peak.astype(np.float32), largest.astype(np.float32), explained.astype(np.float32)


def _line_rest(target: Float32, source: Float32) -> Float32:
    """``target`` less the straight line of ``source`` that fits best, without its mean."""
    y = source - source.mean(axis=(1, 2), keepdims=True)
    x = target - target.mean(axis=(1, 2), keepdims=True)
    gain = (x * y).sum(axis=(1, 2)) / np.maximum((y * y).sum(axis=(1, 2)), 1e-3)
    return np.asarray(x - gain[:, None, None] * y, np.float32)


def _rest(target: Float32, source: Float32) -> Float32:
    n, pixels = len(target), target[0].size
    # The curve only corrects a line, so the ridge pulls towards a line and not towards nothing.
    x = _line_rest(target, source).reshape(n, -1)
    design = _design(source)  # [n, knots + warps, p]
    normal = design @ design.transpose(0, 2, 1) + _ridge(pixels)
    weights = np.linalg.solve(normal, design @ x[..., None])  # [n, knots + warps, 1]
    rest: Float32 = (x - (weights.transpose(0, 2, 1) @ design)[:, 0]).reshape(target.shape)
    return rest


def _design(source: Float32) -> Float32:
    n, height, width = source.shape
    low, high = source.min(axis=(1, 2), keepdims=True), source.max(axis=(1, 2), keepdims=True)
    level = (source - low) / np.maximum(high - low, 1) * (_KNOTS - 1)
    columns = [np.maximum(0, 1 - np.abs(level - knot)) for knot in range(_KNOTS)]
    across, down = gradients(source)
    v = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    u = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    columns += [across, down, u * across, v * down, v * across, u * down, smooth(source) - source]
    return np.stack([column.reshape(n, -1) for column in columns], axis=1)


def _ridge(pixels: int) -> Float32:
    bend = np.diff(np.eye(_KNOTS), 2, axis=0)
    ridge = np.zeros((_KNOTS + _WARPS, _KNOTS + _WARPS), np.float32)
    ridge[:_KNOTS, :_KNOTS] = _SMOOTH * (bend.T @ bend + 0.03 * np.eye(_KNOTS))
    ridge[_KNOTS:, _KNOTS:] = _WARP_RIDGE * np.eye(_WARPS)
    return ridge * np.float32(pixels)


def _colour_one_way(target: Float32, source: Float32) -> tuple[Float32, Float32]:
    wanted, colour = _complex(target), _complex(source)  # [n, p]
    lightness = source[:, 0].reshape(len(source), -1) - 128.0
    design = np.stack([_centred(colour), _centred(lightness)], axis=1)  # [n, 2, p]
    ridge = _COLOUR_RIDGE * colour.shape[1]
    normal = design.conj() @ design.transpose(0, 2, 1) + ridge * np.eye(2, dtype=np.float32)
    weights = (design.conj() @ _centred(wanted)[..., None])[..., 0]
    weights[:, 0] += ridge  # pulls a grey image towards unchanged saturation
    change, cast = np.linalg.solve(normal, weights[..., None])[..., 0].T  # [n] each
    saturation = np.clip(np.abs(change), 1 / _SATURATION, _SATURATION)
    change = saturation * np.exp(1j * np.clip(np.angle(change), -_HUE, _HUE))
    cast = cast * np.minimum(1, _CAST / np.maximum(np.abs(cast), 1e-6))
    rest = wanted - change[:, None] * colour - cast[:, None] * lightness
    planes = np.stack([rest.real, rest.imag], axis=1).astype(np.float32)  # [n, 2, p]
    planes -= np.median(planes, axis=2, keepdims=True)
    mean = np.sqrt((planes * planes).mean(axis=(1, 2)))
    largest = np.abs(smooth(planes.reshape(target[:, 1:].shape))).reshape(len(target), -1).max(axis=1)
    return np.asarray(largest, np.float32), np.asarray(mean, np.float32)


def _complex(planes: Float32) -> Complex64:
    """Cb + i Cr of YCbCr planes [n, 3, h, w], 0 for grey: [n, h w]; its angle is the hue."""
    n = len(planes)
    return np.asarray((planes[:, 1] + 1j * planes[:, 2] - (128 + 128j)).reshape(n, -1), np.complex64)


def _centred(values: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(values - values.mean(axis=1, keepdims=True))
