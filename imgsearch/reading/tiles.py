"""Large pictures in parts: the finder of text sees letters of 15 pixels on a canvas of a megapixel, and loses them on
one of three. A line that two parts share is put together again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from imgsearch.reading.contract import Points

LONGEST = 1184
"""Pixels a side of a part, most: letters of 15 pixels are found on 1184 x 896, and lost on 1984 x 1504."""

OVERLAP = 160
"""Pixels that neighbours share: a letter up to this height is whole in one of them."""

_ANGLE = math.cos(math.radians(8))  # directions this near are one
_THICKER = 1.6  # of two boxes that may be parts of one line
_ASIDE = 0.45  # of the thinner one's height that they may lie apart across the line
_SAME = 0.6  # of the smaller box that must lie in the larger one for both to be one


@dataclass(frozen=True, slots=True)
class Tile:
    """A part of a picture, in pixels."""

    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True, slots=True)
class Strip:
    """A box as a line: ``centre`` [2], the unit vector ``along`` [2] of its longer side, its length and height; of
    ``tile``."""

    points: Points
    tile: int
    centre: Points
    along: Points
    length: float
    height: float

    @staticmethod
    def of(points: Points, tile: int) -> Strip:
        """That of a box."""
        one, other = points[1] - points[0], points[3] - points[0]
        long, short = (one, other) if np.linalg.norm(one) >= np.linalg.norm(other) else (other, one)
        length = float(np.linalg.norm(long))
        along = long / length if length else np.array([1.0, 0.0])
        return Strip(points, tile, points.mean(axis=0), along, length, float(np.linalg.norm(short)))


def tiles_of(width: int, height: int) -> list[Tile]:
    """The parts that cover a picture, row by row, all of about one size."""
    across, down = _spans(width), _spans(height)
    return [Tile(left, top, right, bottom) for top, bottom in down for left, right in across]


def _spans(side: int) -> list[tuple[int, int]]:
    if side <= LONGEST:
        return [(0, side)]
    count = math.ceil((side - OVERLAP) / (LONGEST - OVERLAP))
    size = math.ceil((side + (count - 1) * OVERLAP) / count)
    step = (side - size) / (count - 1)
    return [(round(number * step), min(side, round(number * step) + size)) for number in range(count)]


def joined(found: Sequence[tuple[Points, int]]) -> list[Points]:
    """Boxes with the number of the part that each was found in, in pixels of the whole picture -> each line once. Two
    of different parts are one line where they lie on one another, or overlap end to end."""
    strips = [Strip.of(points, tile) for points, tile in found]
    strips.sort(key=lambda strip: -strip.length)
    kept: list[Strip] = []
    for strip in strips:
        current = strip
        while (place := _partner(current, kept)) is not None:
            current = _union(kept.pop(place), current)
        kept.append(current)
    return [strip.points for strip in kept]


def _partner(strip: Strip, others: Sequence[Strip]) -> int | None:
    return next((place for place, other in enumerate(others) if _one_line(other, strip)), None)


def _one_line(one: Strip, other: Strip) -> bool:
    if one.tile == other.tile and one.tile >= 0:
        return False
    reach = (one.length + other.length + one.height + other.height) / 2
    if np.abs(one.centre - other.centre).max() > reach:  # most pairs end here
        return False
    longer, shorter = (one, other) if one.length >= other.length else (other, one)
    if overlap_share(longer, shorter) >= _SAME:
        return True
    parallel = abs(float(longer.along @ shorter.along)) >= _ANGLE
    if not parallel or max(one.height, other.height) > _THICKER * min(one.height, other.height):
        return False
    apart = shorter.centre - longer.centre
    across = abs(float(apart @ np.array([-longer.along[1], longer.along[0]])))
    along = abs(float(apart @ longer.along))
    return across <= _ASIDE * min(one.height, other.height) and along < (one.length + other.length) / 2


def overlap_share(longer: Strip, shorter: Strip) -> float:
    """Share of the shorter one's box, as it lies along the longer one, that is inside the longer one."""
    axes = np.stack([longer.along, [-longer.along[1], longer.along[0]]])  # [2, 2]
    outer, inner = longer.points @ axes.T, shorter.points @ axes.T  # [4, 2]
    low, high = np.maximum(outer.min(0), inner.min(0)), np.minimum(outer.max(0), inner.max(0))
    extent = np.maximum(inner.max(0) - inner.min(0), 1e-6)
    return float(np.prod(np.clip(high - low, 0, None) / extent))


def _union(one: Strip, other: Strip) -> Strip:
    """The smallest rectangle along the longer one that holds both; -1 as its part, since more may follow."""
    longer = one if one.length >= other.length else other
    axes = np.stack([longer.along, [-longer.along[1], longer.along[0]]])
    inside = np.concatenate([one.points, other.points]) @ axes.T
    (low_u, low_v), (high_u, high_v) = inside.min(0), inside.max(0)
    corners = np.array([[low_u, low_v], [high_u, low_v], [high_u, high_v], [low_u, high_v]]) @ axes
    return Strip.of(clockwise(corners), -1)


def clockwise(corners: Points) -> Points:
    """The corners of a rectangle from the upper left one on, as the finder of text gives them: of the two left ones the
    upper, then the upper right one, and so on."""
    order = np.argsort(corners[:, 0], kind="stable")
    left, right = corners[order[:2]], corners[order[2:]]
    left, right = left[np.argsort(left[:, 1])], right[np.argsort(right[:, 1])]
    return np.array([left[0], right[0], right[1], left[1]])
