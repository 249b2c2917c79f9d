"""Brute force over every token of every image: the oracle, and the search of a library without a snapshot.

Two passes. The sweep scores everything once in float32, block by block, as fast as memory allows; its last
bits depend on BLAS, on the block and on Q. So it only shortlists: whatever could still be among the k best,
given the worst rounding, is scored again in float64, one image at a time, and only that score decides and
is returned."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgsearch.index.contract import Allowed, VectorRows
from imgsearch.index.rows import TIE, best_over_tokens, rank_order
from imgsearch.records import Candidates, Float32, Int64

BLOCK_VALUES = 1 << 18
"""Values a block of the sweep: 32 images of 32 x 256, 1 MiB as float32, which stays in the L2 cache. One
EPYC core, 20,000 images: 0.13 s with 4 images a block, 0.09 with 16, 0.07 with 32 to 256, 0.15 with 1,024.
From 64 on OpenBLAS shares out each product; with its two threads on two cores that others used too, the
same search took 2.4 s."""

COARSE_VALUES = 1 << 24
"""Scores held at once, 64 MiB: decides how many of the Q texts one sweep serves."""

RESCORE_SLOTS = 256
"""Images scored again at once: 16 MiB in float64 at 32 x 256."""

GATHER_SHARE = 0.1
"""Up to this share of allowed images their rows are fetched one by one instead of sweeping everything: a
gather takes 20 us an image, the sweep 3.5 (same machine, vectors in the page cache)."""

HALF_TO_FLOAT = np.float32(2.0**112)
"""float32's exponent bias less float16's, 127 - 15, as a factor."""


SIGN_EXPONENT_FRACTION = np.int32(0x8FFFE000 - (1 << 32))
"""Of a widened float16: its sign, 5 bits of exponent, 10 bits of fraction, where float32 has them."""


class ExactIndex:
    """``CandidateIndex`` by brute force. ``tie_keys`` int64 [N] breaks ties (image ids); the slots
    themselves if None. Cost: one read of all vectors for each group of texts; memory: about 100 MiB
    whatever N is, plus 4 bytes an image and text. "Exact" is exact on the stored vectors: float16 storage
    moves a score by less than 5e-4."""

    def __init__(self, rows: VectorRows, tie_keys: Int64 | None = None) -> None:
        if tie_keys is not None and tie_keys.shape != (rows.slots,):
            raise ValueError(f"got tie keys of shape {tie_keys.shape}, expected [{rows.slots}]")
        self._rows = rows
        self._tie_keys = np.arange(rows.slots, dtype=np.int64) if tie_keys is None else tie_keys.astype(np.int64)

    def search(self, texts: Float32, k: int, allowed: Allowed | None = None) -> Candidates:
        """See ``CandidateIndex.search``."""
        texts = self._check(texts, k)
        columns = self._allowed_slots(allowed)  # None = every slot
        slots = np.full((len(texts), k), -1, np.int64)
        scores = np.full((len(texts), k), -np.inf, np.float32)
        width = self._rows.slots if columns is None else len(columns)
        if width == 0 or k == 0:
            return Candidates(slots, scores)
        group = max(1, COARSE_VALUES // width)
        for first in range(0, len(texts), group):
            part = texts[first : first + group]
            coarse = self._coarse(part, columns)
            for offset, text in enumerate(part):
                best, exact = self._pick(coarse[offset], columns, text, k)
                slots[first + offset, : len(best)] = best
                scores[first + offset, : len(best)] = exact
        return Candidates(slots, scores)

    def _check(self, texts: Float32, k: int) -> Float32:
        if texts.ndim != 2 or texts.shape[1] != self._rows.dims:
            raise ValueError(f"got texts of shape {texts.shape}, expected [queries, {self._rows.dims}]")
        if k < 0:
            raise ValueError(f"got k = {k}, expected 0 or more")
        return np.ascontiguousarray(texts, np.float32)

    def _allowed_slots(self, allowed: Allowed | None) -> Int64 | None:
        total = self._rows.slots
        if allowed is None:
            return None
        if allowed.dtype == np.bool_:
            if allowed.shape != (total,):
                raise ValueError(f"got a mask of shape {allowed.shape}, expected [{total}]")
            return None if bool(allowed.all()) else np.flatnonzero(allowed).astype(np.int64)
        slots: Int64 = np.unique(allowed.astype(np.int64))
        if len(slots) and (slots[0] < 0 or slots[-1] >= total):
            raise ValueError(f"got allowed slots {slots[0]}..{slots[-1]}, expected 0..{total - 1}")
        return slots

    def _coarse(self, texts: Float32, columns: Int64 | None) -> Float32:
        """Float32 scores of ``texts`` [q, D] with the slots of ``columns``. -> [q, len(columns) or N]."""
        rows = self._rows
        if columns is not None and len(columns) <= GATHER_SHARE * rows.slots:
            coarse = np.empty((len(texts), len(columns)), np.float32)
            for first in range(0, len(columns), RESCORE_SLOTS):
                part = slice(first, first + RESCORE_SLOTS)
                coarse[:, part] = _maxima(rows.read(columns[part]), texts)
            return coarse
        coarse = np.full((len(texts), rows.slots), -np.inf, np.float32)  # stays so where a slot is missing
        sweep = _Sweep(texts)
        for first, block in rows.blocks(max(1, BLOCK_VALUES // (rows.query_tokens * rows.dims))):
            coarse[:, first : first + len(block)] = sweep.score(block)
        return coarse if columns is None else coarse[:, columns]

    def _pick(self, coarse: Float32, columns: Int64 | None, text: Float32, k: int) -> tuple[Int64, Float32]:
        """The best k of one text: shortlist by ``coarse`` [M], score again, order."""
        comparable = np.where(np.isfinite(coarse), coarse, np.float32(-np.inf))
        while count := min(k, int(np.count_nonzero(comparable > -np.inf))):
            kth = len(comparable) - count
            threshold = np.partition(comparable, kth)[kth] - self._margin(text)
            chosen = np.flatnonzero(comparable >= threshold)
            slots = chosen.astype(np.int64) if columns is None else columns[chosen]
            exact = self._rescore(slots, text)
            damaged = ~np.isfinite(exact)
            if damaged.any():  # a row that holds NaN or infinity is never an answer, nor hides one
                comparable[chosen[damaged]] = -np.inf
                continue
            order = rank_order(exact, self._tie_keys[slots])[:count]
            return slots[order], exact[order].astype(np.float32)
        return np.empty(0, np.int64), np.empty(0, np.float32)

    def _rescore(self, slots: Int64, text: Float32) -> NDArray[np.float64]:
        parts = [slots[first : first + RESCORE_SLOTS] for first in range(0, len(slots), RESCORE_SLOTS)]
        return np.concatenate([best_over_tokens(self._rows.read(part), text) for part in parts])

    def _margin(self, text: Float32) -> np.float32:
        """How far below the k-th coarse score a true k-th can hide: one rounding step of the order, plus
        twice the worst error of a float32 inner product, D * 2**-24 * |row| * |text| (Higham, Accuracy and
        Stability, 3.1)."""
        error = self._rows.dims * 2.0**-24 * 1.01 * float(np.linalg.norm(text))  # 1.01: rows stored in float16
        return np.float32(TIE + 2 * error)


def _maxima(vectors: Float32, texts: Float32) -> Float32:
    """Maximum over tokens of ``vectors`` [n, T, D] with ``texts`` [q, D]. -> [q, n]."""
    n, tokens, dims = vectors.shape
    products = vectors.reshape(n * tokens, dims) @ texts.T  # [n * T, q]
    best: Float32 = products.reshape(n, tokens, len(texts)).max(axis=1).T
    return best


class _Sweep:
    """Scores stored blocks with buffers that are used again for every block.

    float16 becomes float32 by moving bits: widened to int32 with its sign, shifted so that its 5 + 10 bits
    lie where float32 has exponent and fraction, the copies of the sign masked off. What comes out is the
    value times 2**-112, subnormals included; the factor goes into the texts. Measured against
    ndarray.astype on a core with F16C: 0.06 s for 0.35 s over 20,000 x 32 x 256 values. Infinities and NaN
    come out as large numbers: embeddings hold none, and the second pass, which reads true values, drops
    them."""

    def __init__(self, texts: Float32) -> None:
        self._plain = texts
        self._shifted = self._plain * HALF_TO_FLOAT
        self._buffer = np.empty(0, np.int32)

    def score(self, block: NDArray[Any]) -> Float32:
        """Float32 scores of ``block`` [n, T, D]. -> [q, n]."""
        if block.dtype == np.float16:
            return _maxima(self._widen(block), self._shifted)
        return _maxima(np.ascontiguousarray(block, np.float32), self._plain)

    def _widen(self, block: NDArray[Any]) -> Float32:
        if self._buffer.size < block.size:
            self._buffer = np.empty(block.size, np.int32)
        bits = self._buffer[: block.size].reshape(block.shape)
        np.copyto(bits, block.view(np.int16))
        np.left_shift(bits, 13, out=bits)
        np.bitwise_and(bits, SIGN_EXPONENT_FRACTION, out=bits)
        return bits.view(np.float32)
