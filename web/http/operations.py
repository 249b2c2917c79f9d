"""How an operation of the API is described: its parameters, answers and problems, in the form of OpenAPI 3.1."""

from __future__ import annotations

from typing import Any

from imgsearch.search.selection import SORTS
from web.config import MAX_QUERY_CHARS
from web.http.answers import LONGEST_CURSOR, MOST, MOST_RERANKED
from web.http.schemas import Schema, ref

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
    507: "the library cannot be written to: its disk is full, or read-only",
}
_ALWAYS = (400, 401, 403, 500, 503)


def operation(
    name: str,
    summary: str,
    answer: str | None,
    parameters: list[Part],
    problems: tuple[int, ...] = (),
    status: int = 200,
) -> Part:
    """``answer``: the schema of the answer with ``status``; None if the caller adds it."""
    responses: Part = {str(status): json_answer(ref(answer))} if answer else {}
    responses |= {str(number): problem(_PROBLEMS[number]) for number in (*_ALWAYS, *problems)}
    return {"operationId": name, "summary": summary, "parameters": parameters, "responses": responses}


def json_answer(schema: Schema) -> Part:
    return {"description": "the answer", "content": {"application/json": {"schema": schema}}}


def problem(text: str) -> Part:
    return {"description": text, "content": {"application/problem+json": {"schema": ref("Problem")}}}


def event_stream(text: str, names: list[str]) -> Part:
    """The schema is that of one event."""
    said = {"id": {"type": "string"}, "event": {"enum": [*names, "problem"]}}
    data = {"type": "string", "contentMediaType": "application/json"}
    event = {"type": "object", "properties": {**said, "data": data}, "required": ["event", "data"]}
    return {"description": text, "content": {"text/event-stream": {"schema": event}}}


def bytes_of(kind: str) -> Part:
    return {
        "200": {"description": "the bytes", "content": {kind: {}}},
        "304": {"description": "what the client has, as If-None-Match says, is still true"},
    }


def parameter(name: str, schema: Schema, text: str, *, required: bool = False) -> Part:
    return {"name": name, "in": "query", "required": required, "schema": schema, "description": text}


def q(*, required: bool = False) -> Part:
    schema = {"type": "string", "maxLength": MAX_QUERY_CHARS}
    return parameter("q", schema, "in the query language (docs/search.md)", required=required)


def limit(usual: int) -> Part:
    schema = {"type": "integer", "minimum": 1, "maximum": MOST, "default": usual}
    return parameter("limit", schema, "how many at most")


def cursor(longest: int = LONGEST_CURSOR) -> Part:
    return parameter("cursor", {"type": "string", "maxLength": longest}, "`next_cursor` of the page before")


RERANK = parameter(
    "rerank",
    {"type": "integer", "minimum": -1, "maximum": MOST_RERANKED, "default": -1},
    "candidates that ITM re-reads; 0 none, -1 as the server thinks right",
)
SORT = parameter(
    "sort",
    {"type": "string", "enum": list(SORTS), "default": "best"},
    "filters alone: over all that they leave; words or a picture: over the best 500 that match",
)
LINK = {
    "Link": {"description": 'the next page: `<...>; rel="next"`; absent on the last one', "schema": {"type": "string"}}
}
ALL = parameter("all", {"type": "integer", "enum": [0, 1], "default": 0}, "1: go on behind the last confident hit")
