"""Decides to which of two registered images the things belong in which they differ.

Something put over an image (a sticker, a caption) has an edge all around that only one of the two shows. If a thing
moved, or another thing stands in its place before one background, each image shows edges that the other lacks. If a
thing was painted in other colours, both show the same edges around the difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgsearch.dedup.pixels.block_comparison import blobs, bring
from imgsearch.dedup.pixels.photometric_residual import gradients, smooth
from imgsearch.dedup.pixels.registration.planes import halved
from imgsearch.records import Float32

Mask = NDArray[np.bool_]
Complex = NDArray[np.complex64]

_FLOOR = 3.0  # lightness below which nothing differs
_UNEXPECTED = 1.0  # rest over edges from which a pixel differs, beside the noise of the pair
_NOISE_QUANTILE = 0.9
_ALONE = 2.0  # contrast over the other's from which an edge belongs to one image
_EDGE = 4.0
_ALL_ACROSS = 0.6
_COLOUR_REST = 14.0  # of Cb and Cr
_COLOUR_NOISE = 8.0
_SATURATED = 12.0
_HUE = np.radians(40)
_FEW_TURNED = 0.003  # of the area
_TONED = 0.95  # `_one_hue` of a sepia copy
_MANY_HUES = 0.9
_CURVE_REST = 36.0
_KEEP = 20.0  # squared levels a pixel: how strongly colours are assumed to be unchanged


@dataclass(frozen=True, slots=True)
class Differing:
    """``first``, ``second``, ``both``: contrast along the outlines of differences in lightness that only the first,
    only the second, or both show, summed over pixels; ``first_out``, ``second_out``: the part of it beyond the outlines
    that only the other shows. ``ground``: median contrast that both show anywhere: under 2 if things stand before
    something plain. ``beside``: mean contrast that both show a little outside the outlines.
    ``saturation``: mean of the less coloured image, 0..128. ``repainted``: share of the area with another colour than
    everything else suggests; ``outlined``: share of the contrast along its outline that both show; ``around``: that
    contrast over the contrast that both show a little outside; ``hue``: share of the area whose hue is turned by more
    than 40 degrees although no curves of the channels do it; ``paint``: mean rest of colour in that area, of Cb and
    Cr."""

    first: float
    second: float
    both: float
    first_out: float
    second_out: float
    ground: float
    beside: float
    saturation: float
    repainted: float
    outlined: float
    outline: float
    around: float
    hue: float
    paint: float

    @property
    def exchanged(self) -> float:
        """The lesser of the two contrasts that only one image shows, over all contrast along the outlines: 0 to 0.5."""
        return min(self.first, self.second) / (self.first + self.second + self.both + 1)

    @property
    def apart(self) -> float:
        """The lesser of the two contrasts that only one image shows beyond the other's own outlines, over all contrast:
        0 if everything that one image lacks lies under something put over it."""
        return min(self.first_out, self.second_out) / (self.first + self.second + self.both + 1)


def find_differing(
    laid: tuple[Float32, Float32], ways: tuple[Float32, Float32], mask: Mask, colours: tuple[Float32, Float32]
) -> Differing:
    """``laid``: registered lightness [S, S] of the two, smoothed, which counts in ``mask``; ``ways``: both
    `block_comparison.brought_both_ways`; ``colours``: Cb and Cr [2, S / 2, S / 2] of each. 3 ms at S = 128."""
    first, second = laid
    brought, back = ways
    outlines = _outlines(first, second, brought, back, mask)
    inside = mask[::2, ::2] & mask[1::2, 1::2]
    lightness = halved(first), halved(second)
    return Differing(*outlines, *_colours(lightness, halved(brought), colours, inside))


def _outlines(
    first: Float32, second: Float32, brought: Float32, back: Float32, mask: Mask
) -> tuple[float, float, float, float, float, float, float]:
    ways = []
    for target, other in ((first, brought), (second, back)):
        edges = _contrast(target), _contrast(other)
        unexpected = np.abs(target - other) / (_FLOOR + np.maximum(*edges))
        ways.append((float(np.quantile(unexpected[mask], _NOISE_QUANTILE)), unexpected, edges))
    noise, unexpected, edges = min(ways, key=lambda way: way[0])
    own, other = edges if edges is ways[0][2] else edges[::-1]
    differs, outline = _outline((unexpected > _UNEXPECTED * (1 + noise)) & mask, mask)
    shared = np.minimum(own, other)
    ring = _beside(differs, 2) & mask
    region = _grown(differs, 2) & mask
    alone = [
        np.where(region & (mine > _ALONE * yours + _EDGE), mine - yours, 0)
        for mine, yours in ((own, other), (other, own))
    ]
    fills = [_filled(contrast > 0) for contrast in alone]
    return (
        float(np.maximum(own - other, 0)[outline].sum()),
        float(np.maximum(other - own, 0)[outline].sum()),
        float(shared[outline].sum()),
        float(alone[0][~fills[1]].sum()),
        float(alone[1][~fills[0]].sum()),
        float(np.median(shared[mask])),
        float(shared[ring].mean()) if ring.any() else 0.0,
    )


def _filled(marked: Mask) -> Mask:
    """The area within the marked outlines, and 2 pixels more: between the first and the last pixel of a blob in its row
    and in its column, or in one of the two if it runs off the image; up to the image's edge beyond a line all across.
    """
    side = marked.shape[0]
    coarse: Mask = np.asarray(marked.reshape(side // 2, 2, side // 2, 2).any(axis=(1, 3)))
    kept: Mask = np.asarray(coarse & (np.sum(_around(coarse), axis=0, dtype=np.int8) >= 3))
    out = np.zeros_like(coarse)
    for blob in blobs(kept):
        cells = np.zeros_like(coarse)
        rows, columns = zip(*blob, strict=True)
        cells[rows, columns] = True
        across, down = _spanned(cells, 1), _spanned(cells, 0)
        last = len(cells) - 2
        cut_off = min(*rows, *columns) <= 1 or max(*rows, *columns) >= last
        out |= (across | down) if cut_off else (across & down)
    half = side // 4
    for axis in (0, 1):
        lines = np.flatnonzero((coarse | np.roll(coarse, 1, axis)).mean(axis=1 - axis) > _ALL_ACROSS)
        view = out if axis == 0 else out.T
        if (lines < half).any():
            view[: lines[lines < half].max() + 1] = True
        if (lines >= half).any():
            view[lines[lines >= half].min() :] = True
    return _grown(out.repeat(2, axis=0).repeat(2, axis=1), 2)


def _spanned(cells: Mask, axis: int) -> Mask:
    """Marks everything between the first and the last marked cell along an axis."""
    forth = np.logical_or.accumulate(cells, axis=axis)
    back = np.flip(np.logical_or.accumulate(np.flip(cells, axis), axis=axis), axis)
    return np.asarray(forth & back)


def _colours(
    lightness: tuple[Float32, Float32], brought: Float32, colours: tuple[Float32, Float32], inside: Mask
) -> tuple[float, float, float, float, float, float, float]:
    """The fields from `Differing.saturation` on; lightness [s, s] of the two, and of the second ``brought`` to the
    first.
    """
    if not inside.any():
        return 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    one, other = (_complex(planes) for planes in colours)
    saturation = min(float(np.abs(one[inside]).mean()), float(np.abs(other[inside]).mean()))
    ways = [_colour_rest(one, other, brought, inside), _colour_rest(other, one, lightness[0], inside)]
    rest, wanted, had = min(ways, key=lambda way: float(np.median(np.abs(way[0][inside]))))
    edges = (
        np.hypot(_colour_contrast(one), _contrast(lightness[0])),
        np.hypot(_colour_contrast(other), _contrast(brought)),
    )
    shared = np.minimum(*edges)
    differs, outline = _outline((np.abs(rest) > _COLOUR_REST) & inside, inside)
    ring = _beside(differs, 1) & inside
    along, all_along = float(shared[outline].sum()), float(np.maximum(*edges)[outline].sum())
    around = float(shared[outline].mean()) if outline.any() else 0.0
    beside = float(shared[ring].mean()) if ring.any() else 0.0
    turned = (np.abs(np.angle(wanted * had.conj())) > _HUE) & (np.minimum(np.abs(wanted), np.abs(had)) > _SATURATED)
    turned &= inside
    area = float(inside.sum())
    if turned.sum() > _FEW_TURNED * area:
        hues = _one_hue(one[inside]), _one_hue(other[inside])
        if max(hues) > _TONED and min(hues) < _MANY_HUES:
            turned[:] = False
        else:
            turned &= _not_by_curves(_rgb(lightness[0], one), _rgb(lightness[1], other), inside)
    return (
        saturation,
        float(differs.sum()) / area,
        along / (all_along + 1),
        around,
        around / (beside + 1),
        float(turned.sum()) / area,
        float(np.abs(rest[differs]).mean()) if differs.any() else 0.0,
    )


def _colour_rest(
    target: Complex, source: Complex, lightness: Float32, inside: Mask
) -> tuple[Complex, Complex, Complex]:
    """(the rest of the target, smoothed; the target and the source brought to it, smoothed), [s, s]: the source is
    turned in hue, saturated and given a cast that may grow with lightness, all as most of the pixels require."""
    grey = (lightness - 128).astype(np.float32)
    columns = np.stack([source, grey.astype(np.complex64), np.ones_like(source)])  # [3, s, s]
    some = np.zeros_like(inside)
    some[::2, ::2] = inside[::2, ::2]
    sample, wanted = columns[:, some], target[some]
    if not some.any():
        sample, wanted = columns[:, inside], target[inside]
    weights = np.ones(len(wanted), np.float32)
    found = np.zeros(3, np.complex64)
    for attempt in range(4):
        weighted = sample.conj() * weights
        total = float(weights.sum())
        normal = weighted @ sample.T + total * np.diag([_KEEP, 1, 0.01])
        aim = weighted @ wanted
        aim[0] += _KEEP * total * (np.exp(1j * np.angle(found[0])) if attempt else 0)
        found = np.linalg.solve(normal, aim)
        weights = (1 / (1 + (np.abs(wanted - found @ sample) / _COLOUR_NOISE) ** 2)).astype(np.float32)
    change, cast, offset = found.astype(np.complex64)
    wanted_colour = change * source
    rest = target - wanted_colour - cast * grey - offset
    return _smooth(rest), _smooth(target), _smooth(wanted_colour)


def _one_hue(colours: Complex) -> float:
    """1 if all colours have one hue, as in a toned image."""
    return float(np.abs(colours.mean()) / max(float(np.abs(colours).mean()), 1.0))


def _not_by_curves(first: Float32, second: Float32, inside: Mask) -> Mask:
    """Where no curve of each channel by itself (brightness, contrast, levels, white balance) turns the colours [3, s,
    s] of one into those of the other."""
    ways = []
    for target, source in ((first, second), (second, first)):
        rest = np.zeros_like(target[0])
        for wanted, had in zip(target, source, strict=True):
            rest = np.maximum(rest, np.abs(wanted - bring(wanted, had, inside, monotone=True)))
        ways.append(rest)
    return np.asarray(np.minimum(*ways) > _CURVE_REST)


def _rgb(lightness: Float32, colour: Complex) -> Float32:
    """[3, s, s] from lightness and Cb + i Cr."""
    blue, red = colour.real, colour.imag
    channels = (lightness + 1.402 * red, lightness - 0.344 * blue - 0.714 * red, lightness + 1.772 * blue)
    return np.asarray(np.stack(channels).clip(0, 255), np.float32)


def _outline(marked: Mask, inside: Mask) -> tuple[Mask, Mask]:
    """(the marked pixels without lone ones, their rim within ``inside``)."""
    around = _around(marked)
    kept = marked & (np.sum(around, axis=0, dtype=np.int8) >= 4)
    around = _around(kept)
    return kept, np.logical_or.reduce(around) & ~np.logical_and.reduce(around) & inside


def _beside(marked: Mask, width: int) -> Mask:
    """The ring ``width`` to twice as many pixels away."""
    near = _grown(marked, width)
    return _grown(near, width) & ~near


def _grown(marked: Mask, by: int) -> Mask:
    for _ in range(by):
        marked = np.logical_or.reduce(_around(marked))
    return marked


def _around(marked: Mask) -> list[Mask]:
    height, width = marked.shape
    padded = np.pad(marked, 1)
    return [padded[i : i + height, j : j + width] for i in range(3) for j in range(3)]


def _contrast(plane: Float32) -> Float32:
    return np.asarray(np.hypot(*gradients(plane)), np.float32)


def _colour_contrast(plane: Complex) -> Float32:
    real, imaginary = _contrast(plane.real), _contrast(plane.imag)
    return np.asarray(np.hypot(real, imaginary), np.float32)


def _complex(planes: Float32) -> Complex:
    """Cb + i Cr of [2, s, s], 0 for grey."""
    return np.asarray(planes[0] + 1j * planes[1] - (128 + 128j), np.complex64)


def _smooth(plane: NDArray[Any]) -> Complex:
    real, imaginary = smooth(np.stack([plane.real, plane.imag]).astype(np.float32))
    return np.asarray(real + 1j * imaginary, np.complex64)
