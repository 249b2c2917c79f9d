"""Which features an index run keeps of its own accord: those of the pictures most likely asked for.

With a large model on a CPU a re-rank has time for one picture without kept features, and for ten or twenty with them.
Features of all pictures take much disk (363 KB each with BLIP-2), so the newest are kept, as many as the budget holds.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

from imgsearch.records import MediaFacts
from imgsearch.storage.caches.features import FeatureStore, QuantisedFeatures
from imgsearch.wording import describe_size

_SHARE = 0.9
"""Of the budget: the rest is left to what searches keep, so that neither drives out the other at every picture."""


class LikelyFeatures:
    """Puts features into ``kept``: all of them where it keeps all; else those of the pictures taken last, until
    ``_SHARE`` of its budget is full, counted with what earlier runs and searches left there. A picture without a date
    counts as the oldest. ``say`` hears of the budget, once."""

    def __init__(self, kept: FeatureStore, say: Callable[[str], None]) -> None:
        self._kept, self._say = kept, say
        self._room = -1  # bytes left, not counted yet
        self._newest: list[tuple[str, str, int]] = []  # a heap: date, key and bytes of what this run put there

    def put(self, facts: MediaFacts, features: QuantisedFeatures) -> None:
        """Keep one picture's features, if it is among the newest that fit."""
        if self._kept.keeps_all:
            self._kept.put(facts.content_hash, features)
            return
        if self._room < 0:
            self._begin()
        size = features.steps.nbytes + features.scales.nbytes
        entry = (facts.taken_at or "", facts.content_hash, size)
        while self._room < size and self._newest and self._newest[0] < entry:
            _, key, freed = heapq.heappop(self._newest)
            self._kept.drop(key)
            self._room += freed
        if self._room >= size:
            heapq.heappush(self._newest, entry)
            self._kept.put(facts.content_hash, features)
            self._room -= size

    def _begin(self) -> None:
        budget = self._kept.budget_bytes or 0
        self._room = max(0, int(_SHARE * budget) - self._kept.size_bytes())
        self._say(
            f"for quick re-ranks the newest pictures' features are kept, up to {describe_size(budget)} of disk in all "
            "(features_mb); --features none keeps none"
        )
