"""Turns every error into an answer: application/problem+json (RFC 9457) for programs, a page for people. Never a
traceback."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable

from flask import Flask, Response, render_template, request
from jinja2 import TemplateNotFound
from markupsafe import escape
from werkzeug.exceptions import HTTPException
from werkzeug.http import HTTP_STATUS_CODES

from imgsearch import errors
from imgsearch.errors import ImgsearchError
from web.wording import on_a_page, spoken

_LOG = logging.getLogger("imgsearch.web")


class WebError(ImgsearchError):
    """An error that only a server has; ``status`` is its HTTP status."""

    status = 500

    def __init__(self, message: str, hint: str = "", *, retry_after_s: int | None = None) -> None:
        super().__init__(message, hint)
        self.retry_after_s = retry_after_s


class LoginRequired(WebError):
    """Neither a session nor a token."""

    status = 401


class Forbidden(WebError):
    """A change without the CSRF token, or requested by another site."""

    status = 403


class NotFound(WebError):
    """No image, job or page of that name."""

    status = 404


class Conflict(WebError):
    """The request cannot be carried out now: a run is already under way."""

    status = 409


class Gone(WebError):
    """The image's file no longer holds the indexed content."""

    status = 410


class TooManyAttempts(WebError):
    """Logins fail too often."""

    status = 429


class Overloaded(WebError):
    """More requests at once than the limits allow; ``retry_after_s`` says when to come again."""

    status = 503

    def __init__(self, message: str = "too many searches at once", hint: str = "", *, retry_after_s: int = 1) -> None:
        super().__init__(message, hint or f"try again in {retry_after_s} s", retry_after_s=retry_after_s)


STATUS: dict[type[ImgsearchError], int] = {
    ImgsearchError: 500,
    errors.UsageError: 400,
    errors.ExtraMissing: 503,  # of the server
    errors.ModelError: 503,
    errors.ModelUnavailable: 503,
    errors.ModelUnknown: 400,
    errors.CheckpointInvalid: 500,
    errors.NotEnoughMemory: 503,
    errors.LibraryError: 500,
    errors.LibraryMissing: 503,
    errors.LibraryBusy: 409,
    errors.LibraryUnsupported: 500,
    errors.ModelMismatch: 500,
    errors.SegmentDamaged: 500,
    errors.CatalogDamaged: 500,
    errors.CatalogUnreachable: 503,
    errors.StorageFull: 507,
    errors.IndexServerError: 503,
    errors.MediaError: 422,
}
"""The HTTP status of each error of the tree; tests/web/test_problems.py holds that none is left out."""


def status_of(error: ImgsearchError) -> int:
    """The HTTP status of an error of ours: its own, otherwise that of its nearest parent."""
    if isinstance(error, WebError):
        return error.status
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def problem_of(error: ImgsearchError) -> dict[str, object]:
    """The problem object {type, title, status, detail, hint?} of an error of ours; also what an event stream sends."""
    status = status_of(error)
    name = re.sub(r"(?<!^)(?=[A-Z])", "-", type(error).__name__).lower()
    problem: dict[str, object] = {
        "type": f"urn:imgsearch:{name}",
        "title": HTTP_STATUS_CODES.get(status, "Error"),
        "status": status,
        "detail": printable(error.message),
    }
    hint = spoken(printable(error.hint))
    return problem | ({"hint": hint} if hint else {})


def printable(text: str) -> str:
    """``text`` without lone surrogates, which UTF-8 has no bytes for: file names may hold them."""
    return text.encode("utf-8", "replace").decode("utf-8")


def answer_problem(error: ImgsearchError) -> Response:
    """The answer to an error of ours: problem+json under /api/ and for clients that do not ask for HTML, else a
    page."""
    problem = problem_of(error)
    retry_after_s = error.retry_after_s if isinstance(error, WebError) else None
    return _answer(problem, retry_after_s)


def install_problems(app: Flask) -> None:
    """Make ``app`` answer every error this way."""
    app.register_error_handler(ImgsearchError, _on_ours)
    app.register_error_handler(HTTPException, _on_http)
    app.register_error_handler(Exception, _on_bug)


def _on_ours(error: ImgsearchError) -> Response:
    if status_of(error) >= 500 and not isinstance(error, Overloaded):
        _LOG.error("%s %s: %s", request.method, request.path, error.message)
    return answer_problem(error)


_WORDS = {
    400: ("the request cannot be read", ""),
    404: ("there is nothing at this address", "pictures are found with words; /api/v1/openapi.json lists the API"),
    405: ("this address does not take the method {method}", "the header Allow names those that it takes"),
    413: ("the upload is larger than this server takes", "send a smaller copy: 1,000 pixels are enough to search by"),
    414: ("the address is too long", "shorten the query"),
    431: ("the address or the head of the request is too long", "shorten the query, or delete this site's cookies"),
    501: ("the request cannot be read", ""),
}
"""What is said where Flask or waitress refuses a request: (detail, hint). Their own words are about URLs."""


def http_problem(status: int, method: str = "", described: str = "") -> dict[str, object]:
    """The problem object of a status that the app itself did not raise."""
    detail, hint = _WORDS.get(status, (described or HTTP_STATUS_CODES.get(status, ""), ""))
    title = HTTP_STATUS_CODES.get(status, "Error")
    problem: dict[str, object] = {"type": "about:blank", "title": title, "status": status}
    return problem | {"detail": detail.format(method=method)} | ({"hint": hint} if hint else {})


def _on_http(error: HTTPException) -> Response | HTTPException:
    """Flask's own: an unknown route, a method that is not allowed, a body over the limit; a redirect stays one."""
    if error.response is not None or (error.code or 500) < 400:
        return error
    status = error.code or 500
    answer = _answer(http_problem(status, request.method, error.description or ""), None)
    for name, value in error.get_headers():
        if name.lower() not in ("content-type", "content-length"):
            answer.headers[name] = value
    return answer


def _on_bug(error: Exception) -> Response:
    """A fault of ours: reported in the log, not to the client."""
    _LOG.exception("%s %s failed", request.method, request.path, exc_info=error)
    detail = "the server met an error that it did not expect; its log tells more"
    title = HTTP_STATUS_CODES[500]
    return _answer({"type": "about:blank", "title": title, "status": 500, "detail": detail}, None)


def _answer(problem: dict[str, object], retry_after_s: int | None) -> Response:
    status = int(str(problem["status"]))
    if wants_page():
        answer = Response(_page(problem), status, mimetype="text/html")
    else:
        answer = Response(json.dumps(problem), status, content_type="application/problem+json")
    if retry_after_s is not None:
        answer.headers["Retry-After"] = str(retry_after_s)
    if status == 401:
        answer.headers["WWW-Authenticate"] = 'Bearer realm="imgsearch"'
    answer.headers["Cache-Control"] = "no-store"
    return answer


def wants_page() -> bool:
    """Whether a person looks at the answer: HTML is accepted outside of /api/, or a browser opened it as a page, such
    as the original of a picture in a tab of its own."""
    opened = request.headers.get("Sec-Fetch-Dest") == "document"
    return (opened or not request.path.startswith("/api/")) and request.accept_mimetypes.accept_html


def refusal_of(app: Flask) -> Callable[[int, str, str | None], tuple[list[tuple[str, str]], bytes]]:
    """What a server says to requests that never reach ``app``: see `web.refusals`."""

    def refuse(status: int, path: str, accept: str | None) -> tuple[list[tuple[str, str]], bytes]:
        problem = http_problem(status)
        shown = not path.startswith("/api/") and (accept is None or "text/html" in accept)
        with app.test_request_context("/", environ_overrides={"SCRIPT_NAME": app.config["APPLICATION_PREFIX"]}):
            body = _page(problem) if shown else json.dumps(problem)
        kind = "text/html; charset=utf-8" if shown else "application/problem+json"
        headers = [("Content-Type", kind), ("Cache-Control", "no-store"), *app.config["SECURITY_HEADERS"].items()]
        return headers, body.encode()

    return refuse


_HEADINGS = {
    400: "That cannot be searched for",
    403: "That is not allowed",
    404: "Nothing is here",
    405: "Nothing is here",
    410: "The picture is not there any more",
    413: "That is too large",
    414: "That is too long",
    422: "That picture cannot be read",
    431: "That is too long",
    500: "Something went wrong",
    503: "Too busy just now",
    507: "The library cannot be read or written",
}


def _page(problem: dict[str, object]) -> str:
    heading = _HEADINGS.get(int(str(problem["status"])), problem["title"])
    problem = problem | {name: on_a_page(str(problem.get(name, ""))) for name in ("detail", "hint")}
    try:
        return render_template("error.html", problem=problem, heading=heading)
    except TemplateNotFound:  # a page without any style, better than none
        lines = (f"<p>{escape(problem[name])}</p>" for name in ("detail", "hint") if problem.get(name))
        return f"<!doctype html><title>{escape(problem['title'])}</title>{''.join(lines)}"
