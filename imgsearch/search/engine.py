"""The whole search: vectors find candidates, ITM re-ranks the best few, and a calibration ends the list."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from cachetools import LRUCache

from imgsearch.index import IndexOpener, open_at_home
from imgsearch.records import Float32, Hit, Results
from imgsearch.search.calibration import UNDIVIDED, Calibration, PartAgreement, ScoredCandidate
from imgsearch.search.features.images import pixels_of_file
from imgsearch.search.inference.direct import DirectInference, InferenceBackend
from imgsearch.search.query.description import Query
from imgsearch.search.query.paging import PageCursor, PageStart, page_start
from imgsearch.search.query.parser import ParsedQuery, parse_query
from imgsearch.search.query.parts import parts_of
from imgsearch.search.query.understanding import read_by_model
from imgsearch.search.rerank import (
    Match,
    Reranked,
    SearchModel,
    fused_order,
    fused_score,
    match_and_replace,
    match_texts,
)
from imgsearch.search.retrieval import Candidate, CandidateFinder, RetrievalRequest, RetrievalResult
from imgsearch.search.similarity import combined
from imgsearch.search.text_evidence import SOURCES, TextSource, fused_by_rank, listed_notes
from imgsearch.search.timing import deadline_of, milliseconds_since, timed
from imgsearch.storage import FeatureStore, Store

if TYPE_CHECKING:
    from imgsearch.search.scans import BatchedScans

_LONGEST_ID = 19  # digits that an int64 has at most


def _is_id(named: str) -> bool:
    return named.isdecimal() and len(named) < _LONGEST_ID


CLOSEST = 8
"""Images that an answer offers where nothing matches with confidence."""

REMEMBERED = 256
"""Re-ranks kept for the next pages of many people at once: some kB each."""


@dataclass(frozen=True, slots=True)
class _Search:
    """A query on its way: the request, and the candidates for it."""

    query: Query
    start: PageStart
    request: RetrievalRequest
    found: RetrievalResult
    judged: bool  # whether hits are called confident or not
    sure: bool  # whether any may be
    notes: list[str]
    took: dict[str, float]

    @property
    def depth(self) -> int:
        """Candidates that are re-ranked."""
        return self.request.depth + self.found.lifted

    @property
    def order(self) -> Literal["match", "likeness", "newest"]:
        """What the hits are ordered by."""
        if self.request.image is not None:
            return "likeness"
        return "match" if match_texts(self.request.parsed) else "newest"


class Searcher:
    """Answers queries over one library with one model.

    It sees the library as of the last commit; a run in progress never disturbs it. It is safe to share between threads,
    which wait for each other only at the model, as ``backend`` decides. Close it, or use it in a ``with``. ``features``
    keeps ViT features; None keeps none. Without a ``calibration`` no list ends before its k. ``backend`` asks the
    model, `DirectInference` by default. ``scans`` lets texts that wait share a sweep of vectors; ``texts`` add to it;
    ``opener`` opens the index.
    """

    def __init__(
        self,
        store: Store,
        model: SearchModel,
        *,
        features: FeatureStore | None = None,
        calibration: Calibration | None = None,
        backend: InferenceBackend | None = None,
        scans: BatchedScans | None = None,
        texts: Sequence[TextSource] = SOURCES,
        opener: IndexOpener = open_at_home,
    ) -> None:
        self.store, self.texts, self.opener = store, texts, opener
        self.model = model
        self.features = features
        self.calibration = calibration
        self.backend = backend or DirectInference(model, features)
        self._finder = CandidateFinder(store, scans, texts, opener)
        self._lock = threading.Lock()  # of what is remembered
        self._reranked: LRUCache[tuple[int, str], Reranked] = LRUCache(REMEMBERED)

    def __enter__(self) -> Searcher:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the library's files. Closing twice is fine."""
        self._finder.forget()
        self.store.close()

    def search(self, query: Query, image: Float32 | None = None, parsed: ParsedQuery | None = None) -> Results:
        """The ``query.k`` best images, best first, from the cursor on if there is one. With the tokens [T, D] of a
        ``image`` from elsewhere it finds images like that one; the query may then be filters alone, or empty.

        The first 5 for k = 50 are the answer for k = 5: the number of candidates that ITM re-ranks depends only on the
        query's ``rerank`` and on the device. Ties (scores equal to 1e-5) go by image id. With a calibration the list
        ends where the matches end; with ``query.everything`` the other images follow. ``parsed`` is the result of
        `parse_query`, if the caller has it. ``took_ms``: embed, search, rerank, total. Raises UsageError for a query
        that asks for nothing or holds a wrong filter."""
        started = time.perf_counter()
        search = self._begin(query, image, parsed)
        return self._finish(search, started)

    def stream(
        self, query: Query, image: Float32 | None = None, parsed: ParsedQuery | None = None
    ) -> Iterator[Results]:
        """The answer by vectors alone, as soon as it is known, then the answer of ``search``."""
        started = time.perf_counter()
        search = self._begin(query, image, parsed)
        if search.depth and match_texts(search.request.parsed):
            yield self._page(search, Reranked([], []), started)
        yield self._finish(search, started)

    def tokens_of(self, image_id: int) -> Float32:
        """Vectors [T, D] of an image in the library. Raises UsageError for an unknown id."""
        return self._finder.tokens_of(image_id)

    def evidence(self, text: str, depth: int) -> list[ScoredCandidate]:
        """The numbers that a calibration is fitted on, for the ``depth`` best candidates by ITC after the re-rank."""
        search = self._begin(Query(text, k=1, rerank=depth), None, None, parts=True)
        matches = self._rerank(search, time.perf_counter()).matches
        return [
            ScoredCandidate(found.image_id, match.margin, found.score, found.z, agreement)
            for found, match, agreement in zip(search.found.candidates, matches, search.found.agreements, strict=False)
            if match is not None
        ]

    def _begin(
        self, query: Query, image: Float32 | None, parsed: ParsedQuery | None, *, parts: bool = False
    ) -> _Search:
        """Read the query and find its candidates. ``parts``: compare them with its parts in any case."""
        parsed = parsed or parse_query(query, by_image=image is not None)
        start = page_start(query, image)
        took: dict[str, float] = {}
        with timed(took, "embed"):
            read = read_by_model(parsed, self.model)
            request = self._embed(query, parsed, image, parts)
        # Likeness is not ITC: no calibration knows the meaning of its scores.
        judged = self.calibration is not None and bool(parsed.description) and request.image is None
        with timed(took, "search"):
            # The k-th hit can have every re-ranked candidate behind it; one more tells whether a page follows.
            found = self._finder.find(request, start.offset + max(query.k, CLOSEST) + request.reach + 1)
        notes = [*read.notes, *([found.note] if found.note else [])]
        if not found.candidates:
            notes.append("no picture fits the filters" if parsed.filters else "the library holds no picture yet")
        if start.generation not in (None, found.generation):
            notes.append("the library has changed since the page before: pictures may be missing or come twice")
        return _Search(query, start, request, found, judged, read.sure, notes, took)

    def _embed(self, query: Query, parsed: ParsedQuery, image: Float32 | None, parts: bool) -> RetrievalRequest:
        """Ask the model for all vectors that the query needs."""
        text = self.backend.embed_text(parsed.description) if parsed.description else None
        image, own_ids = self._named_images(parsed) if parsed.compared else (image, ())
        depth = self.model.profile.rerank_depth if query.rerank < 0 else query.rerank
        reach = 2 * depth if parsed.excluded else depth
        worded = image is None and not parts
        request = RetrievalRequest(parsed, text, image, own_ids, depth, reach, worded)
        reads_parts = self.calibration is not None and self.calibration.reads_parts
        if depth and (parts or (reads_parts and worded and text is not None)):
            divided = parts_of(parsed.description)
            request = replace(request, parts=divided, vectors=self.backend.embed_texts(divided.texts))
        return request

    def _named_images(self, parsed: ParsedQuery) -> tuple[Float32, tuple[int, ...]]:
        """The tokens [T, D] to compare with, of the images that the query names, and the ids of those that the library
        holds. Raises UsageError for an id or a file that is not there."""
        wanted, unwanted = ([self._tokens_named(one) for one in named] for named in (parsed.compared, parsed.unlike))
        own = tuple(int(named) for named in (*parsed.compared, *parsed.unlike) if _is_id(named))
        return combined(np.stack(wanted), np.stack(unwanted) if unwanted else None), own

    def _tokens_named(self, named: str) -> Float32:
        if _is_id(named):
            return self._finder.tokens_of(int(named))
        pixels = pixels_of_file(Path(os.path.expanduser(named)), self.model.image_size)  # noqa: PTH111  leaves ~nobody
        return self.backend.embed_image(pixels)

    def _finish(self, search: _Search, started: float) -> Results:
        with timed(search.took, "rerank"):
            reranked = self._rerank(search, started)
        return self._page(search, reranked, started)

    def _rerank(self, search: _Search, started: float) -> Reranked:
        """ITM on the first candidates. The result is kept for the next pages."""
        parsed, found = search.request.parsed, search.found
        if not match_texts(parsed):
            return Reranked([], [])
        key = (found.generation, search.start.rerank_digest)
        with self._lock:
            known = self._reranked.get(key)
        if known is not None:
            return known
        sources = [one.source for one in found.candidates[: max(search.depth, search.request.reach)]]
        deadline = deadline_of(search.query.budget_ms, self.model.profile.rerank_ms, started)
        match = partial(self.backend.match, deadline=deadline)
        answer = match_and_replace(match, parsed, sources, search.depth)
        if answer.complete:
            with self._lock:
                self._reranked[key] = answer
        return answer

    def _page(self, search: _Search, reranked: Reranked, started: float) -> Results:
        query, offset = search.query, search.start.offset
        # By vectors alone few images are sure to match and none is sure not to, so they end no list.
        judged = search.judged and bool(reranked.matches)
        ordered = self._ordered(search, reranked.matches, judged)
        ends = judged and not query.everything
        listed = [hit for hit in ordered if hit.confident or hit.words] if ends else ordered
        hits = _ranked(listed, offset, query.k)
        closest = ordered if ends and not listed and not offset else []
        follows = len(listed) > offset + query.k or (search.found.more and len(listed) == len(ordered))
        cursor = PageCursor(offset + len(hits), search.found.generation, search.start.digest).encoded()
        notes = [*search.notes, *reranked.notes]
        if not reranked.complete:
            notes.append(f"the time was up after {reranked.count} of {reranked.due} candidates were re-ranked")
        notes += listed_notes(hits) if ends else []
        if ends and ordered and not listed:
            notes.append("nothing in the library matches with confidence; --all shows the closest")
        return Results(
            query.text,
            hits,
            {**search.took, "total": milliseconds_since(started)},
            reranked.count,
            tuple(notes),
            cursor if follows and hits else None,
            reranked.complete,
            _ranked(closest, 0, CLOSEST),
            search.order,
            (None if follows else len(listed)) if ends else search.found.total,
        )

    def _ordered(self, search: _Search, matches: list[Match | None], judged: bool) -> list[Hit]:
        """All candidates, best first; with a calibration the confident ones come before the others. Only as many as
        were asked for are sure of their place: others may follow the last candidate."""
        candidates = search.found.candidates
        scores = np.array([found.score for found in candidates], np.float32)
        image_ids = np.array([found.image_id for found in candidates], np.int64)
        padded = [*matches, *[None] * (len(candidates) - len(matches))]
        order = fused_order(scores, matches, image_ids, search.request.parsed).tolist()
        # Behind a snapshot's pool scores begin anew: what follows a doubtful picture is not listed, or the list for
        # few would not be the beginning of the list for many.
        heights = [np.inf if found.lifted else found.z for found in candidates]
        lowest = np.minimum.accumulate(np.array(heights, np.float64)).tolist()
        agreeing = [*search.found.agreements, *[UNDIVIDED] * (len(candidates) - len(search.found.agreements))]
        evidence = [(candidates[place], padded[place], agreeing[place], lowest[place]) for place in order]
        hits = [self._hit(search, judged, *one) for one in evidence]
        hits.sort(key=lambda hit: hit.confident is False)  # stable
        return fused_by_rank(hits, search.found.text_places, search.request.parsed.description)

    def _hit(
        self,
        search: _Search,
        judged: bool,
        found: Candidate,
        match: Match | None,
        agreement: PartAgreement,
        lowest_z: float,
    ) -> Hit:
        """``lowest_z`` of all candidates up to this one."""
        logit = probability = confident = score = None
        if match is not None:
            score = fused_score(found.score, match, search.request.parsed)
            if search.request.parsed.description:
                logit, probability = match.logit, match.probability
        if self.calibration is not None and judged:
            if not search.sure:
                confident = False
            elif match is None:
                confident = self.calibration.confident_by_vectors(lowest_z)
            else:
                strength = self.calibration.strength(match.margin, found.score, found.z, agreement)
                confident = strength >= 0 and not match.shows_unwanted
        numbers = found.score, logit, probability, confident, score
        return Hit(0, found.image_id, found.source.paths[0], *numbers, found.words)


def _ranked(hits: Sequence[Hit], offset: int, count: int) -> tuple[Hit, ...]:
    """``count`` of the hits behind the first ``offset``, each with its rank."""
    return tuple(replace(hit, rank=place) for place, hit in enumerate(hits[offset : offset + count], offset + 1))
