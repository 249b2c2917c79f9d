"""The places of an answer: all that filters leave, or the best matches of words; kept for the next look at the map."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from cachetools import LRUCache

from imgsearch.places import Clusters, Window, clusters_of
from imgsearch.records import Float64, Int64
from imgsearch.search.query.description import Query
from imgsearch.search.query.parser import ParsedQuery, parse_query
from imgsearch.storage import Store
from imgsearch.storage.reads.places import Placed, collected_stamp, read_places
from web.services.search_service import SearchService, require_ids

BEST = 500
"""Hits of a description that the map shows, as many as are put in order by date (`web.services.sorting`)."""

_ANSWERS = 3  # kept: 24 MB each for a million pictures
_CLUSTERS = 256  # kept: a page asks for the same window again when somebody goes back


@dataclass(frozen=True)
class AnswerPlaces:
    """The places of an answer. ``best_of``: how many hits it was cut to; None where filters alone were asked."""

    placed: Placed
    best_of: int | None

    @cached_property
    def spots(self) -> tuple[Float64, Float64, Int64]:
        """How many pictures lie in each part of 0.25 degrees that has any: float64 [k] degrees north and east of the
        middle of its pictures, int64 [k] counts, the fullest first. 0.1 s of CPU for a million, once an answer."""
        north, east = self.placed.latitude, self.placed.longitude
        codes = np.floor((north + 90) * 4).astype(np.int32) * 1441 + np.floor((east + 180) * 4).astype(np.int32)
        found, places, counts = np.unique(codes, return_inverse=True, return_counts=True)
        middles = [np.bincount(places, weights, len(found)) / counts for weights in (north, east)]
        order = np.argsort(-counts, kind="stable")
        return middles[0][order], middles[1][order], counts[order]

    def fullest_spot(self, window: Window) -> tuple[float, float] | None:
        """Degrees north and east of the fullest part whose middle lies in a window."""
        north, east, _ = self.spots
        inside = (north >= window.south) & (north <= window.north) & ((east - window.west) % 360 <= window.width)
        first = int(inside.argmax()) if len(inside) else 0
        return (float(north[first]), float(east[first])) if len(inside) and inside[first] else None

    @property
    def total(self) -> int:
        """Pictures of the answer, with a place or without."""
        return len(self.placed) + self.placed.unplaced


class PlacesService:
    """The map of one service. Safe between threads; one answer is read at a time, so that many who open the map of a
    large library wait for one reading."""

    def __init__(self, service: SearchService) -> None:
        self._service = service
        self._answers: LRUCache[tuple[str, int, int, str], AnswerPlaces] = LRUCache(_ANSWERS)
        self._clusters: LRUCache[tuple[str, int, int, str, Window, int], Clusters] = LRUCache(_CLUSTERS)
        self._reading, self._lock = threading.Lock(), threading.Lock()

    def answered(self, text: str) -> AnswerPlaces:
        """The places of the answer to ``text``, "" for the whole library. Raises what a search raises."""
        key = (*_stamp(self._service.store), text)
        with self._reading:
            found = self._answers.get(key)
            if found is None:
                found = self._answers[key] = self._read(text)
        return found

    def clusters(self, text: str, window: Window, zoom: int) -> Clusters:
        """The clusters of that answer in a window."""
        key = (*_stamp(self._service.store), text, window, zoom)
        with self._lock:
            known = self._clusters.get(key)
        if known is None:
            placed = self.answered(text).placed
            known = clusters_of(placed.image_ids, placed.latitude, placed.longitude, window, zoom)
            with self._lock:
                self._clusters[key] = known
        return known

    def _read(self, text: str) -> AnswerPlaces:
        store = self._service.store
        if not text:
            return AnswerPlaces(read_places(store), None)
        parsed = parse_query(Query(text))
        require_ids(parsed)
        if _is_filters_alone(parsed):
            return AnswerPlaces(read_places(store, parsed.filters), None)
        hits = self._service.search(Query(text, k=BEST)).hits
        ids = np.array([hit.image_id for hit in hits], np.int64)
        return AnswerPlaces(read_places(store, parsed.filters).among(ids), BEST if len(hits) >= BEST else None)


def _stamp(store: Store) -> tuple[str, int, int]:
    """What changes with all that an answer depends on."""
    return str(store.path), store.generation(), collected_stamp(store)


def _is_filters_alone(parsed: ParsedQuery) -> bool:
    return not (parsed.description or parsed.excluded or parsed.compared)
