"""Decides whether one image is the other saved again, at the full size of the smaller one."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imgsearch.dedup.pixels.inspection.colour import ColourChange, colour_change
from imgsearch.dedup.pixels.inspection.detail import detail_gain
from imgsearch.dedup.pixels.inspection.filters import UInt16, smooth_whole, squared_steepness
from imgsearch.dedup.pixels.inspection.fit import Fit, fit_lightness, fit_line
from imgsearch.dedup.pixels.inspection.picture import AREAS, InspectedImage
from imgsearch.dedup.pixels.inspection.planes import KEPT_PIXELS, Planes, common_size, joint_counts
from imgsearch.dedup.pixels.inspection.residual import FAINTEST, Peak, ScaleResidual, rest_of
from imgsearch.records import Float32, Float64, Int64

OTHER_DRAWING = "a drawing in other colours"

FAINT = 0.8
"""`Peak.largest` that never counts as a difference."""

_FAINT_SLOPE = 4.5
"""A lower limit, which begins at `FAINTEST`, if next to nothing differs elsewhere: of 440 copies those with a usual
ratio under .03 have .26 at most, under .12 .56 at most; a dim clock of 9 px on an otherwise equal image has .26 to
.96."""

UNUSUAL = 2.6
"""How far the largest ratio may exceed the usual one (which a hundredth of the pixels exceeds)."""

_MOST = (2.8, 2.8, 2.3, 1.9, 1.5)
"""Limit of the largest ratio at each scale, however usual it is there: a thing that covers more than a hundredth of the
image makes itself usual. 440 copies (resized, JPEG from 20, WebP from 30, AVIF 50, paler) have up to 1.8, 1.8,
1.8, 1.9 and 1.3, line drawings as JPEG of 20 up to 2.6, 2.7, 2.2; a disc of 2 to 30 % that is 8 steps lighter has 1.3
to 1.5, 1.7 to 2.1, 1.7 to 2.7, 1.7 to 3.0 and 1.3 to 2.9."""

_SMALL, _MOST_OF_SMALL = 96 * 96, 1.3
"""Pixels of a small image, where a thing of any size is usual: 1,080 copies of 16 to 96 px have up to 1.2, one black
pixel in an icon of 16 px has 1.6."""

_MOST_COLOUR = 3.0
_MOST_BROAD = 9.5
"""The same for colour: its ratio, and steps of chroma over 16 x 16 pixels. 400 drawn copies have up to 2.9 and 7.0 (but
for two of JPEG 20), 11 photographs as JPEG of 20 up to 9, of 10 up to 18; a disc of another colour has as much as it
was moved, 14 steps and 2.7."""

STRETCH = 1.35
"""Ratio of the two aspects up to which one image may be the other stretched."""

_LEAST_EXPLAINED = 0.97  # share of variance
_GAIN = 2.0
_TONE = 8.0  # steps of lightness, root mean square: a tone curve that moves them further recolours an image
_DRAWN_TONE = 4.0  # the most that a lightness level that fills much of a drawing may move
_DRAWN_CAST = 5.0
_CAST_SEEN = 4.0
_SATURATION_SEEN = 1.15
_GREY = 1.2  # steps of chroma, root mean square, below which an image has no colour
_ENLARGED_BY = 1.1
_MORE_DETAIL, _MORE_AN_OCTAVE = 0.5, 0.35
"""Detail of a larger image beyond the smaller one, over the smaller one's finest detail, if it is the source; the
larger it is, the more is required. 250 enlargements by 1.15 to 3 have 0.28 to 0.54, sharpened ones up to 0.7; sharp
images that were made smaller have 0.57 and more at 1.25, 0.72 at 1.5, 0.85 at 2, 1.02 at 3. Blurred ones have as little
as enlargements: neither is then taken for the source."""

_STRETCHED = 1.01
_ROUNDED = 1.5  # pixels of the shorter side by which rounding may change an aspect
_FADED = 3.0
_LOOKED_AT = 768  # pixels of the side of the middle, which decides about enlargement
_SHARPER = 1.2  # `detail_gain`
_SAME_SIZE = 1.03
_HOPELESS = 4.0  # over the limit: the other direction will not help


@dataclass(frozen=True, slots=True)
class Inspection:
    """``same``: the two show one image, saved again. ``score`` 0..1, over 0.5 exactly if they do. ``why``: the evidence
    against it, or the alteration; "" if there is none. ``altered``: recoloured, sharpened, softened or enlarged, so
    that one of the two is more than the other saved again."""

    same: bool
    score: float
    why: str = ""
    altered: bool = False
    difference: float = 0.0  # largest local difference of lightness, 0..1

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def inspect_images(first: Image.Image, second: Image.Image) -> Inspection:
    """`inspect_pictures` of two upright RGB images at their full size, the second turned to lie like the first."""
    return inspect_pictures(InspectedImage(first), InspectedImage(second))


def inspect_pictures(first: InspectedImage, second: InspectedImage, *, turned: bool = False) -> Inspection:
    """Two images, the second turned to lie like the first. Costs about 0.06 to 0.2 us a pixel of the smaller one, and
    resizing the larger one. ``turned``: the second really was turned, so that the two stay whatever else was altered;
    then the detail of the two is not compared."""
    size = common_size(first.size, second.size)
    stretch = _ratio(first.size[0] * second.size[1], second.size[0] * first.size[1])
    if stretch > STRETCH:
        return Inspection(False, 0.0, "another shape")
    one, other = first.planes(size), second.planes(size)
    if one.is_behind(other):  # so that the order of the two files makes no difference
        first, second, one, other = second, first, other, one
    drawn = first.is_drawn or second.is_drawn
    if drawn and _levels_moved(one, other) > _DRAWN_TONE:
        return Inspection(False, 0.0, OTHER_DRAWING)
    fit, rest = _lightness(one, other)
    colour = _colour(one, other)
    recoloured = _toned(fit, one) or (colour is not None and _recoloured(colour))
    worst, why = _worst(fit, rest, colour, drawn)
    score = 1 / (1 + min(worst, 100.0) ** 3)
    if worst >= 1:
        return Inspection(False, score, why, difference=rest.largest / 255)
    altered = ["recoloured"] if recoloured else []
    if stretch > _STRETCHED and abs(math.log(stretch)) * min(size) > _ROUNDED:
        altered.append("stretched")
    if _fewer_colours(first, second) or _fewer_colours(second, first):
        altered.append("fewer colours in one of them")
    if not turned:
        altered += _finer_or_coarser(first, second, (one, other))
    return Inspection(True, score, ", ".join(altered), bool(altered), rest.largest / 255)


def _lightness(one: Planes, other: Planes) -> tuple[Fit, ScaleResidual]:
    """The fit and its rest: a straight line if it leaves next to nothing anywhere; otherwise the full fit in the better
    direction, because values that one image clipped follow from the other, but not the other way round."""
    line = fit_line(one, other)
    rest = rest_of(line, one, other)
    if max(peak.largest for peak in rest.peaks) <= FAINT and _most_excess(rest) < 1:
        return line, rest
    ways = []
    for source, target in ((one, other), (other, one)):
        fit = fit_lightness(source, target)
        ways.append((fit, rest_of(fit, source, target)))
        if not 1 <= _most_excess(ways[-1][1]) <= _HOPELESS:
            return ways[-1]
    return min(ways, key=lambda way: _most_excess(way[1]))


def _most_excess(rest: ScaleResidual) -> float:
    largest = (min(most, _MOST_OF_SMALL) if rest.pixels <= _SMALL else most for most in _MOST)
    found = zip(rest.peaks, largest, strict=False)
    return max(_excess(peak, min(FAINT, FAINTEST + _FAINT_SLOPE * peak.usual), most) for peak, most in found)


def _excess(peak: Peak, faint: float, most: float) -> float:
    """1 at the limit."""
    return peak.largest / min(most, max(faint, UNUSUAL * peak.usual))


def _colour(one: Planes, other: Planes) -> ColourChange | None:
    """The change of colour from the more colourful image to the other; None if neither has any colour. A grey image
    may have colour at one place: red ink on a scan."""
    strengths = [planes.strength for planes in (one, other)]
    if max(strengths) == 0:
        return None
    if max(strengths) >= _GREY and min(strengths) < max(strengths) / _FADED:
        return ColourChange(0.0, 0.0, 0.0, Peak(0.0, 0.0), 0.0)
    source, target = (one, other) if strengths[0] >= strengths[1] else (other, one)
    return colour_change(source, target)


def _worst(fit: Fit, rest: ScaleResidual, colour: ColourChange | None, drawn: bool) -> tuple[float, str]:
    """The strongest evidence against a copy, 1 at the limit, and its name."""
    found = [
        (_most_excess(rest), "something differs at one place"),
        (rest.share / (1 - _LEAST_EXPLAINED), "other lightness"),
        (abs(math.log(max(fit.gain, 1e-3))) / math.log(_GAIN) if fit.gain > 0 else 99.0, "other contrast"),
    ]
    if colour is not None:
        found.append((_excess(colour.peak, 1.3, _MOST_COLOUR), "another colour at one place"))
        found.append((colour.broad / _MOST_BROAD, "another colour at one place"))
        found.append((0.0 if colour.little else 2.0, "other colours"))
        if drawn:
            found.append((max(colour.cast / _DRAWN_CAST, abs(colour.hue) / 0.1), OTHER_DRAWING))
    return max(found)


def _fewer_colours(one: InspectedImage, other: InspectedImage) -> bool:
    """Whether the second has a palette and the first is not a drawing and needs none: JPEG's noise gives a drawing more
    colours than its palette had."""
    return other.has_palette and not one.has_palette and not one.is_drawn


def _levels_moved(one: Planes, other: Planes) -> float:
    """The largest move of a lightness level that fills a fiftieth of a drawing and more than its neighbours: the median
    move over the pixels of that level, so that a changed place does not count."""
    counts = one.counts
    around = np.concatenate([counts[-2:], counts, counts[:2]])
    beside = np.maximum.reduce([around[at : at + 256] for at in (0, 1, 3, 4)])
    levels = np.flatnonzero((counts >= one.luma.size / AREAS) & (counts >= beside))
    if not len(levels):
        return 0.0
    return float(np.abs(_medians(joint_counts(one.luma, other.luma)[levels]) - levels).max())


def _medians(counts: Int64) -> Float64:
    """The median lightness of each row from the number of pixels at each level, int64 [n, 256]: float64 [n]."""
    below = np.cumsum(counts, axis=1)
    total = below[:, -1:]
    middle = [(below <= place).sum(axis=1) for place in ((total - 1) // 2, total // 2)]
    return np.asarray((middle[0] + middle[1]) / 2)


def _finer_or_coarser(first: InspectedImage, second: InspectedImage, planes: tuple[Planes, Planes]) -> list[str]:
    areas = first.size[0] * first.size[1], second.size[0] * second.size[1]
    by = _ratio(*areas) ** 0.5
    if by > _ENLARGED_BY:
        wanted = min(1.0, _MORE_DETAIL + _MORE_AN_OCTAVE * math.log2(by))
        large = first if areas[0] > areas[1] else second
        return [] if _has_detail_beyond(large.grey, by, wanted) else ["perhaps enlarged"]
    return ["sharpened or softened"] if by < _SAME_SIZE and detail_gain(*planes) > _SHARPER else []


def _toned(fit: Fit, planes: Planes) -> bool:
    levels = np.arange(256, dtype=np.float32)
    weights = planes.counts / planes.luma.size
    return bool(np.sqrt(float((weights * (fit.tone(levels) - levels) ** 2).sum())) > _TONE)


def _recoloured(colour: ColourChange) -> bool:
    return colour.cast > _CAST_SEEN or _ratio(colour.saturation, 1.0) > _SATURATION_SEEN or abs(colour.hue) > 0.07


def _has_detail_beyond(large: Image.Image, by: float, wanted: float) -> bool:
    """Whether an image of mode L has real detail beside strong edges: it is reduced by ``by`` and enlarged again, and
    must lose ``wanted`` times the finest detail of the reduced one. Only the middle of a large image is checked."""
    width, height = (min(side, _LOOKED_AT) for side in large.size)
    left, top = (large.width - width) // 2, (large.height - height) // 2
    luma = large if (width, height) == large.size else large.crop((left, top, left + width, top + height))
    size = max(2, round(width / by)), max(2, round(height / by))
    reduced = luma.resize(size, Image.Resampling.LANCZOS)
    enlarged, full = (np.asarray(each) for each in (reduced.resize(luma.size, Image.Resampling.BICUBIC), luma))
    small = np.asarray(reduced)
    once = smooth_whole(small)
    finest = _mean_square((small - once * np.float32(1 / 16)).ravel()[_strong_edges(once)])
    at_edges = _strong_edges(smooth_whole(enlarged))
    seen = full.ravel()[at_edges].astype(np.float32)
    beyond = _mean_square(seen - enlarged.ravel()[at_edges])
    if math.sqrt(beyond / max(finest, 1e-6)) < wanted:
        return False
    blocks = np.asarray(luma.resize(size, Image.Resampling.NEAREST).resize(luma.size, Image.Resampling.NEAREST))
    return _mean_square(seen - blocks.ravel()[at_edges]) >= finest / 16  # repeated pixels mean an enlargement


def _strong_edges(whole: UInt16) -> NDArray[np.intp]:
    """The places of the tenth of the pixels with the steepest slopes, in the flat plane, of lightness smoothed by
    `filters.smooth_whole`."""
    steep = np.empty(whole.shape, np.float32)
    rows = max(16, KEPT_PIXELS // 4 // whole.shape[1])  # at a time: they stay in the cache
    for top in range(0, len(whole), rows):
        first = max(0, top - 1)
        band = squared_steepness(whole[first : top + rows + 1].astype(np.float32))
        steep[top : top + rows] = band[top - first : top - first + rows]
    sampled = steep.ravel()[:: max(1, steep.size // 4096)]
    at = int(0.9 * len(sampled))
    return np.flatnonzero(steep.ravel() >= np.partition(sampled, at)[at])


def _mean_square(values: Float32) -> float:
    return float(values @ values) / max(len(values), 1)


def _ratio(a: float, b: float) -> float:
    return max(a, b) / max(min(a, b), 1e-9)
