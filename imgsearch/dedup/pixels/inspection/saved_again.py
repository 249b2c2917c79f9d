"""Detects that an image was made from a more strongly compressed JPEG, by the traces of the JPEG's steps.

A JPEG keeps its cosine coefficients as multiples of the steps in its table. An image that was decoded from it and
saved again, more gently, still has coefficients near those multiples; the source of that JPEG has them anywhere (Fan
and de Queiroz, 2003).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from imgsearch.records import Float32, UInt8

_BLOCKS = 1500
_LEAST_STEP = 5  # of a coefficient: rounding of pixels blurs smaller ones
_LEAST_SEEN = 150  # nonzero coefficients
_CLOSE = 0.2
"""Mean distance to the nearest multiple, in steps: 0.24 to 0.26 in the sources of nine photographs saved at quality 60
to 90; 0.05 to 0.18 in images that were decoded from these and saved as JPEG of quality 97 or WebP of 95."""


def was_made_of(luma: UInt8, steps: Sequence[int]) -> bool:
    """Whether lightness uint8 [h, w] shows the traces of a JPEG with the table ``steps`` (64 numbers, row by row).
    False if there is too little to see. 3 ms."""
    coefficients = _blocks(luma) @ _basis(tuple(steps))  # [blocks, n]
    told = coefficients[np.abs(coefficients) > 0.6]
    if len(told) < _LEAST_SEEN:
        return False
    return float(np.abs(told - np.round(told)).mean()) < _CLOSE


@lru_cache(maxsize=32)
def _basis(steps: tuple[int, ...]) -> Float32:
    """DCT-II, orthonormal as in JPEG, of a block of 64 pixels in steps of a JPEG's table: float32 [64, n], for the n
    coefficients with a step that shows, without the mean."""
    table = np.asarray(steps, np.float32).reshape(8, 8)
    wanted = table >= _LEAST_STEP
    wanted[0, 0] = False
    at = np.arange(8)
    cosines = np.cos(np.pi * np.outer(at, 2 * at + 1) / 16) / 2
    cosines[0] /= np.sqrt(2)
    both = np.kron(cosines, cosines)[wanted.ravel()]  # [n, 64]: down, then across
    return np.ascontiguousarray((both / table[wanted][:, None]).T, np.float32)


def _blocks(luma: UInt8) -> Float32:
    """Blocks of 8 x 8 spread over the image, around zero: float32 [blocks, 64]."""
    rows, columns = luma.shape[0] // 8, luma.shape[1] // 8
    count = min(_BLOCKS, rows * columns)
    tiled = luma[: rows * 8, : columns * 8].reshape(rows, 8, columns, 8).swapaxes(1, 2)  # a view
    if count < rows * columns:
        chosen = np.linspace(0, rows * columns - 1, count).astype(np.intp)  # a step of 1 or more: none twice
        blocks = tiled[chosen // columns, chosen % columns].reshape(count, 64)
    else:
        blocks = tiled.reshape(count, 64)
    return np.asarray(blocks.astype(np.float32) - np.float32(128))
