"""Registers many pairs of small images and decides what each pair is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imgsearch.dedup.pixels.block_comparison import BlockAgreement, brought_both_ways, compare_blocks
from imgsearch.dedup.pixels.photometric_residual import gradients, smooth
from imgsearch.dedup.pixels.registration.affine import (
    IDENTITY,
    Fits,
    correlation_of,
    inverse,
    overlaps,
    refine,
    rest_of,
    warp,
)
from imgsearch.dedup.pixels.registration.differing import find_differing
from imgsearch.dedup.pixels.registration.planes import colour_of, halved, lightness_of
from imgsearch.dedup.pixels.registration.starts import Starts, turned_planes
from imgsearch.dedup.pixels.registration.verdict import (
    LEAST_BLOCKS,
    LEAST_OVERLAP,
    UNCUT,
    WHOLLY,
    WHOLLY_ONCE_SHARP,
    Seen,
    alike,
    decide,
)
from imgsearch.records import Float32, Int64, UInt8

_STEPS = 6
_SEAM = 3  # pixels at the edge of the overlap, into which a border around one of them bleeds
_RIM = 2  # the same for two images that are shown whole
_NEARLY = 0.5  # agreement of two images that may differ in sharpness only
_SHARPER = 1.3  # pages of one layout are equally sharp
_MOST_SMOOTHINGS = 6
_POOR_FIT = 0.5  # of lightness, which unrelated images reach
_SHIFT = 0.12  # of a map's numbers: a sixteenth of the image
_STRAIGHT = 0.015  # of a map's other numbers: rotations by 1 degree have 0.017
_STILL = 0.8  # agreement of images without motion
_SCALED = 0.018  # a crop of 5 % of the area scales by 0.025
_ALL = 0.97
_ROTATED = 0.1  # of the other number: images of 3 to 1 have 0.11
_SLANTED = 0.06
_BETTER = 0.15  # agreement by which a crop fits better than things that moved
_HOPELESS = 0.25  # `affine.rest_of` at 64 px, if nothing correlates well either
_POOR = 0.8
_AS_STILL = 0.01  # of the deviation
_FIRST = 2.0  # more than any correlation
_AS_GOOD = 0.995
_JUDGED = 3  # ways that are compared closely
_SAME = 0.008  # of a map's numbers: half a pixel
_PAIRS = 16  # at a time

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Alignment:
    """How the second of two images lies on the first, and what the pair therefore is."""

    kind: str  # "near": one shot, cropped, written over or filtered; "moved": one view, things differ; "other"
    orientation: int  # EXIF orientation (1-8) that makes the second look like the first
    box: tuple[float, float, float, float]  # left, top, right, bottom in the first, of its size, that both show
    overlap: float  # share of the first's area that the second shows, 0..1
    agreement: float  # share of the blocks with anything in them that agree, 0..1
    difference: float  # largest difference of lightness of a block, 0..1
    score: float  # 0..1, how sure that they are one shot


UNRELATED = Alignment("other", 1, (0.0, 0.0, 0.0, 0.0), 0.0, 0.0, 1.0, 0.0)


def register(first: UInt8, second: UInt8, starts: Starts) -> Iterator[Alignment]:
    """Registers pairs of planes uint8 [n, `PLANE_BYTES`] from their starts; in order. 3 ms a pair that is no copy, 8 ms
    a copy."""
    for at in range(0, len(first), _PAIRS):
        part = slice(at, at + _PAIRS)
        yield from _register(first[part], second[part], starts.orientations[part], starts.maps[part])


def _register(first: UInt8, second: UInt8, orientations: Int64, maps: Float32) -> Iterator[Alignment]:
    own, half = smooth(halved(lightness_of(first))), smooth(halved(lightness_of(second)))
    worth = np.flatnonzero(_hopes(own, half, orientations, maps))
    found = dict.fromkeys(range(len(first)), UNRELATED)
    if len(worth):
        ways = _ways(own[worth], half[worth], orientations[worth], maps[worth])
        for row, way in zip(worth.tolist(), ways, strict=True):
            found[row] = _Pair(first[row], second[row]).best(way)
    yield from found.values()


def _hopes(own: Float32, half: Float32, orientations: Int64, maps: Float32) -> Mask:
    """Whether any start, or all on all, leaves so little, or correlates so well, that the pair deserves a look: [n]."""
    n, k = orientations.shape
    others = turned_planes(np.repeat(half, k, axis=0), orientations.reshape(-1))
    repeated, starts = np.repeat(own, k, axis=0), maps.reshape(-1, 2, 3)
    rest = rest_of(repeated, others, starts).reshape(n, k).min(axis=1)
    plain = rest_of(own, half, np.broadcast_to(IDENTITY, (n, 2, 3)))
    correlation = np.abs(correlation_of(repeated, others, starts)).reshape(n, k).max(axis=1)
    return np.asarray((np.minimum(rest, plain) <= _HOPELESS) | (correlation >= _POOR))


def _ways(own: Float32, half: Float32, orientations: Int64, maps: Float32) -> Iterator[Iterator[tuple[int, Float32]]]:
    """For each pair its possible ways of lying on each other, refined, the best first."""
    n, k = orientations.shape
    others = turned_planes(np.repeat(half, k, axis=0), orientations.reshape(-1)).reshape(n, k, *half.shape[1:])
    fits = refine(own, others, maps, _STEPS)
    best = np.abs(fits.correlation).argmax(axis=1)
    back = _other_way(own, others[np.arange(n), best], fits.maps[np.arange(n), best])
    plain = np.abs(correlation_of(own, half, np.broadcast_to(IDENTITY, (n, 2, 3))))
    orientations = np.concatenate([orientations, orientations[np.arange(n), best][:, None]], axis=1)
    found = np.concatenate([fits.maps, back.maps], axis=1)
    correlation = np.abs(np.concatenate([fits.correlation, back.correlation], axis=1))
    still = rest_of(own, half, np.broadcast_to(IDENTITY, (n, 2, 3)))
    least = rest_of(own, others[np.arange(n), best], fits.maps[np.arange(n), best])
    plain = np.where(still <= least + _AS_STILL, _FIRST, plain)
    for row in range(n):
        yield _in_order(orientations[row], found[row], correlation[row], float(plain[row]))


def _other_way(first: Float32, second: Float32, maps: Float32) -> Fits:
    """Registers lightness [n, s, s] by the second's content, because a border around the first holds no map."""
    found = inverse(refine(second, first[:, None], inverse(maps)[:, None], _STEPS).maps[:, 0])
    return Fits(found[:, None], correlation_of(first, second, found)[:, None])


def _is_shift(fit: Float32) -> bool:
    """Whether a map moves an image a little, without scaling or turning it."""
    by = np.abs(fit - IDENTITY)
    return bool(by[:, :2].max() < _STRAIGHT and _SAME < by[:, 2].max() < _SHIFT)


def _is_sheared(fit: Float32, least: float) -> bool:
    """Whether a map slants an image by ``least`` or more, as no copy does: a rotated copy has two such numbers, of
    opposite signs."""
    one, other = float(fit[0, 1]), float(fit[1, 0])
    large, small = max(abs(one), abs(other)), min(abs(one), abs(other))
    return large > least and (one * other >= 0 or small < _ROTATED * large)


def _is_crop(fit: Float32, agreement: float, still: float) -> bool:
    """Whether a map scales or turns an image and so makes everything agree although without it (``still``) things seem
    to have moved."""
    apart = float(np.abs(fit - IDENTITY)[:, :2].max())
    return apart > _SCALED and not _is_sheared(fit, _SCALED) and agreement >= _ALL and agreement >= still + _BETTER


def _in_order(orientations: Int64, maps: Float32, correlation: Float32, plain: float) -> Iterator[tuple[int, Float32]]:
    """(orientation, map) of the fits, the best first. All on all comes before fits that are hardly better, or that
    leave hardly less once the largest differences are set aside, and is always included."""
    order = sorted(range(len(orientations)), key=lambda at: -float(correlation[at]))
    ways = [(int(orientations[at]), maps[at], float(correlation[at])) for at in order if correlation[at] > _POOR_FIT]
    ways = [way for way in ways if not _is_sheared(way[1], _SLANTED)]
    place = next((number for number, way in enumerate(ways) if plain >= _AS_GOOD * way[2]), len(ways))
    ways.insert(place, (1, IDENTITY, plain))
    tried: list[tuple[int, Float32]] = []
    for orientation, fit, _ in ways:
        if len(tried) < _JUDGED and not any(
            orientation == other and np.abs(fit - known).max() < _SAME for other, known in tried
        ):
            tried.append((orientation, fit))
            yield orientation, fit


class _Pair:
    """The planes of two images, and their lightness [128, 128], smoothed."""

    def __init__(self, first: UInt8, second: UInt8) -> None:
        self.first, self.second = first, second
        self.a, self.b = (smooth(lightness_of(planes[None]))[0] for planes in (first, second))

    def best(self, ways: Iterator[tuple[int, Float32]]) -> Alignment:
        """The first way that gives the pair a kind, else the one that fits best. If a small shift makes the two near,
        parts that did not move in both count first: a shift may follow things that moved before an unmoved ground."""
        found = UNRELATED
        for orientation, fit in ways:
            judged = self.judge(orientation, fit)
            if judged.kind == "near" and orientation == 1 and _is_shift(fit):
                still = self.judge(1, IDENTITY)
                return still if still.kind == "moved" and still.agreement >= _STILL else judged
            if judged.kind == "near" and (found.kind != "moved" or _is_crop(fit, judged.agreement, found.agreement)):
                return judged
            if judged.kind == "moved" and fit is not IDENTITY:
                return judged
            found = max(found, judged, key=lambda seen: (seen.kind != "other", seen.score))
        return found

    def judge(self, orientation: int, fit: Float32) -> Alignment:
        orientations = np.array([orientation])
        maps = fit[None]
        warped, shown = warp(turned_planes(self.b[None], orientations), maps)
        values, mask = warped[0], shown[0]
        overlap, other_overlap = (float(share[0]) for share in overlaps(maps, shown))
        if not mask.any() or max(overlap, other_overlap) < LEAST_OVERLAP:
            return UNRELATED
        whole = min(overlap, other_overlap) > UNCUT
        laid = _Laid(self.a, values, mask if whole else eroded(mask, _SEAM))
        blocks, kind, score = laid.compared(whole)
        if kind != "near" and blocks.share >= _NEARLY:
            laid, blocks, kind, score = laid.equally_sharp_compared(whole, (blocks, kind, score))
        if kind == "near":
            kind, score = self._closer(orientation, maps, Seen(blocks, whole), (laid, mask), score)
        largest = min(1.0, blocks.largest / 255)
        return Alignment(kind, orientation, _box(mask), overlap, blocks.share, largest, score)

    def _closer(
        self, orientation: int, maps: Float32, seen: Seen, shown: tuple[_Laid, Mask], score: float
    ) -> tuple[str, float]:
        laid, mask = shown
        mask = eroded(mask, _RIM if seen.whole else _SEAM)
        colours = turned_planes(colour_of(self.second[None])[0], np.array([orientation, orientation]))
        over, _ = warp(colours, np.repeat(maps, 2, axis=0))
        own = colour_of(self.first[None])[0]
        return decide(seen, find_differing((laid.first, laid.second), laid.ways, mask, (own, over)), score)


_Compared = tuple[BlockAgreement, str, float]
"""The blocks, the resulting kind of the pair, and how sure it is."""


class _Laid:
    """Registered lightness [S, S] of two images, which counts ``inside``."""

    def __init__(self, first: Float32, second: Float32, inside: Mask) -> None:
        self.first, self.second, self.inside = first, second, inside
        self.ways = brought_both_ways(first, second, inside)

    def compared(self, whole: bool, wholly: float = WHOLLY) -> _Compared:
        blocks = compare_blocks(self.first, self.second, self.inside, self.ways)
        return (blocks, *(alike(blocks, whole, wholly) if blocks.blocks >= LEAST_BLOCKS else ("other", 0.0)))

    def equally_sharp_compared(self, whole: bool, known: _Compared) -> tuple[_Laid, BlockAgreement, str, float]:
        """The same once both are equally sharp; ``known`` if they already are."""
        made = equally_sharp(self.first, self.second, self.inside)
        if made[0] is self.first and made[1] is self.second:
            return self, *known
        laid = _Laid(*made, self.inside)
        return laid, *laid.compared(whole, WHOLLY_ONCE_SHARP)


def equally_sharp(first: Float32, second: Float32, inside: Mask) -> tuple[Float32, Float32]:
    """The two images; if one is much sharper, it is smoothed until it is as sharp as the other."""
    sharpness = [_sharpness(plane, inside) for plane in (first, second)]
    swapped = sharpness[0] < sharpness[1]
    sharp, dull = (second, first) if swapped else (first, second)
    if max(sharpness) > _SHARPER * min(sharpness):
        for _ in range(_MOST_SMOOTHINGS):
            sharp = smooth(sharp)
            if _sharpness(sharp, inside) <= min(sharpness):
                break
    return (dull, sharp) if swapped else (sharp, dull)


def _sharpness(plane: Float32, inside: Mask) -> float:
    """Mean square of its gradients over its variance."""
    across, down = gradients(plane)
    return float((across * across + down * down)[inside].mean()) / max(float(plane[inside].var()), 1.0)


def eroded(mask: Mask, by: int) -> Mask:
    """The mask without the pixels within ``by`` of its edges, those of the plane included."""
    inside = np.pad(mask, by)
    rows = inside[: -2 * by] & inside[by:-by] & inside[2 * by :]
    return rows[:, : -2 * by] & rows[:, by:-by] & rows[:, 2 * by :]


def _box(mask: Mask) -> tuple[float, float, float, float]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    height, width = mask.shape
    edges = columns[0] / width, rows[0] / height, (columns[-1] + 1) / width, (rows[-1] + 1) / height
    return float(edges[0]), float(edges[1]), float(edges[2]), float(edges[3])
