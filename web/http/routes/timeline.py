"""The library by date: the months with their counts, and a stretch of the pictures in that order."""

from __future__ import annotations

from typing import Any, cast

from flask import Blueprint, jsonify, render_template, request
from flask.typing import ResponseReturnValue

from imgsearch.errors import UsageError
from imgsearch.records import Filters, Hit, Results
from imgsearch.search.query.description import readable
from imgsearch.search.query.parser import parse
from imgsearch.storage.reads.timeline import ORDERS, Order, months, window
from web.config import MAX_QUERY_CHARS
from web.http.answers import EVERY_PICTURE, read_number, search_json
from web.http.context import current_service
from web.http.operations import Part, operation, parameter, q
from web.http.tagging import tagged_json
from web.problems import printable
from web.wording import heading_of

blueprint = Blueprint("timeline", __name__)

STRETCH, LONGEST = 100, 500
"""Pictures of one stretch: by default, and at most."""

MOST = 1_000_000_000  # where a stretch may begin


@blueprint.get("/timeline")
def show_page() -> ResponseReturnValue:
    """The page: drawn by its script, which asks for the stretch that is looked at."""
    text = _text()
    filters = _filters(text)
    title = heading_of(text, lambda _: None) if text else "All pictures by date"
    found = months(current_service().store, filters)
    return render_template("timeline.html", title=printable(title), query=printable(text), months=_in_order(found))


@blueprint.get("/api/v1/timeline/months")
def show_months() -> ResponseReturnValue:
    """Each month and how many pictures it has; the filters of ``q`` apply."""
    found = months(current_service().store, _filters(_text()))
    told = {"months": _as_dicts(_in_order(found)), "total": sum(count for *_, count in found)}
    return tagged_json(told)


@blueprint.get("/api/v1/timeline")
def show_stretch() -> ResponseReturnValue:
    """Pictures number ``start`` to before ``start + limit`` by date."""
    service, filters = current_service(), _filters(_text())
    start = read_number(request.args, "start", 0, 0, MOST)
    limit = read_number(request.args, "limit", STRETCH, 1, LONGEST)
    ids = [int(one) for one in window(service.store, start, limit, _order(), filters)]
    paths = service.store.all_paths(ids)
    hits = tuple(Hit(start + at, one, paths[one][0], 0.0) for at, one in enumerate(ids, 1) if one in paths)
    answer = search_json(service, Results(EVERY_PICTURE, hits, {}, order="newest"))
    return jsonify({"start": start, "hits": answer["hits"]})


def _text() -> str:
    text = readable(request.args.get("q", ""))
    if len(text) > MAX_QUERY_CHARS:
        raise UsageError(
            f"got a query of {len(text):,} characters, expected {MAX_QUERY_CHARS:,} or fewer", "shorten it"
        )
    return text


def _filters(text: str) -> Filters:
    """Raises UsageError for a query that says more than filters: words have an order of their own."""
    asked = parse(text)
    if asked.description or asked.excluded or asked.compared:
        raise UsageError(
            "the pictures by date were asked for words", "leave only filters, such as year:2019, or search"
        )
    return asked.filters


def _order() -> Order:
    order = request.args.get("sort", "newest")
    if order not in ORDERS:
        raise UsageError(f"got sort={printable(order[:40])}, expected {' or '.join(ORDERS)}", "leave sort out")
    return cast(Order, order)


def _in_order(found: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """The months as ``sort`` orders the pictures; those without a date stay last."""
    if _order() == "newest":
        return found
    return [one for one in reversed(found) if one[0]] + [one for one in found if not one[0]]


def _as_dicts(found: list[tuple[int, int, int]]) -> list[dict[str, Any]]:
    return [{"year": year, "month": month, "count": count} for year, month, count in found]


def paths() -> dict[str, Part]:
    """The operations, for the API's description."""
    order = parameter("sort", {"type": "string", "enum": list(ORDERS), "default": "newest"}, "undated ones are last")
    start = parameter("start", {"type": "integer", "minimum": 0, "maximum": MOST, "default": 0}, "the first, from 0")
    limit = {"type": "integer", "minimum": 1, "maximum": LONGEST, "default": STRETCH}
    counted = operation("months", "How many pictures each month has", "Months", [q(), order])
    stretch = operation(
        "timeline",
        "A stretch of the pictures by date",
        "Stretch",
        [q(), order, start, parameter("limit", limit, "how many at most")],
    )
    return {"/timeline/months": {"get": counted}, "/timeline": {"get": stretch}}
