"""Images that are read band by band, so that they never have to exist whole as a Pillow image: arrays, boxes of other
images, tiles."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from PIL import Image

Array = np.ndarray[Any, np.dtype[Any]]
Box = tuple[int, int, int, int]


class Croppable(Protocol):
    """What `srgb.shrink` needs of an image. Pillow's own images have it."""

    @property
    def size(self) -> tuple[int, int]: ...
    @property
    def mode(self) -> str: ...
    def crop(self, box: Box) -> Image.Image:
        """The pixels of (left, top, right, bottom)."""


class ArrayImage:
    """Samples uint8 [H, W], [H, W, 3] or [H, W, 4], not copied."""

    def __init__(self, samples: Array, mode: str) -> None:
        self._samples, self.mode = samples, mode
        self.size = samples.shape[1], samples.shape[0]

    def crop(self, box: Box) -> Image.Image:
        left, top, right, bottom = box
        return Image.fromarray(np.ascontiguousarray(self._samples[top:bottom, left:right]), self.mode)


class PartImage:
    """A box of another image."""

    def __init__(self, image: Croppable, box: Box) -> None:
        self._image, self._box, self.mode = image, box, image.mode
        self.size = box[2] - box[0], box[3] - box[1]

    def crop(self, box: Box) -> Image.Image:
        left, top = self._box[:2]
        return self._image.crop((left + box[0], top + box[1], left + box[2], top + box[3]))


class TiledImage:
    """A grid of tiles, ``columns`` across. ``read(place)`` decodes a tile when a band needs it, and two rows of tiles
    are kept. ``size`` (width, height) cuts off the surplus of the last column and row."""

    mode = "RGB"

    def __init__(self, size: tuple[int, int], columns: int, tile: tuple[int, int], read: Callable[[int], Image.Image]):
        self.size = size
        self._columns, self._tile, self._read = columns, tile, read
        self._kept: OrderedDict[int, Image.Image] = OrderedDict()

    def crop(self, box: Box) -> Image.Image:
        left, top, right, bottom = box
        width, height = self._tile
        band = Image.new(self.mode, (right - left, bottom - top))
        for row in range(top // height, -(-bottom // height)):
            for column in range(left // width, min(self._columns, -(-right // width))):
                band.paste(self._at(row * self._columns + column), (column * width - left, row * height - top))
        return band

    def _at(self, place: int) -> Image.Image:
        found = self._kept.get(place)
        if found is None:
            found = self._kept[place] = self._read(place)
            while len(self._kept) > 2 * self._columns:
                self._kept.popitem(last=False)
        return found
