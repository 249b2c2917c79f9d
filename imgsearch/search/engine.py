"""The whole search: vectors find candidates, ITM re-ranks the best few, and a calibration ends the list."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from cachetools import LRUCache

from imgsearch.index import IndexOpener, open_at_home
from imgsearch.records import Float32, Results
from imgsearch.search.answer import CLOSEST, SearchUnderWay, page_of
from imgsearch.search.calibration import NO_LEAST, Calibration, ScoredCandidate
from imgsearch.search.features.images import pixels_of_file
from imgsearch.search.inference.direct import DirectInference, InferenceBackend, match_and_replace
from imgsearch.search.query.description import Query
from imgsearch.search.query.paging import page_start
from imgsearch.search.query.parser import ParsedQuery, parse_query
from imgsearch.search.query.parts import bare_things, parts_of
from imgsearch.search.query.understanding import read_by_model
from imgsearch.search.request import RetrievalRequest
from imgsearch.search.rerank import Match, Reranked, SearchModel, match_texts
from imgsearch.search.retrieval import CandidateFinder
from imgsearch.search.similarity import combined
from imgsearch.search.text_evidence import SOURCES, TextSource
from imgsearch.search.timing import deadline_of, timed
from imgsearch.storage import FeatureStore, Store

if TYPE_CHECKING:
    from imgsearch.search.scans import BatchedScans

_LONGEST_ID = 19  # digits that an int64 has at most


def _is_id(named: str) -> bool:
    return named.isdecimal() and len(named) < _LONGEST_ID


REMEMBERED = 256
"""Re-ranks kept for the next pages of many people at once: some kB each."""


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
        self._finder = CandidateFinder(store, scans.nearest if scans else None, texts, opener)
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
            yield page_of(search, Reranked([], []), self.calibration, started)
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
    ) -> SearchUnderWay:
        """Read the query and find its candidates. ``parts``: compare them with its parts in any case."""
        parsed = parsed or parse_query(query, by_image=image is not None)
        start = page_start(query, image)
        took: dict[str, float] = {}
        with timed(took, "embed"):
            texts = [text for text in (parsed.description, *parsed.excluded) if text]
            read = read_by_model(
                parsed, {text: self.model.words(text) for text in texts}, self.model.count_tokens(parsed.description)
            )
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
        return SearchUnderWay(query, start, request, found, judged, read.sure, notes, took)

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

    def _finish(self, search: SearchUnderWay, started: float) -> Results:
        with timed(search.took, "rerank"):
            reranked = self._rerank(search, started)
        return page_of(search, reranked, self.calibration, started)

    def _rerank(self, search: SearchUnderWay, started: float) -> Reranked:
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
        if answer.complete and search.judged and search.sure:
            answer = replace(answer, matches=self._asked_thing_by_thing(search, answer.matches))
        if answer.complete:
            with self._lock:
                self._reranked[key] = answer
        return answer

    def _asked_thing_by_thing(self, search: SearchUnderWay, matches: list[Match | None]) -> list[Match | None]:
        """The matches with ``lacks_thing``. Only images that would be called sure are asked for the things: a few."""
        rule = self.calibration
        if (
            rule is None
            or rule.least_thing <= NO_LEAST
            or not (things := bare_things(search.request.parsed.description))
        ):
            return matches
        found = zip(range(len(matches)), matches, search.found.candidates, search.found.agreements, strict=False)
        places = [
            place
            for place, match, one, agreement in found
            if match is not None and rule.strength(match.margin, one.score, one.z, agreement) >= 0
        ]
        sources = [search.found.candidates[place].source for place in places]
        asked = list(matches)
        for thing in things if places else ():
            alone, _, _ = self.backend.match(ParsedQuery(thing), sources, None)
            for place, match in zip(places, alone, strict=True):
                known = asked[place]
                if match is not None and known is not None and match.margin < rule.least_thing:
                    asked[place] = replace(known, lacks_thing=True)
        return asked
