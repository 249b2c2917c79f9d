"""What is left of one picture once another was brought to it, at several scales: its peak over what is usual there.

A picture that was compressed or resized differs a little everywhere, and most at edges. A word, a digit, a closed eye
leaves much at one place. So each rest is divided by the edges around it, and the largest such ratio of the picture is
held against those that one pixel in a hundred reaches.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from imgsearch.dedup.differences import gradients, smooth
from imgsearch.dedup.inspection.fit import Fit, apply_fit
from imgsearch.records import Float32, UInt8

LEVELS = 5
"""Scales: means over 3 x 3 pixels, and each level half as fine as the one before."""

_FLOORS = (6.0, 4.0, 3.0, 2.5, 2.5)  # lightness: the rest that edges do not explain and that is no difference
_EDGE_SHARE = 0.5
_BAND = 512  # rows at a time; a multiple of 2 ** LEVELS
_HALO = 8  # rows above and below a band that its filters see
_USUAL = 0.99
_SAMPLED = 60_000  # ratios that the quantile is taken of
_LEAST = 6  # pixels of a level's shorter side


@dataclass(frozen=True, slots=True)
class Peak:
    """``largest``: the greatest ratio of rest to edges at one scale; ``usual``: the one that a hundredth of the pixels
    exceeds."""

    largest: float
    usual: float


@dataclass(frozen=True, slots=True)
class Rest:
    """``peaks``: of each scale, the finest first. ``share``: of the target's variance that is left. ``largest``: the
    greatest rest over 3 x 3 pixels, 0..255."""

    peaks: tuple[Peak, ...]
    share: float
    largest: float


def rest_of(fit: Fit, source: UInt8, target: UInt8) -> Rest:
    """What is left of ``target`` uint8 [h, w] after ``source``, of its size, was brought to it. In bands: 20 bytes a
    pixel of one band, 2.5 a pixel of the picture. 0.1 us a pixel."""
    height, width = target.shape
    finest = _Level(_FLOORS[0])
    halves: list[tuple[Float32, Float32]] = []
    squares = values = value_squares = 0.0
    for top in range(0, height, _BAND):
        first, stop = max(0, top - _HALO), min(height, top + _BAND + _HALO)
        inner = slice(top - first, min(top + _BAND, height) - first)
        brought = apply_fit(fit, smooth(np.asarray(source[first:stop], np.float32)), first, height)
        wanted = smooth(np.asarray(target[first:stop], np.float32))
        rest = wanted - brought
        edges = np.maximum(np.hypot(*gradients(wanted)), np.hypot(*gradients(brought)))
        rest3, edges3 = _boxed(rest)[inner], _boxed(edges)[inner]
        finest.take(rest3, edges3)
        halves.append((_halved(rest3), _halved(edges3)))
        squares += float((rest[inner] ** 2).sum())
        values += float(wanted[inner].sum(dtype=np.float64))
        value_squares += float((wanted[inner].astype(np.float64) ** 2).sum())
    peaks = [finest.peak()]
    rest, edges = (np.concatenate(parts) for parts in zip(*halves, strict=True))
    for floor in _FLOORS[1:]:
        if min(rest.shape) < _LEAST:
            break
        level = _Level(floor)
        level.take(rest, edges)
        peaks.append(level.peak())
        rest, edges = _halved(rest), _halved(edges)
    count = height * width
    variance = max(value_squares / count - (values / count) ** 2, 1e-3)
    return Rest(tuple(peaks), squares / count / variance, finest.largest_rest)


class _Level:
    """Ratios of one scale, a band at a time."""

    def __init__(self, floor: float) -> None:
        self._floor = floor
        self._largest = self.largest_rest = 0.0
        self._sampled: list[Float32] = []

    def take(self, rest: Float32, edges: Float32) -> None:
        size = np.abs(rest)
        ratio = size / (self._floor + _EDGE_SHARE * edges)
        self._largest = max(self._largest, float(ratio.max()))
        self.largest_rest = max(self.largest_rest, float(size.max()))
        self._sampled.append(ratio.ravel()[:: max(1, ratio.size // _SAMPLED)])

    def peak(self) -> Peak:
        return Peak(self._largest, float(np.quantile(np.concatenate(self._sampled), _USUAL)))


def peak_of(planes: Float32, floor: float, edges: Float32) -> Peak:
    """The same of one plane by itself, float32 [h, w] each."""
    level = _Level(floor)
    level.take(planes, edges)
    return level.peak()


def _boxed(plane: Float32) -> Float32:
    """Means over 3 x 3 pixels."""
    padded = np.pad(plane, 1, mode="edge")
    across = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
    return np.asarray((across[:-2] + across[1:-1] + across[2:]) / np.float32(9), np.float32)


def _halved(plane: Float32) -> Float32:
    """Means over 2 x 2 pixels; an odd last row or column is left out."""
    rows, columns = plane.shape[0] // 2 * 2, plane.shape[1] // 2 * 2
    cut = plane[:rows, :columns]
    return np.asarray((cut[::2, ::2] + cut[1::2, ::2] + cut[::2, 1::2] + cut[1::2, 1::2]) / np.float32(4), np.float32)
