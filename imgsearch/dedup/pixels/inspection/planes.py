"""An image as planes of 8 bits, lightness at full size and colour at half of it, and derived values, each once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imgsearch.dedup.pixels.inspection.filters import UInt16, smooth, smooth_whole, steepness
from imgsearch.records import Float32, Int64, UInt8

KEPT_PIXELS = 131_072
"""Up to this size, values derived from a plane are kept, 30 bytes a pixel; for larger ones they are made in bands."""

_LEAST_SIDE = 8
_ACROSS = 768  # pixels of the side of the middle


class Planes:
    """``luma`` uint8 [h, w]; ``counts`` int64 [256], the pixels of each lightness; ``chroma`` uint8 [2, h/2, w/2], Cb
    and Cr, 128 for grey."""

    def __init__(self, luma: Image.Image, make_chroma: Callable[[], UInt8]) -> None:
        self.luma, self._make_chroma = np.asarray(luma), make_chroma
        self.counts = np.array(luma.histogram(), np.int64)
        self.is_small = self.luma.size <= KEPT_PIXELS
        self._slopes: Float32 | None = None
        self._colour: tuple[Float32, Float32] | None = None

    @cached_property
    def chroma(self) -> UInt8:
        return self._make_chroma()

    @cached_property
    def total(self) -> int:
        """The sum of its lightness."""
        return int(self.counts @ np.arange(256))

    def is_behind(self, other: Planes) -> bool:
        """Orders two images of one size in a way that does not depend on which is given first."""
        if self.total != other.total:
            return self.total > other.total
        squares = np.arange(256) ** 2
        ours, theirs = ((int(each.counts @ squares), int(each.chroma.sum(dtype=np.int64))) for each in (self, other))
        return ours > theirs

    @cached_property
    def strength(self) -> float:
        """Of the colour: root of the mean square, steps."""
        away = self.chroma.astype(np.float32).ravel()
        away -= 128
        return float(np.sqrt(away @ away / max(len(away), 1)))

    @cached_property
    def detail(self) -> Float32:
        """The finest detail of the middle, flat."""
        if self.is_small and max(self.luma.shape) <= _ACROSS:
            return (self.luma - self.smoothed()).ravel()
        return finest_detail(self.luma)

    def smoothed(self, rows: slice = slice(None)) -> Float32:
        """`filters.smooth` of these rows of lightness; computed for these rows alone if the image is large."""
        if self.is_small:
            return self._smoothed[rows]
        return _exact(smooth_whole(self.luma[rows]))

    def slopes(self, smoothed: Float32, rows: slice = slice(None)) -> Float32:
        """`filters.steepness` of these rows."""
        if not self.is_small:
            return steepness(smoothed)
        if self._slopes is None:
            self._slopes = steepness(self._smoothed)
        return self._slopes[rows]

    def smooth_colour(self) -> tuple[Float32, Float32]:
        """Chroma smoothed twice, float32 [2, h, w] less 128, and the sum of its slopes [h, w]."""
        if self._colour is not None:
            return self._colour
        once = smooth(self.chroma.astype(np.float32) - np.float32(128))
        steep = steepness(once)
        found = smooth(once), steep[0] + steep[1]
        if self.is_small:
            self._colour = found
        return found

    @cached_property
    def smoothed_sums(self) -> tuple[float, float]:
        """`sum_and_squares` of the smoothed lightness of a small image."""
        return sum_and_squares(self._smoothed)

    @cached_property
    def _smoothed(self) -> Float32:
        return _exact(smooth_whole(self.luma))


def planes_of(image: Image.Image, size: tuple[int, int]) -> Planes:
    """The planes of an RGB image brought to ``size`` (width, height). 60 ms for 12 megapixels."""
    if image.size != size:
        image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    whole = image.convert("YCbCr")
    if size[0] * size[1] <= KEPT_PIXELS:
        return Planes(whole.getchannel(0), lambda: _half(whole))
    luma, *colour = whole.split()
    half = max(1, size[0] // 2), max(1, size[1] // 2)
    chroma = np.stack([np.asarray(plane.resize(half, Image.Resampling.BOX)) for plane in colour])
    return Planes(luma, lambda: chroma)


def common_size(first: tuple[int, int], second: tuple[int, int]) -> tuple[int, int]:
    """The size (width, height) of the smaller of two images, at least 8 pixels each way."""
    smaller = min(first, second, key=lambda size: (size[0] * size[1], size))
    return least_size(smaller)


def least_size(size: tuple[int, int]) -> tuple[int, int]:
    """The size (width, height) at which an image is compared: its own, at least 8 pixels each way."""
    return max(_LEAST_SIDE, size[0]), max(_LEAST_SIDE, size[1])


def finest_detail(luma: UInt8) -> Float32:
    """The part of the middle of lightness uint8 [h, w] that smoothing removes: flat."""
    top, left = (max(0, (side - _ACROSS) // 2) for side in luma.shape)
    middle = luma[top : top + _ACROSS, left : left + _ACROSS]
    return (middle - _exact(smooth_whole(middle))).ravel()


def sum_and_squares(plane: Float32) -> tuple[float, float]:
    """The sum of the values and that of their squares."""
    flat = plane.ravel()
    return float(flat.sum(dtype=np.float64)), float(flat @ flat)


def joint_counts(one: UInt8, other: UInt8) -> Int64:
    """How many pixels have one lightness in the first and another in the second: int64 [256, 256]."""
    first, second = one.reshape(-1), other.reshape(-1)
    found: Int64 | None = None
    for at in range(0, len(first), 1 << 20):  # eight bytes a pixel
        pairs = first[at : at + (1 << 20)].astype(np.uint16)
        pairs <<= 8
        pairs |= second[at : at + (1 << 20)]
        counts = np.bincount(pairs, minlength=1 << 16)
        found = counts if found is None else found + counts
    assert found is not None  # no image is empty
    return found.reshape(256, 256)


def _half(whole: Image.Image) -> UInt8:
    """Colour of a YCbCr image through Pillow's BOX at half the size, which rounds after each direction: uint8 [2, h/2,
    w/2]. 70 us for 224 x 224."""
    colour = whole.getchannel(1), whole.getchannel(2)
    width, height = whole.size
    if height % 2 or width % 2:
        half = width // 2, height // 2
        return np.stack([np.asarray(plane.resize(half, Image.Resampling.BOX)) for plane in colour])
    found = np.empty((2, height // 2, width // 2), np.uint8)
    for at, plane in enumerate(colour):
        pairs = np.asarray(plane).view("<u2")  # two neighbours in one number: no strides
        sums = pairs & np.uint16(255)
        sums += pairs >> 8
        sums += 1
        sums >>= 1
        both = sums[::2] + sums[1::2]
        both += 1
        both >>= 1
        found[at] = both
    return found


def _exact(whole: UInt16) -> NDArray[np.float32]:
    found = whole.astype(np.float32)
    found *= np.float32(1 / 16)
    return found
