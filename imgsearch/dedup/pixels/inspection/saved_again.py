"""Detects whether of two images of one size one was saved again as the other, by the steps of the JPEG.

A JPEG keeps its cosine coefficients as multiples of the steps in its table. An image that was decoded from it and
saved again, more gently, still has coefficients near those multiples; the source of that JPEG has them anywhere (Fan
and de Queiroz, 2003). And a JPEG's coefficients lie within half a step of those of the image that was saved: another
shot of the same scene has its own noise, and many of its coefficients lie further away.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from imgsearch.records import Float32, UInt8

_BLOCKS = 1500
_LEAST_STEP = 5  # of a coefficient: rounding of pixels blurs smaller ones
_LEAST_SEEN = 150  # nonzero coefficients
_CLOSE = 0.2
"""Mean distance to the nearest multiple, in steps: 0.24 to 0.26 in the sources of nine photographs saved at quality 60
to 90; 0.05 to 0.18 in images that were decoded from these and saved as JPEG of quality 97 or WebP of 95."""

MOST_UNEXPLAINED = 0.0175
"""`share_unexplained` of another shot: 28 photographs as JPEG of 75 to 93 have up to 0.011; other frames of them, as
JPEG of 85 to 93, have 0.03 and more with noise of 1.5 steps of lightness, 0.09 and more with 3. An image that was saved
twice has 0.1 and more: it cannot be told from another shot, and stays."""

_LARGEST_STEP = 12
_SLACK = 1.5  # of a coefficient, for the rounding of both images' pixels
_LEAST_COMPARED = 2000
_DARKEST, _LIGHTEST = 4, 251


def was_made_of(luma: UInt8, steps: Sequence[int]) -> bool:
    """Whether lightness uint8 [h, w] shows the traces of a JPEG with the table ``steps`` (64 numbers, row by row).
    False if there is too little to see. 3 ms."""
    coefficients = _blocks(luma) @ _basis(tuple(steps))  # [blocks, n]
    told = coefficients[np.abs(coefficients) > 0.6]
    if len(told) < _LEAST_SEEN:
        return False
    return float(np.abs(told - np.round(told)).mean()) < _CLOSE


def share_unexplained(source: UInt8, saved: UInt8, steps: Sequence[int]) -> float:
    """Of the coefficients with small steps, the share that lies further from the source's than saving it as a JPEG with
    the table ``steps`` explains; 0 if there is too little to see. Two images uint8 [h, w] of one size. 6 ms."""
    basis = _basis(tuple(steps), 1, _LARGEST_STEP)
    pair = [_blocks(luma) for luma in (source, saved)]
    ends = np.concatenate(pair, axis=1)
    unclipped = (ends.min(axis=1) > _DARKEST - 128) & (ends.max(axis=1) < _LIGHTEST - 128)
    first, second = (blocks[unclipped] @ basis for blocks in pair)
    if first.size < _LEAST_COMPARED:
        return 0.0
    towards = np.sign(np.round(second))
    first = first * np.float32((first * second).sum() / max(float((first * first).sum()), 1e-6))  # a slight contrast
    towards = np.sign(np.round(second))
    beyond = np.where(towards == 0, -np.abs(first), towards * (second - first))  # further from zero than the source
    slack = np.float32(_SLACK) / _steps_of(tuple(steps), 1, _LARGEST_STEP)
    away = (beyond > 0.5 + slack) | (beyond < -1 - slack)  # encoders that save bytes round towards zero
    return float(away.mean())


@lru_cache(maxsize=64)
def _basis(steps: tuple[int, ...], least: int = _LEAST_STEP, most: int = 255) -> Float32:
    """DCT-II, orthonormal as in JPEG, of a block of 64 pixels in steps of a JPEG's table: float32 [64, n], for the n
    coefficients with a step from ``least`` to ``most``, without the mean."""
    table = np.asarray(steps, np.float32).reshape(8, 8)
    wanted = _wanted(steps, least, most)
    at = np.arange(8)
    cosines = np.cos(np.pi * np.outer(at, 2 * at + 1) / 16) / 2
    cosines[0] /= np.sqrt(2)
    both = np.kron(cosines, cosines)[wanted.ravel()]  # [n, 64]: down, then across
    return np.ascontiguousarray((both / table[wanted][:, None]).T, np.float32)


def _steps_of(steps: tuple[int, ...], least: int, most: int) -> Float32:
    """The steps of `_basis`'s coefficients."""
    return np.asarray(steps, np.float32)[_wanted(steps, least, most).ravel()]


def _wanted(steps: tuple[int, ...], least: int, most: int) -> NDArray[np.bool_]:
    table = np.asarray(steps).reshape(8, 8)
    wanted = np.asarray((table >= least) & (table <= most))
    wanted[0, 0] = False
    return wanted


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
