"""Searches for many clients at once: one model, one library, limits instead of a slow death."""

from __future__ import annotations

import logging
import math
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from imgsearch.errors import ImgsearchError, UsageError
from imgsearch.media.decode import decode_bytes
from imgsearch.records import Float32, Results
from imgsearch.search.engine import Searcher
from imgsearch.search.query.description import Query
from imgsearch.search.query.paging import image_key
from imgsearch.search.query.parser import ParsedQuery, parse_query
from web.problems import Overloaded
from web.services.explaining import explain
from web.services.served import Served, Switching

if TYPE_CHECKING:
    from imgsearch.storage import Store

_LOG = logging.getLogger("imgsearch.web")
_FULL = "as many searches are waiting as this server takes at once"


_Key = tuple[Query, str, int]  # everything that decides an answer: query, image, the library's generation


@dataclass(frozen=True, slots=True)
class ServiceLimits:
    """``searches``: how many may wait or run at once; more get Overloaded. ``rerank``: how many candidates ITM re-ranks
    if a query leaves it open; -1 by device. ``coalesce``: answer identical queries in flight once. ``batching``: ask
    the model for many queries at once (`imgsearch.search.inference.batched`)."""

    searches: int = 96
    max_query_chars: int = 1000
    rerank: int = -1
    coalesce: bool = True
    batching: bool = True


def require_ids(parsed: ParsedQuery) -> list[int]:
    """The ids of the images that a query compares with. Raises UsageError for a path: none comes in."""
    named = (*parsed.compared, *parsed.unlike)
    if not all(re.fullmatch(r"[0-9]{1,18}", one) for one in named):
        raise UsageError(
            "a picture to compare with is named by its number here, not a path",
            "upload the picture to search by it",
        )
    return [int(one) for one in named]


class SearchService:
    """Searches for the views. Safe between threads; its maker closes it, and the searcher with it. ``reopen`` opens the
    library once it was switched to another model; without it the given searcher answers for good."""

    def __init__(
        self,
        searcher: Searcher,
        limits: ServiceLimits | None = None,
        reopen: Callable[[], Searcher] | None = None,
    ) -> None:
        self._limits = limits or ServiceLimits()
        self._served = Served(searcher, batching=self._limits.batching)
        self.switching = Switching(reopen, self._install)
        self._free = threading.BoundedSemaphore(self._limits.searches)
        self._lock = threading.Lock()
        self._in_flight: dict[_Key, Future[Results]] = {}
        self._running = 0
        self._usual_s = 0.5
        self._refused = self._shared = self._answered = 0

    @property
    def searcher(self) -> Searcher:
        """What answers now."""
        return self._served.searcher

    @property
    def store(self) -> Store:
        """The library."""
        return self.searcher.store

    def search(self, query: Query, image: Float32 | None = None) -> Results:
        """The answer to ``query``; with the tokens [T, D] of a ``image``, images like it (that match the words).

        Raises UsageError (an empty query, a wrong filter, a path instead of an id, too long), Overloaded."""
        query, parsed = self._checked(query, image)
        with self._slot(), self._using() as searcher:
            generation = self.switching.look(searcher)
            if not self._limits.coalesce:
                return searcher.search(query, image, parsed)
            # With the generation: a client that asks after a commit must not get an answer from before it.
            key = (query, image_key(image), generation)
            return self._once(key, lambda: searcher.search(query, image, parsed))

    def stream(self, query: Query, image: Float32 | None = None) -> Iterator[Results]:
        """The answer by vectors alone as soon as it is known, then the answer of ``search``. Raises like ``search``,
        for a wrong query at once; the caller limits the number of streams."""
        query, parsed = self._checked(query, image)
        return self._stream(query, image, parsed)

    def tokens_of(self, image: bytes) -> Float32:
        """Vectors [T, D] of an uploaded image, decoded with the same limits as the library's own. Raises MediaError
        (not an image, too large to decode), Overloaded."""
        with self._slot(), self._using() as searcher:
            decoded = decode_bytes(image, searcher.model.image_size)
            return searcher.backend.embed_image(decoded.pixels)

    def explain(self, text: str, image_id: int) -> dict[str, Any]:
        """Why an image matched: ``itc`` and ``itm_probability`` of the words of ``text`` with it, and for each word
        the grid of where it looks, rows of numbers in 0..1 from the top left. Raises UsageError for a text without
        words and an image that does not exist, MediaError for one that cannot be read any more, Overloaded."""
        _, parsed = self._checked(Query(text), None)
        with self._slot(), self._using() as searcher:
            return explain(searcher, parsed.description, image_id)

    def warm(self) -> None:
        """Load the data of a first search in a thread of its own, so that the first person need not wait for it."""

        def search_once() -> None:
            try:
                self.searcher.search(Query("a picture", k=1, rerank=1))
            except ImgsearchError as error:
                _LOG.warning("warming up: %s", error.message)
            except RuntimeError:  # it was closed meanwhile
                _LOG.debug("warming up ended", exc_info=True)

        threading.Thread(target=search_once, name="warm", daemon=True).start()

    def gauges(self) -> dict[str, tuple[str, float]]:
        """Name -> (description, present value)."""
        found: dict[str, tuple[str, float]] = {
            "searches_in_flight": ("Searches that wait or run", float(self._running))
        }
        if (backend := self._served.backend) is not None:
            found["pieces_waiting"] = ("Re-ranks, in pieces of a few candidates, that wait", backend.waiting)
            found["picture_memory_bytes"] = ("RAM that remembered pictures take", backend.memory_bytes)
        return found

    def counts(self) -> dict[str, tuple[str, float]]:
        """Name -> (description, number of occurrences)."""
        found: dict[str, tuple[str, float]] = {
            "searches_answered": ("Searches answered", self._answered),
            "searches_refused": ("Searches refused because too many were waiting", self._refused),
            "searches_shared": ("Searches answered with another's answer", self._shared),
        }
        served = self._served
        batched = {} if served.backend is None else served.backend.batched()
        if served.scans is not None:
            batched["scans"] = served.scans.batched()
        for kind, (batches, jobs) in batched.items():
            found[f"{kind}_batches"] = (f"Batches of {kind}", batches)
            found[f"{kind}_jobs"] = (f"What was done in batches of {kind}", jobs)
        return found

    def close(self) -> None:
        """Answer waiting requests, then let go of the library."""
        self._served.close()

    def _install(self, searcher: Searcher) -> None:
        """Answer with another searcher from now on; the former one is closed behind its last request."""
        former, self._served = self._served, Served(searcher, batching=self._limits.batching)
        former.retire()

    @contextmanager
    def _using(self) -> Iterator[Searcher]:
        """What answers now; it stays open until the block ends."""
        while not (served := self._served).begin():
            pass  # it was exchanged just now
        try:
            yield served.searcher
        finally:
            served.end()

    def _stream(self, query: Query, image: Float32 | None, parsed: ParsedQuery) -> Iterator[Results]:
        with self._using() as searcher:
            self.switching.look(searcher)
            yield from searcher.stream(query, image, parsed)

    def _checked(self, query: Query, image: Float32 | None) -> tuple[Query, ParsedQuery]:
        """The query with this server's re-rank depth, and its text parsed."""
        most = self._limits.max_query_chars
        if len(query.text) > most:
            raise UsageError(f"got a query of {len(query.text):,} characters, expected {most:,} or fewer", "shorten it")
        parsed = parse_query(query, by_image=image is not None)
        named = require_ids(parsed)
        known = self.store.images(named) if named else {}
        missing = [one for one in named if one not in known]
        if missing:
            raise UsageError(
                f"the library holds no picture with the id {missing[0]}",
                "it was taken away, or this is another library",
            )
        return replace(query, rerank=self._limits.rerank) if query.rerank < 0 else query, parsed

    def judges(self, query: Query) -> bool:
        """Whether a calibration says which hits match, and ends the list behind them."""
        return self.searcher.calibration is not None and bool(parse_query(query).description)

    def reading(self, query: Query) -> int:
        """How many candidates are re-ranked for ``query``, some more where it excludes something."""
        for depth in (query.rerank, self._limits.rerank):
            if depth >= 0:
                return depth
        return self.searcher.model.profile.rerank_depth

    @contextmanager
    def _slot(self) -> Iterator[None]:
        if not self._free.acquire(blocking=False):
            with self._lock:
                self._refused += 1
            raise Overloaded(_FULL, retry_after_s=max(1, math.ceil(self._usual_s)))
        started = time.perf_counter()
        with self._lock:
            self._running += 1
        try:
            yield
        finally:
            self._free.release()
            with self._lock:
                self._running -= 1
                self._answered += 1
                self._usual_s += 0.1 * (time.perf_counter() - started - self._usual_s)

    def _once(self, key: _Key, answer: Callable[[], Results]) -> Results:
        """The answer, or that of the same question in another thread."""
        with self._lock:
            running = self._in_flight.get(key)
            if running is None:
                mine = self._in_flight[key] = Future()
            else:
                self._shared += 1
        if running is not None:
            return running.result()
        try:
            found = answer()
        except BaseException as error:
            mine.set_exception(error)
            raise
        else:
            mine.set_result(found)
            return found
        finally:
            with self._lock:
                del self._in_flight[key]
