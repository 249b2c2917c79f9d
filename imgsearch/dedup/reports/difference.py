"""Shows where two images differ, as an image."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from imgsearch.media.orientation import orient_image
from imgsearch.records import UInt8

GAIN = 4
"""Differences are shown this many times as strong: those of a JPEG saved again at quality 60 become visible."""

_DIM = 0.35
"""Share of the image's own brightness, so that a viewer sees where a difference is."""


def difference_image(first: bytes, second: bytes, orientation: int = 1) -> bytes:
    """A WebP in the size of ``first``: ``first`` in dark grey, and in red its distance from ``second``, turned by
    EXIF ``orientation`` and brought to its size, `GAIN` times as strong. Both are image files; 4 ms at 240 pixels."""
    one, other = _grey(first), _grey(second)
    other = orient_image(other, orientation).resize(one.size, Image.Resampling.BICUBIC)
    return _webp(_overlay(np.asarray(one, np.float32), np.asarray(other, np.float32)))


def _grey(content: bytes) -> Image.Image:
    with Image.open(io.BytesIO(content)) as image:
        return image.convert("L")


def _overlay(one: np.ndarray, other: np.ndarray) -> UInt8:
    dark = one * _DIM
    away = np.abs(one - other) * GAIN
    red = np.clip(dark + away, 0, 255)
    rest = np.clip(dark - away / 2, 0, 255)
    return np.stack([red, rest, rest], axis=2).astype(np.uint8)  # [H, W, 3]


def _webp(pixels: UInt8) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "WEBP", quality=60)
    return file.getvalue()
