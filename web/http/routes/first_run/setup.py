"""What a page needs to make a library, or to add folders to one: models, folders of this machine, where it stands
(docs/http-api.md)."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from imgsearch.errors import UsageError
from web.http.context import current_setup
from web.http.operations import Part, operation
from web.http.parameters import require_json, require_known
from web.http.schemas import Schema
from web.http.setup_access import may_set_up, require_setup
from web.problems import printable
from web.services.welcome.folders import Listing

blueprint = Blueprint("setup", __name__, url_prefix="/api/v1")

_MOST_BYTES = 50_000  # a path of 4,096 bytes, each as an escape


@blueprint.get("/setup")
def show_setup() -> ResponseReturnValue:
    """Where the making of the library stands; what may be chosen, for those who may."""
    setup, allowed = current_setup(), may_set_up()
    told = setup.state()
    if not allowed:
        told |= {"models": [], "roots": []}
    return jsonify(told | {"allowed": allowed})


@blueprint.post("/setup/folders")
def list_folders() -> ResponseReturnValue:
    """The folders in one of this machine's folders. POST, as their names may be in no encoding."""
    require_setup()
    require_json()
    request.max_content_length = _MOST_BYTES
    wanted = request.get_json(silent=True)
    path = wanted.get("path", "") if isinstance(wanted, dict) else None
    if not isinstance(path, str):
        raise UsageError("the request names no folder", 'send {"path": "/photos"} as application/json')
    require_known(wanted or {}, ("path",), "field")
    return jsonify(_told(current_setup().rules.listing(path or None)))


@blueprint.post("/setup/leave-demo")
def leave_demo() -> ResponseReturnValue:
    """Close the demo: the welcome page answers again."""
    require_setup()
    current_setup().leave_demo()
    return "", 204


def _told(listing: Listing) -> dict[str, Any]:
    return {
        "path": listing.path,
        "shown": None if listing.path is None else printable(listing.path),
        "parent": listing.parent,
        "folders": [{"name": printable(name), "path": path} for name, path in listing.folders],
        "pictures": listing.pictures,
        "elsewhere": listing.elsewhere,
        "cut": listing.cut,
    }


_TEXT: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer", "minimum": 0}


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _or_null(schema: Schema) -> Schema:
    return schema | {"type": [schema["type"], "null"]}


_FOLDER = _object(name=_TEXT, path=_TEXT)
_MODEL = _object(
    name=_TEXT,
    title=_TEXT,
    about=_TEXT,
    photographs={"type": "boolean", "description": "whether it knows photographs, not drawn scenes alone"},
    here={"type": "boolean", "description": "whether its files are on this machine"},
    download_bytes=_COUNT,
    memory_bytes=_COUNT | {"description": "that reading pictures takes"},
    fits={"enum": ["yes", "tight", "no", "unknown"]},
    seconds_each=_or_null({"type": "number"}) | {"description": "a picture, on this machine"},
    graphics_card={"type": "boolean"},
    runs={"type": "boolean", "description": "whether the packages that it needs are installed"},
    note=_TEXT,
    suggested={"type": "boolean"},
)
SETUP_SCHEMAS: dict[str, Schema] = {
    "Setup": _object(
        ready={"type": "boolean", "description": "whether a library is open"},
        demo={"type": "boolean", "description": "whether it is the demo"},
        allowed={"type": "boolean", "description": "whether this client may choose models and folders"},
        library=_TEXT,
        models={"type": "array", "items": _MODEL, "description": "before there is a library"},
        roots={"type": "array", "items": _FOLDER},
        memory_free_bytes=_or_null(_COUNT),
        disk_free_bytes=_COUNT,
        job={"anyOf": [{"$ref": "#/components/schemas/Job"}, {"type": "null"}]},
        problem=_or_null(_object(detail=_TEXT, hint=_TEXT)),
    ),
    "Folders": _object(
        path=_or_null(_TEXT) | {"description": "null for the list of roots"},
        shown=_or_null(_TEXT),
        parent=_or_null(_TEXT) | {"description": '"" for the list of roots, null where nothing is above'},
        folders={"type": "array", "items": _FOLDER},
        pictures=_COUNT | {"description": "files called like pictures in this folder alone"},
        elsewhere=_COUNT | {"description": "links that lead out of what may be read; they are left out"},
        cut={"type": "boolean"},
    ),
}


def paths() -> dict[str, Part]:
    """The operations, for the API's description."""
    folders = operation("folders", "The folders in a folder of this machine", "Folders", [], (404, 413, 415))
    body = {"type": "object", "properties": {"path": _TEXT}, "additionalProperties": False}
    folders["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    leave = operation("leaveDemo", "Close the demo", None, [], (409,))
    leave["responses"]["204"] = {"description": "the welcome page answers again"}
    return {
        "/setup": {"get": operation("setup", "Where the making of the library stands", "Setup", [])},
        "/setup/folders": {"post": folders},
        "/setup/leave-demo": {"post": leave},
    }
