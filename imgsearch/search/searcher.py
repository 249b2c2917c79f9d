"""A text in, the best pictures out: vectors first, then ITM on the best few."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np

from imgsearch.index import CandidateIndex, ExactIndex
from imgsearch.records import Float32, Hit, ImageRecord, Int64, Results
from imgsearch.search.pictures import as_numpy
from imgsearch.search.query import Query, query_notes, readable, require_words
from imgsearch.search.rerank import Match, Model, Source, default_rerank, fused_order, match_candidates
from imgsearch.storage import Store, View

REFRESHES = 3
"""Views tried when files vanish between the view and the catalog: an index run may be committing all the while."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    """What the vectors found, with what the catalog knows of it."""

    image_id: int
    itc: float
    source: Source


class Searcher:
    """Answers queries over one library with one model.

    It looks at a point in time, and at a newer one as soon as a run has committed; a run in progress never disturbs it.
    Safe to share between threads: searches take turns. Close it, or use it in a ``with``.
    """

    def __init__(self, store: Store, model: Model) -> None:
        self.store = store
        self.model = model
        self._lock = threading.Lock()
        self._view: View | None = None
        self._index: CandidateIndex | None = None
        self._allowed: np.ndarray[Any, np.dtype[np.bool_]] | None = None

    def __enter__(self) -> Searcher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the library's files. Closing twice is fine."""
        with self._lock:
            self._view = self._index = self._allowed = None
            self.store.close()

    def search(self, query: Query) -> Results:
        """The ``query.k`` best pictures, best first; fewer only if the library holds fewer.

        The first 5 for k = 50 are the answer for k = 5: how many candidates ITM re-reads depends on the query's
        ``rerank`` and the device alone. Ties (scores equal to 1e-5) go by image id. Raises UsageError for a query with
        no word in it. ``took_ms``: embed, search, rerank, total.
        """
        text = readable(query.text)
        require_words(text)
        model = self.model
        depth = default_rerank(model.device, model.image_size) if query.rerank < 0 else query.rerank
        took: dict[str, float] = {}
        with self._lock, _timed(took, "total"):
            notes = list(query_notes(text, model.count_tokens))
            with _timed(took, "embed"):
                vector = as_numpy(model.embed_texts([text]))
            with _timed(took, "search"):
                candidates = self._candidates(vector, max(query.k, depth))
            with _timed(took, "rerank"):
                matches, failed = match_candidates(model, text, [found.source for found in candidates[:depth]])
        if not candidates:
            notes.append("the library holds no picture yet")
        notes += failed
        hits = _hits(candidates, matches, query.k)
        reranked = sum(match is not None for match in matches)
        return Results(query.text, hits, took, reranked, tuple(notes))

    def _candidates(self, vector: Float32, count: int) -> list[_Candidate]:
        """The ``count`` best pictures by ITC that have a file now. ``vector`` [1, D]."""
        found: list[_Candidate] = []
        for _ in range(REFRESHES):
            view, index = self._refreshed()
            best = index.search(vector, min(count, view.count), self._allowed)
            slots = best.slots[0][best.slots[0] >= 0]
            found = self._resolve(view.image_ids_of(slots), best.scores[0])
            if len(found) == len(slots) or not view.changed():
                break
        return found

    def _resolve(self, image_ids: Int64, scores: Float32) -> list[_Candidate]:
        """Candidates of ``image_ids`` [n], without those that a commit since the view has taken away."""
        wanted = image_ids.tolist()
        records: dict[int, ImageRecord] = self.store.images(wanted)
        paths = self.store.all_paths(wanted)
        return [
            _Candidate(image_id, float(score), Source(paths[image_id], records[image_id].facts.content_hash))
            for image_id, score in zip(wanted, scores, strict=False)
            if paths.get(image_id) and image_id in records
        ]

    def _refreshed(self) -> tuple[View, CandidateIndex]:
        if self._view is None or self._index is None or self._view.changed():
            view = self.store.view()
            self._index = ExactIndex(view, view.tie_keys())
            self._allowed = view.live_mask()
            self._view = view
        return self._view, self._index


def _hits(candidates: list[_Candidate], matches: list[Match | None], k: int) -> tuple[Hit, ...]:
    scores = np.array([found.itc for found in candidates], np.float32)
    image_ids = np.array([found.image_id for found in candidates], np.int64)
    padded = [*matches, *[None] * (len(candidates) - len(matches))]
    hits = []
    for rank, place in enumerate(fused_order(scores, matches, image_ids)[:k].tolist(), start=1):
        found, match = candidates[place], padded[place]
        logit, probability = (None, None) if match is None else (match.logit, match.probability)
        hits.append(Hit(rank, found.image_id, found.source.paths[0], found.itc, logit, probability))
    return tuple(hits)


@contextmanager
def _timed(took: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    try:
        yield
    finally:
        took[stage] = round(1000 * (time.perf_counter() - start), 3)
