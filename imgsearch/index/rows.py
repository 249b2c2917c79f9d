"""The maximum over an image's rows, and the order that all answers follow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgsearch.records import Float32, Int64

TIE = 1e-5
"""Scores that are equal after rounding to this are a tie. float32 sums over 256 dims differ by less."""


def rounded(scores: NDArray[np.floating[Any]]) -> Int64:
    """Scores as multiples of 1e-5, rounded half to even: int64 that decide the order."""
    return np.rint(np.asarray(scores, np.float64) / TIE).astype(np.int64)


def rank_order(scores: NDArray[np.floating[Any]], tie_keys: Int64) -> Int64:
    """Positions int64 [n] from best to worst: finite ``scores`` [n] rounded to 1e-5, descending, then ``tie_keys`` [n],
    ascending."""
    return np.lexsort((tie_keys, -rounded(scores))).astype(np.int64)


def best_over_tokens(vectors: Float32, text: Float32) -> NDArray[np.float64]:
    """The score of each image, float64 [n], from ``vectors`` [n, T, D] and ``text`` [D], summed in float64.

    Each image is one product [T, D] @ [D] whatever n is, so its score does not depend on the other images: BLAS uses
    other kernels, with other rounding, for other shapes.
    """
    products = np.matmul(vectors.astype(np.float64), text.astype(np.float64))  # [n, T]
    best: NDArray[np.float64] = products.max(axis=1)
    return best


class TokenRows:
    """`VectorRows` over one array [N, T, D], in memory or memory-mapped: float16, float32, or int8 with a scale."""

    def __init__(self, vectors: NDArray[Any], scale: float = 1.0) -> None:
        if vectors.ndim != 3:
            raise ValueError(f"got vectors of shape {vectors.shape}, expected [images, tokens, dims]")
        self._vectors = vectors
        if scale != 1.0 and vectors.dtype != np.int8:
            raise ValueError(f"got a scale of {scale} for {vectors.dtype} vectors, which have none")
        self._scale = scale
        self.slots, self.query_tokens, self.dims = (int(size) for size in vectors.shape)

    def stored_blocks(
        self, max_slots: int, first: int = 0, stop: int | None = None
    ) -> Iterator[tuple[int, NDArray[Any], float]]:
        stop = self.slots if stop is None else min(stop, self.slots)
        for start in range(first, stop, max_slots):
            yield start, self._vectors[start : min(stop, start + max_slots)], self._scale

    def read_stored(self, slots: Int64) -> Iterator[tuple[slice, NDArray[Any], float]]:
        yield slice(0, len(slots)), self._vectors[slots], self._scale

    def read(self, slots: Int64) -> Float32:
        return self._vectors[slots].astype(np.float32) * np.float32(self._scale)
