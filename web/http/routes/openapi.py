"""The API's own description: OpenAPI 3.1, true to the code (tests/web/routes/test_openapi.py)."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, has_request_context, jsonify
from flask.typing import ResponseReturnValue

from imgsearch.dedup.evidence.records import TIERS
from imgsearch.dedup.plan.review import STATES
from imgsearch.search.selection import SORTS
from web.config import MAX_QUERY_CHARS
from web.http.answers import LIMIT, LONGEST_CURSOR, MOST, MOST_RERANKED
from web.http.context import rooted
from web.http.examples import explained
from web.http.routes.duplicates import DECISIONS, GROUPS, MOST_GROUPS
from web.http.schemas import IMAGE_ID, QUESTION, SCHEMAS, TEXT, Schema, ref

blueprint = Blueprint("openapi", __name__, url_prefix="/api/v1")

Part = dict[str, Any]

_PROBLEMS = {
    400: "a parameter or the query is not what it should be",
    401: "a login or a token is needed",
    403: "another site asked, or the change came without the CSRF token",
    404: "there is no such picture, job or group",
    409: "it cannot be done now",
    410: "no file holds the picture any more",
    413: "the upload is too large",
    415: "the body is of another type",
    416: "the range lies outside of the file",
    422: "the upload is no picture that can be read",
    500: "an error of the server's",
    503: "too much is asked for at once; Retry-After says when to come again",
}
_ALWAYS = (400, 401, 403, 500, 503)


@blueprint.get("/openapi.json")
def show_openapi() -> ResponseReturnValue:
    """This document."""
    return jsonify(document())


def document() -> Part:
    """The whole of it."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "imgsearch",
            "version": "1",
            "summary": "Search your own pictures by describing them",
            "description": "See docs/http-api.md. Errors are application/problem+json.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": rooted("/") if has_request_context() else "/"}],
        "security": [{}, {"token": []}, {"session": []}],
        "paths": {
            f"/api/v1{path}": {method: explained(each["operationId"], each) for method, each in operations.items()}
            for path, operations in _paths().items()
        },
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "imgsearch", "description": "from /login"},
            },
        },
    }


def _paths() -> dict[str, Part]:
    return _search_paths() | _picture_paths() | _text_paths() | _library_paths() | _duplicate_paths() | _job_paths()


def _search_paths() -> dict[str, Part]:
    query = [_q(), _limit(LIMIT), _cursor(), _RERANK, _ALL]
    form: Schema = {
        "type": "object",
        "properties": {
            "image": {"type": "string", "contentMediaType": "application/octet-stream"},
            **{each["name"]: each["schema"] for each in [_q(), *query[1:]]},
        },
        "required": ["image"],
        "additionalProperties": False,
    }
    found = _operation("search", "Pictures that fit a query", "Answer", [*query, _SORT])
    found["responses"]["200"]["headers"] = _LINK
    by_picture = _operation("searchByPicture", "Pictures like one that is uploaded", "Answer", [], (413, 415, 422))
    by_picture["requestBody"] = {"required": True, "content": {"multipart/form-data": {"schema": form}}}
    stream = _operation("streamSearch", "The order by vectors at once, then the re-ranked one", None, query)
    stream["responses"]["200"] = _events(
        "`itc`, then `itm`, each with an Answer; or `problem` with a Problem", ["itc", "itm"]
    )
    stream["responses"]["204"] = {"description": "to a browser that comes back after the last event: there is no more"}
    return {
        "/search": {"get": found, "post": by_picture},
        "/search/stream": {"get": stream},
        "/alternatives": {
            "get": _operation("alternatives", "The nearest searches that find something", "Alternatives", [_q()])
        },
        "/facets": {"get": _operation("facets", "What may be filtered by, with counts", "Facets", [_q()])},
    }


def _picture_paths() -> dict[str, Part]:
    picture = {"name": "image_id", "in": "path", "required": True, "schema": IMAGE_ID}
    size = _parameter("size", {"type": "string", "enum": ["small", "large"], "default": "small"}, "320 or 1280 pixels")
    download = _parameter("download", {"type": "integer", "enum": [0, 1], "default": 0}, "1: as a download")
    version = {
        "name": "version",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "pattern": "^[0-9a-f]{16}-[0-9]+$"},
    }
    thumbnail = _operation("thumbnail", "A small WebP", None, [picture, size], (404, 410))
    thumbnail["responses"] |= _bytes("image/webp")
    kept = _operation(
        "keptThumbnail", "The same, under the path that an answer names", None, [picture, version, size], (404, 410)
    )
    kept["responses"] |= _bytes("image/webp")
    original = _operation("original", "The file itself, or a range of it", None, [picture, download], (404, 410, 416))
    original["responses"] |= _bytes("*/*")
    original["responses"]["206"] = original["responses"]["200"] | {"description": "the range"}
    full = _operation("full", "The picture in full size as every browser shows it", None, [picture], (404, 410, 422))
    full["responses"] |= _bytes("image/jpeg")
    full["responses"]["307"] = {"description": "the original is what browsers show"}
    match = _operation("match", "Why a picture matched", "Match", [picture, _q(required=True)], (404, 410, 422))
    return {
        "/pictures/{image_id}": {"get": _operation("picture", "One picture", "Picture", [picture], (404,))},
        "/pictures/{image_id}/thumbnail": {"get": thumbnail},
        "/pictures/{image_id}/thumbnail/{version}": {"get": kept},
        "/pictures/{image_id}/full": {"get": full},
        "/pictures/{image_id}/original": {"get": original},
        "/pictures/{image_id}/match": {"get": match},
    }


def _text_paths() -> dict[str, Part]:
    """Both spellings: the rest of the API says pictures."""
    paths: dict[str, Part] = {}
    for noun, mark in (("pictures", ""), ("images", "OfImage")):
        picture = {"name": "image_id", "in": "path", "required": True, "schema": IMAGE_ID}
        told = "The caption that is stored, or one that is made now"
        show = _operation(f"caption{mark}", told, "Caption", [picture], (404, 409, 410, 422))
        make = _operation(f"makeCaption{mark}", "A new caption, kept", "Caption", [picture], (404, 409, 410, 422))
        ask = _operation(f"ask{mark}", "A question about the picture", None, [picture], (404, 409, 410, 413, 415, 422))
        ask["description"] = "Server-sent events, unless `Accept` asks for application/json alone or first."
        ask["requestBody"] = {"required": True, "content": {"application/json": {"schema": QUESTION} | _ASKED}}
        events = _events("`waiting`, `token` for each, then `answer` with a SpokenAnswer; or `problem`", _ASK_EVENTS)
        events["content"] |= _json(ref("SpokenAnswer"))["content"]
        events["content"]["application/json"]["example"] = _ANSWERED
        ask["responses"]["200"] = events
        paths[f"/{noun}/{{image_id}}/caption"] = {"get": show, "post": make}
        paths[f"/{noun}/{{image_id}}/ask"] = {"post": ask}
        read = _operation(f"text{mark}", "The words read in a picture", "ReadText", [picture, _q()], (404,))
        paths[f"/{noun}/{{image_id}}/text"] = {"get": read}
    return paths


_ASK_EVENTS = ["waiting", "token", "answer"]
_ASKED: Part = {
    "example": {
        "question": "what colour is it?",
        "history": [{"question": "what is this?", "answer": "a boat"}],
    }
}
_ANSWERED: Part = {
    "image_id": 17,
    "question": "what colour is it?",
    "answer": "red",
    "statement": "it is red",
    "itm_probability": 0.94,
    "generator": "mini",
}


def _library_paths() -> dict[str, Part]:
    failures = _operation("failures", "Files that could not be indexed", "Failures", [_limit(100), _cursor(12_000)])
    failures["responses"]["200"]["headers"] = _LINK
    openapi = _operation("openapi", "This document", None, [])
    openapi["responses"]["200"] = _json({"type": "object"})
    return {
        "/status": {"get": _operation("status", "Counts, model, disk use, folders", "Status", [])},
        "/failures": {"get": failures},
        "/openapi.json": {"get": openapi},
    }


def _duplicate_paths() -> dict[str, Part]:
    key = {"name": "key", "in": "path", "required": True, "schema": {"type": "string", "pattern": "^[0-9a-f]{24}$"}}
    limit = {"type": "integer", "minimum": 1, "maximum": MOST_GROUPS, "default": GROUPS}
    parameters = [
        _parameter("state", {"enum": list(STATES), "default": "open"}, "what was decided about the groups"),
        _parameter("tier", {"enum": list(TIERS)}, "the weakest evidence of what a group moves"),
        _parameter("limit", limit, "how many at most"),
        _cursor(24),
    ]
    decide = _operation("decide", "Decide about groups of duplicates", "Decided", [], (404, 409, 413, 415))
    body: Schema = {
        "type": "object",
        "properties": {
            "decide": {"enum": list(DECISIONS)},
            "groups": {"type": "array", "items": {"type": "string"}},
            "tier": {"enum": list(TIERS), "description": "in place of groups: all open ones of this tier"},
            "file": {"type": "string", "description": "of one group, for keeper, stay, move; distinct may have one"},
        },
        "required": ["decide"],
    }
    decide["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    one = _operation("duplicateGroup", "One group of duplicates", "DuplicateGroup", [key], (404,))
    return {
        "/duplicates": {"get": _operation("duplicates", "Groups of the newest plan", "Duplicates", parameters)},
        "/duplicates/groups/{key}": {"get": one},
        "/duplicates/decisions": {"post": decide},
    }


def _job_paths() -> dict[str, Part]:
    job = {"name": "job_id", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 1}}
    told = "Index folders; look for duplicates; move those that were accepted; bring a run's files back"
    start = _operation("startJob", told, "Job", [], (404, 409, 413, 415), status=202)
    kinds = {
        "kind": {"enum": ["index", "dedup-find", "dedup-apply", "dedup-undo"]},
        "run_id": {"type": "string", "description": "of dedup-undo: the run whose files come back"},
        "folders": {"type": "array", "items": TEXT, "description": "of index: folders inside those of the library"},
    }
    body: Schema = {"type": "object", "properties": kinds, "required": ["kind"], "additionalProperties": False}
    start["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    stream = _operation("streamJobs", "Runs as they go on", None, [])
    stream["responses"]["200"] = _events(
        "`jobs` with all, `job` with one that changed, `end` when none goes on", ["jobs", "job", "end"]
    )
    return {
        "/jobs": {"get": _operation("jobs", "Runs of this server, the newest first", "Jobs", []), "post": start},
        "/jobs/{job_id}": {
            "get": _operation("job", "One run", "Job", [job], (404,)),
            "delete": _operation("stopJob", "Stop a run, as Ctrl-C does", "Job", [job], (404,), status=202),
        },
        "/jobs/stream": {"get": stream},
    }


def _operation(
    name: str,
    summary: str,
    answer: str | None,
    parameters: list[Part],
    problems: tuple[int, ...] = (),
    status: int = 200,
) -> Part:
    """``answer``: the schema of the answer with ``status``; None if the caller adds it."""
    responses: Part = {str(status): _json(ref(answer))} if answer else {}
    responses |= {str(number): _problem(_PROBLEMS[number]) for number in (*_ALWAYS, *problems)}
    return {"operationId": name, "summary": summary, "parameters": parameters, "responses": responses}


def _json(schema: Schema) -> Part:
    return {"description": "the answer", "content": {"application/json": {"schema": schema}}}


def _problem(text: str) -> Part:
    return {"description": text, "content": {"application/problem+json": {"schema": ref("Problem")}}}


def _events(text: str, names: list[str]) -> Part:
    """The schema is that of one event."""
    said = {"id": {"type": "string"}, "event": {"enum": [*names, "problem"]}}
    data = {"type": "string", "contentMediaType": "application/json"}
    event = {"type": "object", "properties": {**said, "data": data}, "required": ["event", "data"]}
    return {"description": text, "content": {"text/event-stream": {"schema": event}}}


def _bytes(kind: str) -> Part:
    return {
        "200": {"description": "the bytes", "content": {kind: {}}},
        "304": {"description": "what the client has, as If-None-Match says, is still true"},
    }


def _parameter(name: str, schema: Schema, text: str, *, required: bool = False) -> Part:
    return {"name": name, "in": "query", "required": required, "schema": schema, "description": text}


def _q(*, required: bool = False) -> Part:
    schema = {"type": "string", "maxLength": MAX_QUERY_CHARS}
    return _parameter("q", schema, "in the query language (docs/search.md)", required=required)


def _limit(usual: int) -> Part:
    schema = {"type": "integer", "minimum": 1, "maximum": MOST, "default": usual}
    return _parameter("limit", schema, "how many at most")


def _cursor(longest: int = LONGEST_CURSOR) -> Part:
    return _parameter("cursor", {"type": "string", "maxLength": longest}, "`next_cursor` of the page before")


_RERANK = _parameter(
    "rerank",
    {"type": "integer", "minimum": -1, "maximum": MOST_RERANKED, "default": -1},
    "candidates that ITM re-reads; 0 none, -1 as the server thinks right",
)
_SORT = _parameter(
    "sort",
    {"type": "string", "enum": list(SORTS), "default": "best"},
    "filters alone: over all that they leave; words or a picture: over the best 500 that match",
)
_LINK = {
    "Link": {"description": 'the next page: `<...>; rel="next"`; absent on the last one', "schema": {"type": "string"}}
}
_ALL = _parameter("all", {"type": "integer", "enum": [0, 1], "default": 0}, "1: go on behind the last confident hit")
