"""A snapshot's candidates and every newer image, scored exactly."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from imgsearch.index.contract import Allowed, VectorRows
from imgsearch.index.exact import ExactIndex
from imgsearch.index.first_stage import FirstStage
from imgsearch.index.scoring import Scorer
from imgsearch.records import Candidates, Float32, Int64

FEWEST_CANDIDATES = 1000
CANDIDATES_A_ROOT = 3.0
"""A snapshot of N slots names 3 sqrt(N) candidates, at least 1,000, whatever k is. benchmarks/search.py: recall@10 .99
asks for 100 candidates of 10,000 images, 180 of 30,000, 290 of 100,000 and 2,300 of 1,000,000; 1,000 of 100,000 hold
.999, 3,000 of 1,000,000 hold .993."""

EXACT_SHARE = 0.02
"""Up to this share of allowed images, and always up to the number of candidates, every allowed image is scored exactly:
it costs less than the lists that would have to be looked into (1 % of a million images: 50 ms on a busy machine)."""


def candidate_count(covered: int) -> int:
    """How many candidates a snapshot of ``covered`` slots names: a property of the snapshot, not of the question."""
    return max(FEWEST_CANDIDATES, round(CANDIDATES_A_ROOT * math.sqrt(covered)))


class SnapshotIndex:
    """``CandidateIndex`` over ``rows``. ``present`` bool [slots]: which slots exist and may answer at all; ``tie_keys``
    as for ``ExactIndex``.

    An answer is the exact order, by the exact scores, of a pool: ``candidates`` images that the first stage names
    (None: `candidate_count`) and every image of the tail, that is of the slots from ``first_stage.stop`` on. The pool
    does not depend on k, so k = 5 is the beginning of k = 50; behind the pool come all other allowed images in exact
    order (one sweep). An image that the first stage misses is absent from the pool (recall: benchmarks/search.py). The
    answers change with the snapshot only: the same before and after a restart."""

    def __init__(
        self,
        rows: VectorRows,
        first_stage: FirstStage,
        tie_keys: Int64 | None = None,
        present: NDArray[np.bool_] | None = None,
        *,
        candidates: int | None = None,
        exact_share: float = EXACT_SHARE,
    ) -> None:
        if present is not None and present.shape != (rows.slots,):
            raise ValueError(f"got a mask of present slots of shape {present.shape}, expected [{rows.slots}]")
        self._scorer = Scorer(rows, tie_keys)
        self._exact = ExactIndex(rows, tie_keys)
        self._first_stage = first_stage
        self._present = np.ones(rows.slots, np.bool_) if present is None else present.copy()
        self._covered = min(first_stage.stop, rows.slots)
        self._whole = bool(self._present[: self._covered].all())
        self._candidates = candidate_count(first_stage.stop) if candidates is None else candidates
        self._exact_limit = max(self._candidates, int(exact_share * int(np.count_nonzero(self._present))))

    @property
    def exact_limit(self) -> int:
        """Up to so many allowed images, each is compared and the snapshot is not asked."""
        return self._exact_limit

    def search(self, texts: Float32, k: int, allowed: Allowed | None = None) -> Candidates:
        """See ``CandidateIndex.search``; "the k best" are those of the pool, see the class."""
        texts = self._scorer.checked(texts, k)
        slots = self._scorer.allowed_slots(allowed)
        mask = self._present
        if slots is not None:
            mask = np.zeros_like(self._present)
            mask[slots] = self._present[slots]
        total = int(np.count_nonzero(mask))
        if total <= self._exact_limit or k == 0:
            return self._exact.search(texts, k, mask)
        unfiltered = total == len(self._present) or (slots is None and self._whole)
        found = np.full((len(texts), k), -1, np.int64)
        scores = np.full((len(texts), k), -np.inf, np.float32)
        for place, text in enumerate(texts):
            best, exact = self._answer(text, k, mask, total, unfiltered)
            found[place, : len(best)], scores[place, : len(best)] = best, exact
        return Candidates(found, scores)

    def _answer(
        self, text: Float32, k: int, mask: NDArray[np.bool_], total: int, unfiltered: bool
    ) -> tuple[Int64, Float32]:
        keep = None if unfiltered else mask[: self._covered]
        if keep is not None and len(keep) < self._first_stage.stop:  # published after the rows were looked at
            keep = np.pad(keep, (0, self._first_stage.stop - len(keep)))
        named = np.sort(self._first_stage.candidates(text, self._candidates, keep))
        named = named[named < self._covered]
        named = named[mask[named]]
        tail = self._covered + np.flatnonzero(mask[self._covered :]).astype(np.int64)
        pool = np.concatenate([named, tail])
        coarse = [self._scorer.coarse(text[None], part)[0] for part in (named, tail)]
        best, exact = self._scorer.pick(np.concatenate(coarse), pool, text, k)
        if len(best) == k or len(pool) == total:
            return best, exact
        rest = mask.copy()
        rest[pool] = False
        more = self._exact.search(text[None], min(k - len(best), total - len(pool)), rest)
        known = more.slots[0] >= 0
        return np.concatenate([best, more.slots[0][known]]), np.concatenate([exact, more.scores[0][known]])
