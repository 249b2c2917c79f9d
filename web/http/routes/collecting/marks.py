"""Favourites and hidden pictures."""

from __future__ import annotations

import json

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from imgsearch.errors import UsageError
from imgsearch.storage.catalog.collected.marks import MARKS
from imgsearch.storage.collecting import Collecting
from web.http.context import current_service
from web.http.operations import Part, operation
from web.http.routes.collecting.asked import asked, flag, numbers
from web.http.schemas.collected import IDS, MARK
from web.problems import printable

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


def paths() -> dict[str, Part]:
    """The operations, for the API's description."""
    found = operation("mark", "Favourites and hidden pictures", "Marked", [], (413, 415, 507))
    properties = {"mark": MARK, "ids": IDS, "on": {"type": "boolean", "default": True}}
    body = {"type": "object", "properties": properties, "required": ["mark", "ids"], "additionalProperties": False}
    found["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return {"/marks": {"post": found}}
