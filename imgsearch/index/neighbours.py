"""The nearest of many unit vectors to each of many others: exact for few, with FAISS's inverted lists for many."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np

from imgsearch.records import Float32, Int64

EXACT_PRODUCTS = 4_000_000_000
"""Up to this many inner products are all computed: 60,000 against 60,000. With 256 dims that is 20 s of two cores."""

_BLOCK = 1 << 24  # inner products in memory at a time: 64 MB
_PROBES = 24
_TRAINED_ON = 64  # training vectors a list


class Neighbours:
    """``base`` float32 [N, D], rows of L2 norm 1 (or 0), prepared for look-ups. ``queries`` is the number of rows that
    will be looked up; it decides whether an index pays. Deterministic."""

    def __init__(self, base: Float32, queries: int) -> None:
        self._base = base
        self._index: Any = None
        if len(base) * queries > EXACT_PRODUCTS and find_spec("faiss") is not None:
            self._index = _inverted_lists(base)

    def nearest(self, queries: Float32, k: int) -> tuple[Int64, Float32]:
        """The rows of the k nearest and their inner products, int64 and float32 [m, k], nearest first, ties by row;
        padded with -1 and -inf. With inverted lists (more than `EXACT_PRODUCTS`) a few far neighbours may be missed."""
        k_there = min(k, len(self._base))
        rows = np.full((len(queries), k), -1, np.int64)
        scores = np.full((len(queries), k), -np.inf, np.float32)
        if not k_there:
            return rows, scores
        step = max(1, _BLOCK // len(self._base)) if self._index is None else 16_384
        for at in range(0, len(queries), step):
            part = slice(at, at + step)
            if self._index is None:
                rows[part, :k_there], scores[part, :k_there] = _exact(self._base, queries[part], k_there)
            else:
                found, places = self._index.search(np.ascontiguousarray(queries[part]), k_there)
                rows[part, :k_there], scores[part, :k_there] = places, np.where(places < 0, -np.inf, found)
        return rows, scores


def _exact(base: Float32, queries: Float32, k: int) -> tuple[Int64, Float32]:
    products = queries @ base.T  # [m, N]
    best = np.argpartition(-products, k - 1, axis=1)[:, :k] if k < len(base) else _all(products)
    scores = np.take_along_axis(products, best, axis=1)
    order = np.lexsort((best, -scores), axis=1)
    return np.take_along_axis(best, order, axis=1).astype(np.int64), np.take_along_axis(scores, order, axis=1)


def _all(products: Float32) -> Int64:
    return np.broadcast_to(np.arange(products.shape[1]), products.shape)


def _inverted_lists(base: Float32) -> Any:
    import faiss

    lists = int(4 * np.sqrt(len(base)))
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(base.shape[1]), base.shape[1], lists, faiss.METRIC_INNER_PRODUCT)
    index.cp.seed = 1
    sample = np.linspace(0, len(base) - 1, min(len(base), _TRAINED_ON * lists)).astype(np.int64)
    index.train(np.ascontiguousarray(base[sample]))
    index.add(np.ascontiguousarray(base))
    index.nprobe = _PROBES
    return index
