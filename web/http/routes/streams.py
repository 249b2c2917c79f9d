"""Server-sent events: a search's order by vectors at once, then the re-ranked one."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from typing import Any, cast

from flask import Blueprint, Response, current_app, request
from flask.typing import ResponseReturnValue

from imgsearch.errors import ImgsearchError
from imgsearch.records import Results
from imgsearch.search.query.description import Query
from web.http.answers import first_json, read_query, search_json
from web.http.context import current_config, current_service
from web.problems import Overloaded, WebError, problem_of
from web.services.search_service import SearchService

blueprint = Blueprint("streams", __name__, url_prefix="/api/v1")

_LOG = logging.getLogger("imgsearch.web")
_SLOTS = "imgsearch.stream_slots"
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # the second: nginx must not hold events back

Happening = tuple[str, Any]
"""An event's name, and its data for JSON; "" is a comment, which keeps a connection alive."""


class StreamSlots:
    """Limits how many event streams may be open at once, of searches and of jobs together."""

    def __init__(self, most: int) -> None:
        self._free = threading.BoundedSemaphore(most)

    def take(self) -> None:
        """Raises Overloaded if all are taken."""
        if not self._free.acquire(blocking=False):
            raise Overloaded("as many event streams are open as this server allows", retry_after_s=2)

    def give_back(self) -> None:
        """Called after each ``take`` that did not raise."""
        self._free.release()


@blueprint.get("/search/stream")
def stream_search() -> ResponseReturnValue:
    """``itc``, then ``itm``; or ``problem``. A browser that connects again, as browsers do, gets an answer that says
    there is no more."""
    if "Last-Event-ID" in request.headers:
        return "", 204
    return stream_events(_search(current_service(), read_query(request.args)))


def stream_events(happenings: Iterator[Happening]) -> Response:
    """An answer that sends each event as it happens; an error becomes the event ``problem``, which is the last.
    Takes one of the app's slots until the answer is closed. Raises Overloaded."""
    known = current_app.extensions.setdefault(_SLOTS, StreamSlots(current_config().streams))
    slots = cast(StreamSlots, known)
    slots.take()
    answer = Response(_sent(_in_request(happenings)), mimetype="text/event-stream", headers=_HEADERS)
    answer.call_on_close(slots.give_back)
    return answer


def _search(service: SearchService, query: Query) -> Iterator[Happening]:
    results: Results | None = None
    for found in service.stream(query):
        if results is None:
            yield "itc", first_json(service, query, found)
        results = found
    assert results is not None
    yield "itm", search_json(service, results)


def _in_request(happenings: Iterator[Happening]) -> Iterator[Happening]:
    """Runs each step in a context of this request, because it makes addresses. Flask's `stream_with_context` keeps one
    context open from step to step, which fails if a thread closes streams in another order than it opened them."""
    app, environ = current_app._get_current_object(), request.environ  # type: ignore[attr-defined]

    def steps() -> Iterator[Happening]:
        while True:
            with app.request_context(environ):
                happening = next(happenings, None)
            if happening is None:
                return
            yield happening

    return steps()


def _sent(happenings: Iterator[Happening]) -> Iterator[str]:
    for number, (name, data) in enumerate(_with_problems(happenings), start=1):
        yield f"id: {number}\nevent: {name}\ndata: {json.dumps(data)}\n\n" if name else f": {data}\n\n"


def _with_problems(happenings: Iterator[Happening]) -> Iterator[Happening]:
    try:
        yield from happenings
    except ImgsearchError as error:
        yield "problem", problem_of(error)
    except Exception:  # noqa: BLE001  the answer has begun: there is nobody else to tell
        _LOG.exception("an event stream failed")
        yield "problem", problem_of(WebError("the server met an error that it did not expect; its log tells more"))
