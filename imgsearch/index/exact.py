"""Brute force over every token of every image: the oracle, and the search of a library without a snapshot."""

from __future__ import annotations

import numpy as np

from imgsearch.index import scoring
from imgsearch.index.contract import Allowed, VectorRows
from imgsearch.index.scoring import Scorer
from imgsearch.records import Candidates, Float32, Int64


class ExactIndex:
    """``CandidateIndex`` by brute force. ``tie_keys`` int64 [N] breaks ties (image ids); the slots
    themselves if None. Cost: one read of all vectors for each group of texts; memory: about 100 MiB
    whatever N is, plus 4 bytes an image and text. "Exact" is exact on the stored vectors: float16 storage
    moves a score by less than 5e-4."""

    def __init__(self, rows: VectorRows, tie_keys: Int64 | None = None) -> None:
        self._rows = rows
        self._scorer = Scorer(rows, tie_keys)

    def search(self, texts: Float32, k: int, allowed: Allowed | None = None) -> Candidates:
        """See ``CandidateIndex.search``."""
        texts = self._scorer.checked(texts, k)
        columns = self._scorer.allowed_slots(allowed)  # None = every slot
        slots = np.full((len(texts), k), -1, np.int64)
        scores = np.full((len(texts), k), -np.inf, np.float32)
        width = self._rows.slots if columns is None else len(columns)
        if width == 0 or k == 0:
            return Candidates(slots, scores)
        group = max(1, scoring.COARSE_VALUES // width)
        for first in range(0, len(texts), group):
            part = texts[first : first + group]
            coarse = self._scorer.coarse(part, columns)
            for offset, text in enumerate(part):
                best, exact = self._scorer.pick(coarse[offset], columns, text, k)
                slots[first + offset, : len(best)] = best
                scores[first + offset, : len(best)] = exact
        return Candidates(slots, scores)
