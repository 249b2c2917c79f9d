"""Several pictures at once: their files as one zip, and their paths."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from typing import cast

from flask import Blueprint, Response, current_app, jsonify, request
from flask.typing import ResponseReturnValue

from web.http.context import current_service, draining
from web.http.operations import Part, operation
from web.http.routes.collecting.asked import MOST_BYTES, asked, numbers
from web.http.routes.images import disposition, first_that_is_true
from web.http.schemas.collected import IDS
from web.problems import Overloaded, printable
from web.services.zipping import zipped

blueprint = Blueprint("selections", __name__, url_prefix="/api/v1/selections")

_AT_ONCE = 2
"""Zips that are sent at a time: each takes a thread of the server until its client has it."""

_SLOTS = "imgsearch.zip_slots"


@blueprint.post("/zip")
def send_zip() -> ResponseReturnValue:
    """The originals of the pictures ``ids`` as one zip, made while it is sent: nothing is written to the disk."""
    request.max_content_length = MOST_BYTES
    ids = numbers(request.form.get("ids", "").split(","))
    return packed(ids, f"{len(ids)} pictures.zip")


def packed(ids: Sequence[int], name: str) -> Response:
    """The originals of ``ids`` as a zip of that name, made while it is sent. Raises Overloaded."""
    slots = cast(threading.BoundedSemaphore, current_app.extensions.setdefault(_SLOTS, _slots()))
    if not slots.acquire(blocking=False):
        raise Overloaded("as many downloads of several pictures go on as this server allows", retry_after_s=10)
    slot = contextlib.ExitStack()
    slot.callback(slots.release)
    answer = Response(
        _holding(slot, zipped(current_service().store, ids, draining(), first_that_is_true)), mimetype="application/zip"
    )
    answer.call_on_close(slot.close)  # also of an answer that was never begun
    answer.headers["Content-Disposition"] = disposition(name, download=True)
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["X-Accel-Buffering"] = "no"
    return answer


@blueprint.post("/paths")
def show_paths() -> ResponseReturnValue:
    """The path of each picture's first file, in the order of ``ids``."""
    ids = numbers(asked("ids").get("ids"))
    found = current_service().store.all_paths(ids)
    return jsonify({"paths": [printable(str(found[one][0])) for one in ids if one in found]})


def _slots() -> threading.BoundedSemaphore:
    return threading.BoundedSemaphore(_AT_ONCE)


def _holding(slot: contextlib.ExitStack, parts: Iterator[bytes]) -> Iterator[bytes]:
    with slot:
        yield from parts


def paths() -> dict[str, Part]:
    """The operations, for the API's description."""
    ids = {"type": "string", "pattern": "^[0-9]+(,[0-9]+)*$", "description": "ids with commas between them"}
    zipped_ones = operation("zip", "The files of several pictures as one zip", None, [], (413,))
    zipped_ones["requestBody"] = {
        "required": True,
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {
                    "type": "object",
                    "properties": {"ids": ids, "csrf_token": {"type": "string"}},
                    "required": ["ids"],
                }
            }
        },
    }
    zipped_ones["responses"]["200"] = {"description": "the zip, of no known length", "content": {"application/zip": {}}}
    listed = operation("paths", "Where the files of several pictures lie", "Paths", [], (413, 415))
    body = {"type": "object", "properties": {"ids": IDS}, "required": ["ids"], "additionalProperties": False}
    listed["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return {"/selections/zip": {"post": zipped_ones}, "/selections/paths": {"post": listed}}
