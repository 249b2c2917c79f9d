"""Turns images as their EXIF orientation asks (CIPA DC-008, 4.6.4 A)."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

Array = np.ndarray[Any, np.dtype[Any]]

_METHODS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def orient_image(image: Image.Image, orientation: int) -> Image.Image:
    """``image`` turned as a viewer turns a file of EXIF ``orientation``. For 1 and for invalid values the image itself
    is returned."""
    method = _METHODS.get(orientation)
    return image if method is None else image.transpose(method)


def orient_array(samples: Array, orientation: int) -> Array:
    """`orient_image` for samples [H, W, ...]. Returns a view."""
    if orientation >= 5:
        samples = np.swapaxes(samples, 0, 1)
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    return samples
