"""An image as looks at pairs need it: lightness 128 x 128 and colour 64 x 64, whatever its aspect."""

from __future__ import annotations

import numpy as np
from PIL import Image

from imgsearch.records import Float32, UInt8

SIDE = 128
"""Pixels across and down at which blocks are compared."""

COLOUR_SIDE = 64
PLANE_BYTES = SIDE * SIDE + 2 * COLOUR_SIDE * COLOUR_SIDE
READ_SIDE = 256
"""Pixels of the longer side at which a file is read for these planes; more would be averaged away."""


def small_planes(image: Image.Image) -> UInt8:
    """The planes of an upright image: lightness row by row, then Cb and Cr (JPEG's, of full range), uint8
    [`PLANE_BYTES`]. 1 ms for 256 x 192."""
    squared = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS, reducing_gap=3)
    lightness = np.asarray(squared.convert("L"))
    small = squared.resize((COLOUR_SIDE, COLOUR_SIDE), Image.Resampling.BOX).convert("YCbCr")
    colour = np.moveaxis(np.asarray(small)[..., 1:], 2, 0)  # [2, 64, 64]
    return np.concatenate([lightness.reshape(-1), np.ascontiguousarray(colour).reshape(-1)])


def lightness_of(planes: UInt8) -> Float32:
    """From planes uint8 [n, `PLANE_BYTES`]: float32 [n, 128, 128]."""
    return planes[:, : SIDE * SIDE].reshape(-1, SIDE, SIDE).astype(np.float32)


def colour_of(planes: UInt8) -> Float32:
    """From planes uint8 [n, `PLANE_BYTES`]: Cb and Cr, float32 [n, 2, 64, 64], 128 for grey."""
    return planes[:, SIDE * SIDE :].reshape(-1, 2, COLOUR_SIDE, COLOUR_SIDE).astype(np.float32)


def halved(planes: Float32) -> Float32:
    """[..., S, S] at half the size, each pixel the mean of four."""
    return (
        planes[..., ::2, ::2] + planes[..., 1::2, ::2] + planes[..., ::2, 1::2] + planes[..., 1::2, 1::2]
    ) * np.float32(0.25)
