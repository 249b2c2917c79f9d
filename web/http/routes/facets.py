"""Counts the images that each year, folder, camera and type would leave, with the words to search for them."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable
from typing import Any

from cachetools import LRUCache
from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from imgsearch.errors import UsageError
from imgsearch.places import counted_towns, near_name
from imgsearch.records import Clause, Filters
from imgsearch.search.query.description import readable
from imgsearch.search.query.parser import ParsedQuery, parse, without_filter
from imgsearch.storage import Store
from imgsearch.storage.reads.facets import Facets, read_facets
from imgsearch.storage.reads.places import collected_stamp, read_places
from web.http.context import current_config, current_service
from web.problems import printable
from web.services.dead_ends import offers
from web.services.search_service import require_ids

blueprint = Blueprint("facets", __name__, url_prefix="/api/v1")

_MOST = 100
"""Values of one facet: a longer menu is no help."""

_TOWNS = 60

_KEPT = 64
"""Cached answers: counting a million images takes seconds, and a page asks at every visit."""

_TYPES = ("jpg", "png", "heic", "webp", "gif", "bmp", "tiff", "avif", "ico", "raw")

_known: LRUCache[tuple[str, int, int, Filters], Facets] = LRUCache(_KEPT)
_known_towns: LRUCache[tuple[str, int, int, Filters], list[tuple[str, str, int]]] = LRUCache(_KEPT)
_lock = threading.Lock()


@blueprint.get("/facets")
def show_facets() -> ResponseReturnValue:
    """Counts over the images that the filters of ``q`` leave; see `imgsearch.storage.reads.facets`."""
    text, ask = _asked()
    found = _counted(current_service().store, ask.filters)
    folders = [(path.name or str(path), str(path), count) for path, count in found.folders]
    types = {_kind_of(name): name for name in _TYPES}
    return jsonify(
        {
            "years": _values(text, "year", ((year, str(year), count) for year, count in found.years)),
            "folders": _values(text, "folder", folders),
            "cameras": _values(text, "camera", ((name, name, count) for name, count in found.cameras)),
            "types": _values(
                text, "type", ((types[kind], types[kind], count) for kind, count in found.formats if kind in types)
            ),
        }
    )


@blueprint.get("/facets/places")
def show_places() -> ResponseReturnValue:
    """The towns around which the pictures that the filters of ``q`` leave were taken; another ``near:`` in it does not
    count, since the new one takes its place."""
    text, _ = _asked()
    rest = without_filter(text, "near")
    towns = _towns(current_service().store, parse(rest).filters)
    values = []
    for town, meant, count in towns:
        term = f'near:"{meant}"' if " " in meant else f"near:{meant}"
        values.append({"value": town, "count": count, "query": term, "search": f"{rest} {term}".strip()})
    return jsonify({"places": values})


@blueprint.get("/alternatives")
def show_alternatives() -> ResponseReturnValue:
    """The nearest searches that find something, for a query whose filters leave nothing."""
    text, _ = _asked()
    store = current_service().store
    found = offers(store, text, lambda filters: _counted(store, filters))
    return jsonify({"alternatives": [printable_offer(one.as_dict()) for one in found]})


def printable_offer(told: dict[str, Any]) -> dict[str, Any]:
    return told | {"text": printable(told["text"]), "search": printable(told["search"])}


def _asked() -> tuple[str, ParsedQuery]:
    """The query ``q``, readable, and as read. Raises UsageError."""
    text = readable(request.args.get("q", ""))
    most = current_config().max_query_chars
    if len(text) > most:
        raise UsageError(f"got a query of {len(text):,} characters, expected {most:,} or fewer", "shorten it")
    ask = parse(text)
    require_ids(ask)
    return text, ask


def _counted(store: Store, filters: Filters) -> Facets:
    """Cached until a commit, an album or a mark changes the counts. One count at a time, so that many clients that open
    the same page of a large library wait for one, and searches keep a core."""
    key = (str(store.path), store.generation(), collected_stamp(store), filters)
    with _lock:
        found = _known.get(key)
        if found is None:
            found = _known[key] = read_facets(store, filters)
        return found


def _towns(store: Store, filters: Filters) -> list[tuple[str, str, int]]:
    """Each town's name, what ``near:`` calls it, and its count. Cached as counts are."""
    key = (str(store.path), store.generation(), collected_stamp(store), filters)
    with _lock:
        found = _known_towns.get(key)
        if found is None:
            placed = read_places(store, filters)
            counted = counted_towns(placed.latitude, placed.longitude, _TOWNS)
            found = _known_towns[key] = [(town.whole_name, near_name(town), count) for town, count in counted]
        return found


def _values(text: str, name: str, found: Iterable[tuple[Any, str, int]]) -> list[dict[str, Any]]:
    """The values that the query language can express. ``query`` is the term; ``search`` the whole query with it: a
    folder replaces the previous folder, the others are added."""
    values = []
    for value, meant, count in found:
        term = _term(name, meant)
        if term is not None:
            rest = without_filter(text, name) if name == "folder" else text
            shown = printable(value) if isinstance(value, str) else value
            values.append({"value": shown, "count": count, "query": term, "search": f"{rest} {term}".strip()})
        if len(values) == _MOST:
            break
    return values


def _term(name: str, value: str) -> str | None:
    """``name:value`` as the query language reads it back; None if it cannot express it, such as a quote in a name."""
    plain = not re.search(r"[\s\"]", value)
    term = f"{name}:{value}" if plain else f'{name}:"{value}"'
    try:
        clauses = parse(readable(term)).filters.clauses
        year = int(value) if name == "year" else 0
    except (UsageError, ValueError):
        return None
    expected = {"year": (year, year), "type": _kind_of(value)}.get(name, value)
    return term if clauses == (Clause(name, expected),) and readable(term) == term else None


def _kind_of(name: str) -> str:
    """The kind that ``type:`` understands for a name: "jpg" -> "JPEG"."""
    try:
        return str(parse(f"type:{name}").filters.clauses[0].value)
    except UsageError:
        return ""
