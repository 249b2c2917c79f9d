"""A decoded image and everything that several looks need from it, each computed once."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from PIL import Image

from imgsearch.dedup.pixels.inspection.planes import Planes, least_size, planes_of
from imgsearch.media.orientation import orient_image
from imgsearch.records import UInt8

COLOURS = 16
"""A drawing's colours are counted up to this number: charts, icons, flags, masks and pages have few."""

AREAS = 50
"""A level of lightness fills an area if one in so many pixels has it."""

_DRAWN_SHARE = 0.9
_COUNTED_SIDE = 64
_PALETTE = 256
_LOW_SEVEN, _FOUR = np.uint32(0x7F7F7F), np.uint32(0x040404)
_FIVE = np.array([0x1F, 0x3E0, 0x7C00], np.uint32)


class InspectedImage:
    """``image``: upright, RGB, at its full size. Keeps the planes of its own size and of the last other size."""

    def __init__(self, image: Image.Image) -> None:
        self.image = image
        self._own: Planes | None = None
        self._other: tuple[tuple[int, int], Planes] | None = None

    @property
    def size(self) -> tuple[int, int]:
        return self.image.size

    def turned(self, orientation: int) -> InspectedImage:
        """The image as EXIF ``orientation`` shows it; itself for 1."""
        return self if orientation == 1 else InspectedImage(orient_image(self.image, orientation))

    def planes(self, size: tuple[int, int]) -> Planes:
        """Brought to ``size`` (width, height)."""
        if size == self.size:
            if self._own is None:
                self._own = planes_of(self.image, size)
            return self._own
        if self._other is None or self._other[0] != size:
            self._other = None  # freed before the next is made
            self._other = size, planes_of(self.image, size)
        return self._other[1]

    def own_planes(self) -> Planes:
        """At its own size, or 8 pixels each way."""
        return self.planes(least_size(self.size))

    @cached_property
    def is_drawn(self) -> bool:
        """Whether at least nine of ten pixels have one of `COLOURS` colours, to four bits a channel, so that each
        colour means something."""
        pixels = np.frombuffer(self._sampled.convert("RGBX").tobytes(), "<u4")
        halves = (pixels >> 1 & _LOW_SEVEN) + _FOUR  # three channels in one number; no channel runs into the next
        low, middle, high = (halves >> 3 + 3 * place & _FIVE[place] for place in range(3))
        counts = np.bincount(low | middle | high)  # rounded: JPEG's noise around white and black makes no colour
        counts = counts[counts > 0]
        if len(counts) <= COLOURS:
            return True
        return bool(np.partition(counts, -COLOURS)[-COLOURS:].sum() >= _DRAWN_SHARE * len(pixels))

    @cached_property
    def has_areas(self) -> bool:
        """Whether it is a drawing in which one lightness fills a fiftieth of the pixels, so that noise does not hide
        which areas have another one in another image."""
        return self.is_drawn and max(self.grey.histogram()) >= self.grey.width * self.grey.height / AREAS

    @cached_property
    def has_palette(self) -> bool:
        """Whether it seems to have at most 256 colours, like GIF and palette PNG: 4,096 of its pixels have no more."""
        return self._sampled.getcolors(_PALETTE) is not None

    @cached_property
    def luma(self) -> UInt8:
        """Lightness at its own size, uint8 [h, w]."""
        if least_size(self.size) == self.size:
            return self.own_planes().luma
        return np.asarray(self.image.convert("YCbCr").getchannel(0))

    @cached_property
    def grey(self) -> Image.Image:
        """The image in Pillow's mode L, which rounds differently from `luma`."""
        return self.image.convert("L")

    @cached_property
    def _sampled(self) -> Image.Image:
        """Up to 4,096 pixels, spread evenly."""
        if max(self.image.size) <= _COUNTED_SIDE:
            return self.image.convert("RGB")
        scale = _COUNTED_SIDE / max(self.image.size)  # by nearest: a mean would make new colours
        size = max(1, round(self.image.width * scale)), max(1, round(self.image.height * scale))
        return self.image.resize(size, Image.Resampling.NEAREST).convert("RGB")
