"""Exact scores of any slots, and the best of them in the common order. Every index answers with these.

There are two passes. The first scores everything in float32, block by block, as fast as memory allows. Its last bits
depend on BLAS, the block size and Q, so it only makes a shortlist: whatever could still be among the k best, given the
worst rounding. The second pass scores the shortlist in float64, one image at a time. Only these scores decide and are
returned.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from imgsearch.index.contract import Allowed, VectorRows
from imgsearch.index.rows import TIE, best_over_tokens, rank_order
from imgsearch.index.sweep import BLOCK_VALUES, Sweep
from imgsearch.records import Float32, Int64
from imgsearch.settings import available_cores

COARSE_VALUES = 1 << 24
"""Scores held at once, 64 MiB. It decides how many of the Q texts share a sweep."""

RESCORE_SLOTS = 256
"""Images rescored at once: 16 MiB in float64 at 32 x 256."""

GATHER_SLOTS = 64
"""Images fetched at once: 1 MiB as stored. 500 scattered images of 32 x 256 float16 in the page cache, one EPYC core:
7.3 us an image with 32, 4.9 with 64, 7 to 14 with 256, whose copies leave the L2 cache before they are scored."""

GATHER_SHARE = 0.3
"""Up to this share of the slots between the first and the last one asked for, rows are fetched one by one instead of in
a sweep. Fetching takes 5 us an image, sweeping 3.5 us (float16) or 2.3 us (int8), in whole blocks."""

THREADS = min(8, available_cores())
"""Threads of one sweep or gather. NumPy releases the GIL while it copies and multiplies."""

SLOTS_A_THREAD = 256
"""Fewer slots than this do not justify a thread: starting one takes about 0.1 ms, scoring the slots about 1 ms."""


class Scorer:
    """Scores slots of ``rows`` exactly. Ties are ordered by ``tie_keys`` int64 [N] (None: the slots themselves).
    Thread-safe. Memory: about 100 MiB whatever N is, plus 4 bytes an image and text."""

    def __init__(self, rows: VectorRows, tie_keys: Int64 | None = None) -> None:
        if tie_keys is not None and tie_keys.shape != (rows.slots,):
            raise ValueError(f"got tie keys of shape {tie_keys.shape}, expected [{rows.slots}]")
        self.rows = rows
        self._tie_keys = np.arange(rows.slots, dtype=np.int64) if tie_keys is None else tie_keys.astype(np.int64)

    def checked(self, texts: Float32, k: int) -> Float32:
        """``texts`` as contiguous float32 [Q, D]. Raises ValueError for another shape or a negative ``k``."""
        if texts.ndim != 2 or texts.shape[1] != self.rows.dims:
            raise ValueError(f"got texts of shape {texts.shape}, expected [queries, {self.rows.dims}]")
        if k < 0:
            raise ValueError(f"got k = {k}, expected 0 or more")
        return np.ascontiguousarray(texts, np.float32)

    def allowed_mask(self, allowed: Allowed | None) -> NDArray[np.bool_] | None:
        """bool [N]: the allowed slots; None means every slot. Not to be written to. Raises ValueError for a mask of
        another length or an unknown slot."""
        total = self.rows.slots
        if allowed is None:
            return None
        if allowed.dtype == np.bool_:
            mask = np.asarray(allowed, np.bool_)
        else:
            if len(allowed) and (allowed.min() < 0 or allowed.max() >= total):
                raise ValueError(f"got allowed slots {allowed.min()}..{allowed.max()}, expected 0..{total - 1}")
            mask = np.zeros(total, np.bool_)
            mask[allowed] = True
        if mask.shape != (total,):
            raise ValueError(f"got a mask of shape {mask.shape}, expected [{total}]")
        return None if bool(mask.all()) else mask

    def allowed_slots(self, allowed: Allowed | None) -> Int64 | None:
        """The slots of `allowed_mask`, ascending; None means every slot."""
        mask = self.allowed_mask(allowed)
        return None if mask is None else np.flatnonzero(mask).astype(np.int64, copy=False)

    def coarse(self, texts: Float32, slots: Int64 | None) -> Float32:
        """float32 [q, len(slots) or N]: approximate scores of ``texts`` [q, D] with ``slots`` (ascending; None: all),
        -inf where a slot is missing."""
        if slots is None:
            return self._swept(texts, 0, self.rows.slots)
        if not len(slots):
            return np.empty((len(texts), 0), np.float32)
        first, stop = int(slots[0]), int(slots[-1]) + 1
        if len(slots) > GATHER_SHARE * (stop - first) and len(slots) > RESCORE_SLOTS:
            return self._swept(texts, first, stop)[:, slots - first]
        return self._gathered(texts, slots)

    def pick(self, coarse: Float32, slots: Int64 | None, text: Float32, k: int) -> tuple[Int64, Float32]:
        """The best k of one text, (slots, scores), both [<= k]: shortlist by ``coarse`` [M], rescore, order."""
        comparable = np.where(np.isfinite(coarse), coarse, np.float32(-np.inf))
        while count := min(k, int(np.count_nonzero(comparable > -np.inf))):
            kth = len(comparable) - count
            threshold = np.partition(comparable, kth)[kth] - self._margin(text)
            chosen = np.flatnonzero(comparable >= threshold)
            found = chosen.astype(np.int64) if slots is None else slots[chosen]
            exact = self._rescored(found, text)
            damaged = ~np.isfinite(exact)
            if damaged.any():  # a row with NaN or infinity is no answer, and must not hide one
                comparable[chosen[damaged]] = -np.inf
                continue
            order = rank_order(exact, self._tie_keys[found])[:count]
            return found[order], exact[order].astype(np.float32)
        return np.empty(0, np.int64), np.empty(0, np.float32)

    def _swept(self, texts: Float32, first: int, stop: int) -> Float32:
        """Scores of every slot from ``first`` to ``stop``; each thread does a stripe."""
        coarse = np.full((len(texts), stop - first), -np.inf, np.float32)
        block_slots = max(1, BLOCK_VALUES // (self.rows.query_tokens * self.rows.dims))

        def stripe(low: int, high: int) -> None:
            sweep = Sweep(texts)
            for at, block, scale in self.rows.stored_blocks(block_slots, low, high):
                coarse[:, at - first : at - first + len(block)] = sweep.score(block, scale)

        _shared([(first + low, first + high) for low, high in _stripes(stop - first)], stripe)
        return coarse

    def _gathered(self, texts: Float32, slots: Int64) -> Float32:
        coarse = np.empty((len(texts), len(slots)), np.float32)

        def stripe(low: int, high: int) -> None:
            sweep = Sweep(texts)
            for at in range(low, high, GATHER_SLOTS):
                for positions, block, scale in self.rows.read_stored(slots[at : min(high, at + GATHER_SLOTS)]):
                    coarse[:, at + positions.start : at + positions.stop] = sweep.score(block, scale)

        _shared(_stripes(len(slots)), stripe)
        return coarse

    def _rescored(self, slots: Int64, text: Float32) -> NDArray[np.float64]:
        parts = [slots[first : first + RESCORE_SLOTS] for first in range(0, len(slots), RESCORE_SLOTS)]
        return np.concatenate([best_over_tokens(self.rows.read(part), text) for part in parts])

    def _margin(self, text: Float32) -> np.float32:
        """How far below the k-th coarse score a true member of the best k may lie: one rounding step of the order, plus
        twice the worst error of a float32 inner product, D * 2**-24 * |row| * |text| (Higham, Accuracy and Stability,
        3.1)."""
        error = self.rows.dims * 2.0**-24 * 1.01 * float(np.linalg.norm(text))  # 1.01: float16 lengthens rows
        return np.float32(TIE + 2 * error)


def _stripes(count: int) -> list[tuple[int, int]]:
    """0..count split among as many threads as are worth starting."""
    parts = max(1, min(THREADS, count // SLOTS_A_THREAD))
    bounds = [count * part // parts for part in range(parts + 1)]
    return list(itertools.pairwise(bounds))


def _shared(stripes: Sequence[tuple[int, int]], work: Callable[[int, int], None]) -> None:
    """Do ``work`` on every stripe, on the first in this thread, and raise what any of them raised."""
    if len(stripes) == 1:
        work(*stripes[0])
        return
    from concurrent.futures import (
        ThreadPoolExecutor,
    )

    with ThreadPoolExecutor(len(stripes) - 1) as pool:
        others = [pool.submit(work, *stripe) for stripe in stripes[1:]]
        work(*stripes[0])
        for other in others:
            other.result()
