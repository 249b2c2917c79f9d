"""Detects that an image was made from a more strongly compressed JPEG, by the traces of the JPEG's steps.

A JPEG keeps its cosine coefficients as multiples of the steps in its table. An image that was decoded from it and
saved again, more gently, still has coefficients near those multiples; the source of that JPEG has them anywhere (Fan
and de Queiroz, 2003).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

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
    table = np.asarray(steps, np.float32).reshape(8, 8)
    wanted = table >= _LEAST_STEP
    wanted[0, 0] = False  # the mean
    coefficients = _coefficients(luma, wanted) / table[wanted]  # [blocks, n]
    told = coefficients[np.abs(coefficients) > 0.6]
    if len(told) < _LEAST_SEEN:
        return False
    return float(np.abs(told - np.round(told)).mean()) < _CLOSE


def _coefficients(luma: UInt8, wanted: NDArray[np.bool_]) -> Float32:
    """DCT-II, orthonormal as in JPEG, of blocks spread over the image: the coefficients ``wanted`` [8, 8], float32
    [blocks, n]."""
    rows, columns = luma.shape[0] // 8, luma.shape[1] // 8
    count = min(_BLOCKS, rows * columns)
    chosen = np.linspace(0, rows * columns - 1, count).astype(np.intp)  # a step of 1 or more: none twice
    tops, lefts = chosen // columns * 8, chosen % columns * 8
    at = np.arange(8)
    blocks = luma[tops[:, None, None] + at[:, None], lefts[:, None, None] + at].reshape(count, 64).astype(np.float32)
    cosines = np.cos(np.pi * np.outer(at, 2 * at + 1) / 16) / 2
    cosines[0] /= np.sqrt(2)
    both = np.kron(cosines, cosines)[wanted.ravel()].astype(np.float32)  # [n, 64]: down, then across
    return np.asarray((blocks - 128) @ both.T, np.float32)
