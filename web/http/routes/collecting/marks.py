"""Favourites and hidden pictures."""

from __future__ import annotations

import json

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from imgsearch.errors import UsageError
from imgsearch.records import Clause, Filters
from imgsearch.storage.catalog.collected.marks import FAVOURITE, MARKS
from imgsearch.storage.collecting import Collecting
from web.http.context import current_service
from web.http.operations import Part, operation
from web.http.routes.collecting.asked import asked, flag, numbers
from web.http.routes.collecting.selections import packed
from web.http.schemas.collected import IDS, MARK
from web.problems import NotFound, printable

blueprint = Blueprint("marks", __name__, url_prefix="/api/v1")


@blueprint.post("/marks")
def set_mark() -> ResponseReturnValue:
    """Make pictures favourites or hide them; take that back."""
    given = asked("mark", "ids", "on")
    mark, on = given.get("mark"), flag(given, "on")
    if mark not in MARKS:
        told = printable(json.dumps(mark)[:40])
        raise UsageError(f"got the mark {told}, expected one of {', '.join(MARKS)}", '{"mark": "favourite"}')
    changed = Collecting(current_service().store).mark(mark, numbers(given.get("ids")), on=on)
    return jsonify({"mark": mark, "on": on, "changed": changed})


@blueprint.get("/favourites/zip")
def send_favourites() -> ResponseReturnValue:
    """The originals of all favourites as one zip, without hidden pictures; made while it is sent."""
    store = current_service().store
    ids = store.matching_images(Filters((Clause("is", FAVOURITE),))).tolist()
    if not ids:
        raise NotFound("no picture is a favourite", "choose some with f, or with the heart of an open picture")
    return packed(ids, "Favourites.zip")


def paths() -> dict[str, Part]:
    """The operations, for the API's description."""
    found = operation("mark", "Favourites and hidden pictures", "Marked", [], (413, 415, 507))
    properties = {"mark": MARK, "ids": IDS, "on": {"type": "boolean", "default": True}}
    body = {"type": "object", "properties": properties, "required": ["mark", "ids"], "additionalProperties": False}
    found["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    whole = operation("zipFavourites", "The files of all favourites as one zip", None, [], (404,))
    whole["responses"]["200"] = {"description": "the zip, of no known length", "content": {"application/zip": {}}}
    return {"/marks": {"post": found}, "/favourites/zip": {"get": whole}}
