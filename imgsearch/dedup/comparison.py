"""Are two pictures copies of each other? Decided by the largest local difference, not by the mean.

A copy that was compressed again or resized differs a little everywhere; the next frame of a fixed camera is the same
everywhere but in one place. So the second picture is turned, its lightness is brought to the first's by a smooth
monotone curve (brightness, contrast and gamma are no difference), and what is left is judged where it is largest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imgsearch.dedup.alignment import Alignment, align
from imgsearch.records import Float32, UInt8

SIGNATURE_BYTES = 1536
LUMA_SIDE = 32
CHROMA_SIDE = 16

HASH_RADIUS = 10
"""Bits of the pHash in which a copy may differ at its turn; candidates for `compare_signatures`."""

COPY_DIFFERENCE = 0.06
"""Largest local difference of lightness, of 1, that a copy may have in its signature."""

FINE_DIFFERENCE = 0.10
"""The same at `FINE_SIDE` pixels."""

FINE_SIDE = 256
"""Pixels of the longer side at which `confirm` looks."""

_LEAST_CORRELATION = 0.97
_GAIN = 3.0
_CHUNK = 1024
_EDGE_SHARE = 0.25

_TURNS = {
    1: lambda a: a,
    2: lambda a: a[..., ::-1],
    3: lambda a: a[..., ::-1, ::-1],
    4: lambda a: a[..., ::-1, :],
    5: lambda a: a.swapaxes(-1, -2),
    6: lambda a: a.swapaxes(-1, -2)[..., ::-1],
    7: lambda a: a[..., ::-1, ::-1].swapaxes(-1, -2),
    8: lambda a: a.swapaxes(-1, -2)[..., ::-1, :],
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """n pairs compared. ``difference`` float32 [n], 0..1: the largest local difference of lightness or colour once
    lightness is mapped; ``score`` float32 [n], 0..1, 0.5 where the decision changes; ``is_copy`` bool [n]."""

    difference: Float32
    score: Float32
    is_copy: NDArray[np.bool_]


def turned(planes: NDArray[Any], turn: int) -> NDArray[Any]:
    """``planes`` [..., h, w] turned as a reader turns a picture whose EXIF orientation is ``turn``, 1-8."""
    view: NDArray[Any] = _TURNS[turn](planes)
    return view


def compare_signatures(first: UInt8, second: UInt8, turns: UInt8) -> Comparison:
    """Compare signatures uint8 [n, 1536] pair by pair; ``turns`` uint8 [n] is the EXIF orientation (1-8) that makes
    the second look as the first. ValueError where shapes disagree. About 20 microseconds a pair, 40 MB at most."""
    if first.shape != second.shape or first.ndim != 2 or first.shape[1] != SIGNATURE_BYTES or len(turns) != len(first):
        raise ValueError(f"got {first.shape}, {second.shape} and {np.shape(turns)}, expected two [n, 1536] and [n]")
    difference = np.empty(len(first), np.float32)
    alike = np.empty(len(first), np.bool_)
    for start in range(0, len(first), _CHUNK):
        part = slice(start, start + _CHUNK)
        difference[part], alike[part] = _compare_block(first[part], second[part], np.asarray(turns[part]))
    return Comparison(difference, _score(difference / COPY_DIFFERENCE, alike), alike & (difference < COPY_DIFFERENCE))


def compare_pictures(first: Image.Image, second: Image.Image) -> Alignment:
    """Where and how one of two upright pictures shows the other, at 256 px: see `Alignment`. About 100 ms."""
    return align(first, second)


def confirm(first: Image.Image, second: Image.Image, turn: int) -> Comparison:
    """The finer check of one pair that `compare_signatures` calls a copy: the same at `FINE_SIDE` pixels, where things
    too small for a signature show. Upright pictures of any size (within 512 px is enough). n = 1; about 10 ms."""
    size = _fine_size(first)
    luma, chroma = _planes(first, size)
    other, other_chroma = _planes(second if turn == 1 else second.transpose(_METHODS[turn]), size)
    difference, alike = _differ(luma[None], other[None], chroma[None], other_chroma[None])
    return Comparison(difference, _score(difference / FINE_DIFFERENCE, alike), alike & (difference < FINE_DIFFERENCE))


_METHODS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _fine_size(image: Image.Image) -> tuple[int, int]:
    scale = FINE_SIDE / max(image.size)
    return max(16, round(image.width * scale)), max(16, round(image.height * scale))


def _planes(image: Image.Image, size: tuple[int, int]) -> tuple[Float32, Float32]:
    ycc = image.convert("RGB").resize(size, Image.Resampling.LANCZOS).convert("YCbCr")
    planes = np.moveaxis(np.asarray(ycc, np.float32), -1, 0)
    return planes[0], planes[1:]


def _compare_block(first: UInt8, second: UInt8, turns: UInt8) -> tuple[Float32, NDArray[np.bool_]]:
    n = len(first)
    luma, chroma = _split(first)
    other, other_chroma = _split(second)
    for turn in range(2, 9):
        those = np.flatnonzero(turns == turn)
        if len(those):
            other[those] = turned(other[those], turn)
            other_chroma[those] = turned(other_chroma[those], turn)
    assert luma.shape == (n, LUMA_SIDE, LUMA_SIDE)
    return _differ(luma, other, chroma, other_chroma)


def _split(signatures: UInt8) -> tuple[Float32, Float32]:
    n, luma_bytes = len(signatures), LUMA_SIDE * LUMA_SIDE
    luma = signatures[:, :luma_bytes].reshape(n, LUMA_SIDE, LUMA_SIDE).astype(np.float32)
    chroma = signatures[:, luma_bytes:].reshape(n, 2, CHROMA_SIDE, CHROMA_SIDE).astype(np.float32)
    return luma, chroma


def _differ(x: Float32, y: Float32, x_chroma: Float32, y_chroma: Float32) -> tuple[Float32, NDArray[np.bool_]]:
    """(largest local difference [n], whether correlation and contrast allow a copy [n])."""
    n = len(x)
    mapped, correlation, gain = _map_lightness(x.reshape(n, -1), y.reshape(n, -1))
    rest = np.abs(x - mapped.reshape(x.shape)) - _EDGE_SHARE * _edges(x)
    local = rest.reshape(n, -1).max(axis=1)
    colour = np.abs(x_chroma - y_chroma).reshape(n, -1).max(axis=1)
    difference = np.maximum(local, 0.0) / 255
    alike = (correlation > _LEAST_CORRELATION) & (gain < _GAIN) & (gain > 1 / _GAIN) & (colour < 60)
    return difference.astype(np.float32), alike


def _map_lightness(x: Float32, y: Float32) -> tuple[Float32, Float32, Float32]:
    """``y`` [n, p] brought to ``x`` by the cubic that fits best: (mapped [n, p], correlation [n], gain [n])."""
    mean, spread = y.mean(axis=1, keepdims=True), y.std(axis=1, keepdims=True) + 1e-3
    t = (y - mean) / spread
    design = np.stack([np.ones_like(t), t, t * t, t * t * t], axis=-1)  # [n, p, 4]
    normal = design.transpose(0, 2, 1) @ design
    normal += 1e-3 * t.shape[1] * np.eye(4, dtype=np.float32)
    weights = np.linalg.solve(normal, design.transpose(0, 2, 1) @ x[..., None])
    mapped = (design @ weights)[..., 0]
    x0 = x - x.mean(axis=1, keepdims=True)
    m0 = mapped - mapped.mean(axis=1, keepdims=True)
    norms = np.sqrt((x0 * x0).sum(1) * (m0 * m0).sum(1)) + 1e-3
    correlation = (x0 * m0).sum(1) / norms * np.sign((x0 * t).sum(1))
    return mapped, correlation, x.std(axis=1) / spread[:, 0]


def _edges(x: Float32) -> Float32:
    """How much lightness changes from each cell to the four beside it, at most: [n, h, w]."""
    out = np.zeros_like(x)
    down, across = np.abs(np.diff(x, axis=1)), np.abs(np.diff(x, axis=2))
    np.maximum(out[:, 1:], down, out=out[:, 1:])
    np.maximum(out[:, :-1], down, out=out[:, :-1])
    np.maximum(out[:, :, 1:], across, out=out[:, :, 1:])
    np.maximum(out[:, :, :-1], across, out=out[:, :, :-1])
    return out


def _score(ratio: Float32, alike: NDArray[np.bool_]) -> Float32:
    """1 at no difference, 0.5 at the limit, towards 0 beyond it; never over 0.5 where something else speaks against."""
    score = 1 / (1 + ratio.astype(np.float32) ** 3)
    return np.where(alike, score, np.minimum(score, 0.49)).astype(np.float32)
