"""Scores a snapshot's candidates and every newer image exactly."""

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
"""Of N images, all or those that a filter leaves, 3 sqrt(N) candidates are named, at least 1,000, whatever k is.
benchmarks/search.py: recall@10 of .99 needs 100 candidates for 10,000 images, 180 for 30,000, 290 for 100,000 and 2,300
for 1,000,000; with 1,000 candidates of 100,000 it is .999, with 3,000 of 1,000,000 it is .993."""

EXACT_MORE = 1000
"""If at most so many images more than candidates of all are allowed, each is scored exactly: 3.3 us an image, 8 where
its pages were not used before. To name the candidates of so few takes 6 ms of CPU in 200,000 images, 14 in a million;
then 1,000 are scored."""


def candidate_count(images: int) -> int:
    """How many candidates are named of so many images. It depends on nothing else of a query."""
    return max(FEWEST_CANDIDATES, round(CANDIDATES_A_ROOT * math.sqrt(images)))


class SnapshotIndex:
    """`CandidateIndex` over ``rows``. ``present`` bool [slots]: which slots exist. ``tie_keys`` as for `ExactIndex`.

    An answer is a pool in exact order, by exact scores. The pool holds at most ``candidates`` images that the first
    stage names (None: `candidate_count` of its slots; of what a filter leaves, if that is fewer) and every image of the
    tail, which are the slots from ``first_stage.stop`` on. The pool
    does not depend on k, so k = 5 is the beginning of k = 50. After the pool come all other allowed images in exact
    order (one sweep). An image that the first stage misses is not in the pool (recall: benchmarks/search.py). The
    answers depend on nothing but the snapshot, so they are the same after a restart.
    """

    def __init__(
        self,
        rows: VectorRows,
        first_stage: FirstStage,
        tie_keys: Int64 | None = None,
        present: NDArray[np.bool_] | None = None,
        *,
        candidates: int | None = None,
        exact_more: int = EXACT_MORE,
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
        self._exact_limit = self._candidates + exact_more

    @property
    def exact_limit(self) -> int:
        """Up to this many allowed images, each is scored without the snapshot."""
        return self._exact_limit

    def search(self, texts: Float32, k: int, allowed: Allowed | None = None) -> Candidates:
        """See `CandidateIndex.search`. "The k best" are those of the pool, as the class says."""
        texts = self._scorer.checked(texts, k)
        allowed = self._scorer.allowed_mask(allowed)
        mask = self._present if allowed is None else self._present & allowed
        total = int(np.count_nonzero(mask))
        if total <= self._exact_limit or k == 0:
            return self._exact.search(texts, k, mask)
        unfiltered = total == len(self._present) or (allowed is None and self._whole)
        found = np.full((len(texts), k), -1, np.int64)
        scores = np.full((len(texts), k), -np.inf, np.float32)
        for place, text in enumerate(texts):
            best, exact = self._answer(text, k, mask, total, unfiltered)
            found[place, : len(best)], scores[place, : len(best)] = best, exact
        return Candidates(found, scores)

    def _answer(
        self, text: Float32, k: int, mask: NDArray[np.bool_], total: int, unfiltered: bool
    ) -> tuple[Int64, Float32]:
        keep, count = None, self._candidates
        if not unfiltered:
            keep, count = mask[: self._covered], min(count, candidate_count(total))
        if keep is not None and len(keep) < self._first_stage.stop:  # published after the rows were read
            keep = np.pad(keep, (0, self._first_stage.stop - len(keep)))
        named = np.sort(self._first_stage.candidates(text, count, keep))
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
