"""An answer in another order than best first: by date or name, over all that matches."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from imgsearch.errors import UsageError
from imgsearch.records import Hit, Int64, Results
from imgsearch.search.query.description import Query
from imgsearch.search.query.paging import PageCursor, query_digest, read_cursor
from imgsearch.search.query.parser import parse_query
from imgsearch.search.selection import in_order
from imgsearch.storage import Store
from imgsearch.storage.reads.dates import dated_ids
from web.services.search_service import SearchService

MOST_SORTED = 500
"""Hits of a description that are put in order: all that match with confidence are mostly fewer; without a calibration
every picture of the library would have a place, and the last ones show nothing of what was asked for."""

MOST_NAMED = 20_000
"""Images that filters leave which are all put in order by their names: 0.5 s. Of more, the last added `MOST_SORTED`."""

_lock = threading.Lock()
_dated: dict[str, tuple[int, Int64]] = {}  # library -> generation, ids by date: read again after a commit


def sorted_search(service: SearchService, query: Query, sort: str) -> Results:
    """The page of ``query`` in the order ``sort``, one of `SORTS` but "best". With filters alone it covers everything
    that they leave; with words, or a picture, the best `MOST_SORTED`. Raises what a search raises."""
    offset = _offset(query, sort)
    parsed, notes = parse_query(query), tuple[str, ...]()
    matching = None
    if not (parsed.description or parsed.excluded or parsed.compared):
        matching = service.store.matching_images(parsed.filters)
    if matching is None or (sort == "name" and len(matching) > MOST_NAMED):
        whole = service.search(replace(query, k=MOST_SORTED, cursor=None))
        ordered = in_order(whole, sort, lambda ids: _dates_of(service.store, ids)).hits
        hits, total = ordered[offset : offset + query.k], len(ordered)
        if whole.next_cursor is not None:
            first = "last added" if matching is not None else "best"
            notes = (f"the {first} {MOST_SORTED} are in this order; the others are left out",)
    else:
        whole = service.search(replace(query, k=1, cursor=None))
        if sort == "name":
            found = replace(whole, hits=_hits(service.store, matching.tolist()))
            hits, total = in_order(found, sort, lambda _: {}).hits[offset : offset + query.k], len(matching)
        else:
            ids = _in_date_order(service.store, matching, sort)
            hits, total = _hits(service.store, ids[offset : offset + query.k].tolist()), len(ids)
    ranked = tuple(replace(hit, rank=place) for place, hit in enumerate(hits, offset + 1))
    follows = offset + len(ranked) < total
    cursor = PageCursor(offset + len(ranked), service.store.generation(), _digest(query, sort)).encoded()
    return replace(
        whole,
        hits=ranked,
        next_cursor=cursor if follows and ranked else None,
        total=total,
        notes=(*whole.notes, *notes),
    )


def _digest(query: Query, sort: str) -> str:
    return f"{sort}-{query_digest(replace(query, cursor=None))}"


def _offset(query: Query, sort: str) -> int:
    """Where the page begins. Raises UsageError for a cursor of another answer."""
    if query.cursor is None:
        return 0
    cursor = read_cursor(query.cursor)
    if cursor.digest != _digest(query, sort):
        raise UsageError("the cursor belongs to another query", "leave the cursor out to begin with the first page")
    return cursor.offset


def _in_date_order(store: Store, matching: Int64, sort: str) -> Int64:
    """``matching`` by date; undated ones last, the newest in the library first."""
    key, generation = str(store.path), store.generation()
    with _lock:
        known = _dated.get(key)
        if known is None or known[0] != generation:
            known = _dated[key] = generation, dated_ids(store)
    dated = known[1][np.isin(known[1], matching)]
    if sort == "newest":
        dated = dated[::-1]
    undated = np.setdiff1d(matching, dated, assume_unique=True)[::-1]
    return np.concatenate([dated, undated])


def _hits(store: Store, ids: Sequence[int]) -> tuple[Hit, ...]:
    paths = store.all_paths(ids)
    return tuple(Hit(0, image_id, paths[image_id][0], 0.0) for image_id in ids if image_id in paths)


def _dates_of(store: Store, ids: Sequence[int]) -> Mapping[int, str | None]:
    records = store.images(ids)
    return {one: None if record.dated_source == "file" else record.dated_at for one, record in records.items()}
