"""The index that answers: a library as of one commit, held open between queries."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from cachetools import LRUCache

from imgsearch.index import IndexOpener, open_at_home, rank_order
from imgsearch.records import Filters, Float32, Int64
from imgsearch.search.calibration import NO_BACKGROUND, ScoreBackground, evenly
from imgsearch.search.similarity import POOL, mean_vector, similarity
from imgsearch.storage import Store

FILTERS_KEPT = 8
"""Filters whose slots are kept: enough for the pages that a few people turn at the same time."""


@dataclass(frozen=True, slots=True)
class Nearest:
    """The best slots and their scores [n] for one request, and the background of the library for its text."""

    slots: Int64
    scores: Float32
    background: ScoreBackground


class OpenIndex:
    """The library as of one commit: its view, its index, and what both need computed once. Safe between threads.
    ``opener`` says where the index comes from. ``live`` bool [slots] and ``shown_slots`` int64 [n], ascending, name the
    images that answer by themselves: all but hidden ones, which only filters can ask for."""

    def __init__(self, store: Store, opener: IndexOpener = open_at_home) -> None:
        self._store = store
        self.view = store.view()
        self.index, self._note = opener(store, self.view)
        self.live = self.view.live_mask()
        hidden = self.view.slots_of_images(store.hidden_images())
        self.live[hidden] = False
        self.shown_slots = np.setdiff1d(self.view.live_slots, hidden, True) if len(hidden) else self.view.live_slots
        self._filtered: LRUCache[Filters, Int64] = LRUCache(FILTERS_KEPT)
        self._lock = threading.Lock()

    @property
    def note(self) -> str | None:
        """A sentence for the person about the index: of the last search, or else of its opening."""
        return getattr(self.index, "note", None) or self._note

    @cached_property
    def sample(self) -> Float32:
        """Vectors [n, T, D] of images spread evenly over the library, the background of every score."""
        return self.view.read(self.view.live_slots[evenly(self.view.count)])

    def nearest(self, texts: Float32, count: int, allowed: Int64 | None = None) -> list[Nearest]:
        """The ``count`` best slots (fewer where fewer are allowed) for each of ``texts`` [Q, D]. A smaller
        ``count`` gives the beginning of the same answer. Q texts at once cost less than one by one, since the vectors
        are read once."""
        total = len(self.shown_slots if allowed is None else allowed)
        best = self.index.search(texts, min(count, total), self.live if allowed is None else allowed)
        backgrounds = ScoreBackground.of_many(self.sample, texts)
        known = best.slots >= 0
        rows = zip(best.slots, best.scores, known, backgrounds, strict=True)
        return [Nearest(slots[real], scores[real], background) for slots, scores, real, background in rows]

    def alike(self, image: Float32, text: Float32 | None, count: int, allowed: Int64 | None = None) -> Nearest:
        """The ``count`` slots most like the tokens [T, D] of ``image``, by likeness, plus ITC with ``text`` [1, D] if
        there is one. The `POOL` nearest to the mean of its tokens (and the text) are compared token by token; behind
        them the order is the index's. Calibrations know no background for it."""
        vector = mean_vector(image)
        if text is not None:
            vector = mean_vector(np.concatenate([vector, text]))
        total = len(self.shown_slots if allowed is None else allowed)
        best = self.index.search(vector, min(max(count, POOL), total), self.live if allowed is None else allowed)
        slots, scores = best.slots[0][best.slots[0] >= 0], best.scores[0][best.slots[0] >= 0]
        tokens = self.view.read(slots[:POOL])
        alike = similarity(image, tokens)
        if text is not None:
            alike = alike + (tokens @ text[0]).max(axis=1)
        order = rank_order(alike, self.view.image_ids_of(slots[:POOL]))
        slots = np.concatenate([slots[:POOL][order], slots[POOL:]])
        scores = np.concatenate([alike[order], scores[POOL:]]).astype(np.float32)
        return Nearest(slots[:count], scores[:count], NO_BACKGROUND)

    def newest(self, count: int, allowed: Int64 | None = None) -> Nearest:
        """The slots of the last ``count`` images, the newest first. The order if nothing ranks them."""
        slots = self.shown_slots if allowed is None else allowed
        newest = slots[np.argsort(-self.view.image_ids_of(slots), kind="stable")][:count]
        return Nearest(newest, np.zeros(len(newest), np.float32), NO_BACKGROUND)

    def fitting_slots(self, filters: Filters) -> Int64:
        """Slots, ascending, of the images that pass the filters. The answers for the latest few filters are kept."""
        with self._lock:
            known = self._filtered.get(filters)
        if known is None:
            known = self.view.slots_of_images(self._store.matching_images(filters))
            with self._lock:
                self._filtered[filters] = known
        return known
