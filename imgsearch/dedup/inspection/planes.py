"""A picture as planes of 8 bits: lightness at full size, colour at half of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from imgsearch.records import Int64, UInt8

COLOURS = 16
"""A drawing's colours are counted up to here: charts, icons, flags, masks and pages have few."""

_DRAWN_SHARE = 0.9
_COUNTED_SIDE = 64
_PALETTE = 256
_LEAST_SIDE = 8


@dataclass(frozen=True, slots=True)
class Planes:
    """``luma`` uint8 [h, w]; ``chroma`` uint8 [2, h/2, w/2], Cb and Cr, 128 for grey."""

    luma: UInt8
    chroma: UInt8


def planes_of(image: Image.Image, size: tuple[int, int]) -> Planes:
    """The planes of an RGB picture brought to ``size`` (width, height). 60 ms for 12 megapixels."""
    if image.size != size:
        image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    luma, *colour = image.convert("YCbCr").split()
    half = max(1, size[0] // 2), max(1, size[1] // 2)
    chroma = [np.asarray(plane.resize(half, Image.Resampling.BOX)) for plane in colour]
    return Planes(np.asarray(luma), np.stack(chroma))


def is_drawn(image: Image.Image) -> bool:
    """Whether at least nine of ten pixels have one of `COLOURS` colours, to four bits a channel, so that each colour
    means something."""
    pixels = (_sampled(image) + 8) >> 4  # rounded: JPEG's noise around white and black makes no colour
    counts = np.bincount(pixels @ np.array([1, 32, 1024]))
    return bool(np.sort(counts)[-COLOURS:].sum() >= _DRAWN_SHARE * len(pixels))


def has_palette(image: Image.Image) -> bool:
    """Whether an RGB picture seems to have at most 256 colours, as GIF and palette PNG have: no more are among 4,096
    of its pixels."""
    return len(np.unique(_sampled(image) @ np.array([1, 256, 65_536]))) <= _PALETTE


def common_size(first: tuple[int, int], second: tuple[int, int]) -> tuple[int, int]:
    """The size (width, height) of the smaller of two pictures, at least 8 pixels each way."""
    smaller = min(first, second, key=lambda size: (size[0] * size[1], size))
    return max(_LEAST_SIDE, smaller[0]), max(_LEAST_SIDE, smaller[1])


def _sampled(image: Image.Image) -> Int64:
    """Colours of up to 4,096 pixels, spread evenly: int64 [n, 3]."""
    small = image
    if max(image.size) > _COUNTED_SIDE:  # by nearest: a mean would make new colours
        scale = _COUNTED_SIDE / max(image.size)
        size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
        small = image.resize(size, Image.Resampling.NEAREST)
    return np.asarray(small.convert("RGB"), np.int64).reshape(-1, 3)
