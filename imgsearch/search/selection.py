"""What a person makes of an answer: only what matches well enough, in another order, or a later page of it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from imgsearch.errors import UsageError
from imgsearch.records import Hit, Results
from imgsearch.search.query.description import Query
from imgsearch.search.query.paging import PageCursor, query_digest

SORTS = ("best", "newest", "oldest", "name")


def at_page(query: Query, page: int, generation: int) -> Query:
    """``query`` for its ``page``-th page, the first is 1, of the library at ``generation``."""
    if page == 1:
        return query
    return replace(query, cursor=PageCursor((page - 1) * query.k, generation, query_digest(query)).encoded())


def require_probability(threshold: float) -> float:
    """``threshold``, a probability. Raises UsageError for what is none."""
    if isinstance(threshold, bool) or not isinstance(threshold, (int, float)) or not 0 <= threshold <= 1:
        raise UsageError(f"got the threshold {threshold!r}, expected a probability from 0 to 1", "for example 0.5")
    return float(threshold)


def above(results: Results, threshold: float) -> Results:
    """Those hits alone that match with at least the probability ``threshold``; those that were not re-ranked have
    none, and are left out with a note."""
    kept = tuple(hit for hit in results.hits if (hit.itm_probability or 0.0) >= threshold and _read(hit))
    unread = sum(not _read(hit) for hit in results.hits)
    notes = results.notes
    best = max((hit.itm_probability or 0.0 for hit in results.hits), default=0.0)
    if not kept and unread < len(results.hits):
        notes += (
            f"nothing matches with a probability of {_percent(threshold)} or more; the best has {_percent(best)}",
        )
    if unread:
        notes += (f"{unread} not re-ranked and so left out: a threshold needs the matching head (rerank)",)
    return replace(results, hits=kept, notes=notes)


def in_order(results: Results, sort: str, taken_at: Callable[[Sequence[int]], Mapping[int, str | None]]) -> Results:
    """The same hits in another order; each keeps its rank. ``taken_at`` gives the dates of image ids; pictures without
    one come last."""
    if sort not in SORTS:
        raise UsageError(f"got sort {sort!r}, expected one of {', '.join(SORTS)}", "for example newest")
    if sort == "best":
        return results
    if sort == "name":
        return replace(results, hits=tuple(sorted(results.hits, key=_name_key)))
    dates = taken_at([hit.image_id for hit in results.hits])
    dated = [hit for hit in results.hits if dates.get(hit.image_id)]
    dated.sort(key=lambda hit: str(dates[hit.image_id]), reverse=sort == "newest")  # stable: equal ones by rank
    undated = [hit for hit in results.hits if not dates.get(hit.image_id)]
    return replace(results, hits=(*dated, *undated))


def _percent(share: float) -> str:
    """Rounded down, so that what is below a threshold never looks like it."""
    return f"{math.floor(1000 * share + 1e-9) / 10:g} %"


def _read(hit: Hit) -> bool:
    return hit.itm_probability is not None


def _name_key(hit: Hit) -> tuple[Any, ...]:
    """Numbers in names by their value: "2.jpg" before "10.jpg"."""
    parts = re.split(r"(\d+)", hit.path.name.casefold())
    numbered = tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part)
    return (numbered, str(hit.path))
