"""The API's own description: OpenAPI 3.1, true to the code (tests/web/routes/test_openapi.py)."""

from __future__ import annotations

from flask import Blueprint, has_request_context, jsonify
from flask.typing import ResponseReturnValue

from imgsearch.dedup.evidence.records import TIERS
from imgsearch.dedup.plan.review import STATES
from imgsearch.media.thumbnail import SIDES
from web.http.answers import LIMIT
from web.http.context import rooted
from web.http.examples import explained
from web.http.operations import (
    ALL,
    LINK,
    RERANK,
    SORT,
    Part,
    bytes_of,
    cursor,
    event_stream,
    json_answer,
    limit,
    operation,
    parameter,
    q,
)
from web.http.routes import jobs, news, timeline
from web.http.routes.collecting import albums, marks, selections
from web.http.routes.duplicates import DECISIONS, GROUPS, MOST_GROUPS
from web.http.routes.first_run import setup
from web.http.routes.places import description as places
from web.http.schemas import IMAGE_ID, QUESTION, SCHEMAS, Schema, ref

blueprint = Blueprint("openapi", __name__, url_prefix="/api/v1")


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
            "schemas": SCHEMAS | setup.SETUP_SCHEMAS | news.NEWS_SCHEMAS | places.PLACE_SCHEMAS,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "imgsearch", "description": "from /login"},
            },
        },
    }


def _paths() -> dict[str, Part]:
    ours = _search_paths() | _picture_paths() | _text_paths() | _library_paths() | _duplicate_paths()
    return (
        ours
        | timeline.paths()
        | places.paths()
        | selections.paths()
        | albums.paths()
        | marks.paths()
        | jobs.paths()
        | news.paths()
        | setup.paths()
    )


def _search_paths() -> dict[str, Part]:
    query = [q(), limit(LIMIT), cursor(), RERANK, ALL]
    form: Schema = {
        "type": "object",
        "properties": {
            "image": {"type": "string", "contentMediaType": "application/octet-stream"},
            **{each["name"]: each["schema"] for each in [q(), *query[1:]]},
        },
        "required": ["image"],
        "additionalProperties": False,
    }
    found = operation("search", "Pictures that fit a query", "Answer", [*query, SORT])
    found["responses"]["200"]["headers"] = LINK
    by_picture = operation("searchByPicture", "Pictures like one that is uploaded", "Answer", [], (413, 415, 422))
    by_picture["requestBody"] = {"required": True, "content": {"multipart/form-data": {"schema": form}}}
    stream = operation("streamSearch", "The order by vectors at once, then the re-ranked one", None, query)
    stream["responses"]["200"] = event_stream(
        "`itc`, then `itm`, each with an Answer; or `problem` with a Problem", ["itc", "itm"]
    )
    stream["responses"]["204"] = {"description": "to a browser that comes back after the last event: there is no more"}
    return {
        "/search": {"get": found, "post": by_picture},
        "/search/stream": {"get": stream},
        "/alternatives": {
            "get": operation("alternatives", "The nearest searches that find something", "Alternatives", [q()])
        },
        "/facets": {"get": operation("facets", "What may be filtered by, with counts", "Facets", [q()])},
        "/facets/places": {"get": operation("placeFacets", "Towns to filter by, with counts", "PlaceFacets", [q()])},
    }


def _picture_paths() -> dict[str, Part]:
    picture = {"name": "image_id", "in": "path", "required": True, "schema": IMAGE_ID}
    size = parameter("size", {"type": "string", "enum": [*SIDES], "default": "small"}, "320, 640 or 1280 pixels")
    download = parameter("download", {"type": "integer", "enum": [0, 1], "default": 0}, "1: as a download")
    version = {
        "name": "version",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "pattern": "^[0-9a-f]{16}-[0-9]+$"},
    }
    thumbnail = operation("thumbnail", "A small WebP", None, [picture, size], (404, 410))
    thumbnail["responses"] |= bytes_of("image/webp")
    kept = operation(
        "keptThumbnail", "The same, under the path that an answer names", None, [picture, version, size], (404, 410)
    )
    kept["responses"] |= bytes_of("image/webp")
    original = operation(
        "original", "The file itself, or a range of it", None, [picture, download, q()], (404, 410, 416)
    )
    original["responses"] |= bytes_of("*/*")
    original["responses"]["206"] = original["responses"]["200"] | {"description": "the range"}
    full = operation("full", "The picture in full size as every browser shows it", None, [picture], (404, 410, 422))
    full["responses"] |= bytes_of("image/jpeg")
    full["responses"]["307"] = {"description": "the original is what browsers show"}
    match = operation("match", "Why a picture matched", "Match", [picture, q(required=True)], (404, 410, 422))
    film = operation("film", "The film of a Live Photo or motion photo", None, [picture], (404, 410, 416))
    film["responses"] |= bytes_of("video/mp4")
    film["responses"]["206"] = film["responses"]["200"] | {"description": "the range"}
    ids = {"type": "string", "pattern": "^[0-9]{1,18}(,[0-9]{1,18}){0,99}$"}
    motion = operation("motion", "Which pictures move", "Motion", [parameter("ids", ids, "up to 100", required=True)])
    return {
        "/motion": {"get": motion},
        "/pictures/{image_id}/film": {"get": film},
        "/pictures/{image_id}": {"get": operation("picture", "One picture", "Picture", [picture, q()], (404,))},
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
        show = operation(f"caption{mark}", told, "Caption", [picture], (404, 409, 410, 422))
        make = operation(f"makeCaption{mark}", "A new caption, kept", "Caption", [picture], (404, 409, 410, 422))
        ask = operation(f"ask{mark}", "A question about the picture", None, [picture], (404, 409, 410, 413, 415, 422))
        ask["description"] = "Server-sent events, unless `Accept` asks for application/json alone or first."
        ask["requestBody"] = {"required": True, "content": {"application/json": {"schema": QUESTION} | _ASKED}}
        events = event_stream(
            "`waiting`, `token` for each, then `answer` with a SpokenAnswer; or `problem`", _ASK_EVENTS
        )
        events["content"] |= json_answer(ref("SpokenAnswer"))["content"]
        events["content"]["application/json"]["example"] = _ANSWERED
        ask["responses"]["200"] = events
        paths[f"/{noun}/{{image_id}}/caption"] = {"get": show, "post": make}
        paths[f"/{noun}/{{image_id}}/ask"] = {"post": ask}
        read = operation(f"text{mark}", "The words read in a picture", "ReadText", [picture, q()], (404,))
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
    failures = operation("failures", "Files that could not be indexed", "Failures", [limit(100), cursor(12_000)])
    failures["responses"]["200"]["headers"] = LINK
    openapi = operation("openapi", "This document", None, [])
    openapi["responses"]["200"] = json_answer({"type": "object"})
    return {
        "/status": {"get": operation("status", "Counts, model, disk use, folders", "Status", [])},
        "/failures": {"get": failures},
        "/openapi.json": {"get": openapi},
    }


def _duplicate_paths() -> dict[str, Part]:
    key = {"name": "key", "in": "path", "required": True, "schema": {"type": "string", "pattern": "^[0-9a-f]{24}$"}}
    limit = {"type": "integer", "minimum": 1, "maximum": MOST_GROUPS, "default": GROUPS}
    parameters = [
        parameter("state", {"enum": list(STATES), "default": "open"}, "what was decided about the groups"),
        parameter("tier", {"enum": list(TIERS)}, "the weakest evidence of what a group moves"),
        parameter("limit", limit, "how many at most"),
        cursor(24),
    ]
    decide = operation("decide", "Decide about groups of duplicates", "Decided", [], (404, 409, 413, 415))
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
    one = operation("duplicateGroup", "One group of duplicates", "DuplicateGroup", [key], (404,))
    return {
        "/duplicates": {"get": operation("duplicates", "Groups of the newest plan", "Duplicates", parameters)},
        "/duplicates/groups/{key}": {"get": one},
        "/duplicates/decisions": {"post": decide},
    }
