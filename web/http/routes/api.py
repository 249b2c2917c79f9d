"""Search, status and failures as JSON (docs/http-api.md)."""

from __future__ import annotations

import base64
import binascii
import json
import time
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import UnsupportedMediaType

from imgsearch.errors import UsageError
from imgsearch.storage import Store, latest_snapshot
from imgsearch.storage.catalog.stats import folder_bytes
from imgsearch.storage.reads.gallery import BEGINNING, FailedPlace, read_failures
from web.http.answers import MOST, find, read_number, read_query, read_sort
from web.http.context import current_service, rooted
from web.http.parameters import require_known
from web.http.tagging import tagged_json
from web.problems import printable

blueprint = Blueprint("api", __name__, url_prefix="/api/v1")

FORM_FIELDS = ("image", "q", "limit", "cursor", "rerank", "all")
"""Parts of a search by an uploaded image."""

_FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")

_FAILURES = 100  # a page, by default
_DISK_S = 10.0
"""How long a measurement of the library's folder is reused: 100,000 files take 0.5 s to check."""

_sizes: dict[str, tuple[float, dict[str, int]]] = {}  # library -> time of measurement, and bytes by part


@blueprint.get("/search")
def search() -> ResponseReturnValue:
    """Images that match ``q``."""
    query, sort = read_query(request.args), read_sort(request.args)
    return _linked(find(current_service(), query, sort=sort))


@blueprint.post("/search")
def search_by_picture() -> ResponseReturnValue:
    """Images like the uploaded one; words and filters may come with it."""
    if request.mimetype not in ("", *_FORMS):
        told = printable(request.mimetype)[:80]
        raise UnsupportedMediaType(f"expected multipart/form-data with the part `image`, got {told}")
    upload = request.files.get("image")
    if upload is None:
        raise UsageError("the request holds no picture", "send it as the part `image` of multipart/form-data")
    parts = [name or "" for fields in (request.form, request.files) for name, values in fields.lists() for _ in values]
    require_known(parts, FORM_FIELDS, "part")
    query = read_query(request.form, pictured=True)
    service = current_service()
    return jsonify(find(service, query, service.tokens_of(upload.read())))


def _linked(answer: dict[str, Any]) -> Response:
    """The answer with the address of its next page in the header Link (RFC 8288)."""
    told = tagged_json(answer, apart_from="took_ms")
    if answer["next_cursor"]:
        given = {**request.args.to_dict(), "cursor": answer["next_cursor"]}
        told.headers["Link"] = f'<{rooted(f"{request.path}?{urlencode(given)}")}>; rel="next"'
    return told


@blueprint.get("/status")
def show_status() -> ResponseReturnValue:
    """Counts, model, snapshot, disk use, roots."""
    return jsonify(status_json(current_service().store))


def status_json(store: Store) -> dict[str, Any]:
    """The contents of a library, its model and its place; 0.1 s, more after ten seconds (the folder's size)."""
    stats = store.stats()
    return {
        "library": printable(str(stats.path)),
        "created_at": stats.created_at,
        "generation": stats.generation,
        "images": stats.images,
        "files": stats.files,
        "failures": stats.failures,
        "deleted_images": stats.deleted_images,
        "model": {
            "name": stats.model.name,
            "fingerprint": stats.model.fingerprint,
            "recipe": stats.model.recipe,
            "dtype": stats.model.dtype,
        },
        "vectors": {"dtype": stats.dtype, "query_tokens": stats.model.query_tokens, "dims": stats.model.dims},
        "snapshot": _snapshot(store),
        "disk_bytes": _disk(store),
        "roots": [
            {
                "root_id": row.root.root_id,
                "path": printable(str(row.root.path)),
                "offline": row.root.offline,
                "files": row.files,
                "failures": row.failures,
            }
            for row in stats.roots
        ],
    }


@blueprint.get("/failures")
def show_failures() -> ResponseReturnValue:
    """Files that could not be indexed, and why."""
    limit = read_number(request.args, "limit", _FAILURES, 1, MOST)
    return _linked(failures_json(current_service().store, limit, request.args.get("cursor")))


def failures_json(store: Store, limit: int, cursor: str | None = None) -> dict[str, Any]:
    """A page of the files that failed, by root and path. Raises UsageError for a cursor that is not ours."""
    found = read_failures(store, limit + 1, _after(cursor))
    more = len(found) > limit
    return {
        "failures": [_failure(entry) for entry in found[:limit]],
        "next_cursor": _cursor(found[limit - 1]) if more else None,
    }


def _failure(entry: FailedPlace) -> dict[str, Any]:
    return {
        "path": printable(str(entry.path)),
        "stage": entry.stage,
        "reason": printable(entry.reason),
        "transient": entry.transient,
        "size_bytes": entry.size_bytes,
        "failed_at": entry.failed_at,
    }


def _cursor(entry: FailedPlace) -> str:
    plain = json.dumps([entry.key[0], entry.key[1].hex()])
    return base64.urlsafe_b64encode(plain.encode()).decode().rstrip("=")


def _after(cursor: str | None) -> tuple[int, bytes]:
    """The place that a cursor names. Raises UsageError for a cursor that is not ours; a name has at most 4,096
    bytes."""
    if not cursor:
        return BEGINNING
    try:
        if len(cursor) > 12_000:
            raise ValueError("too long")
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        root_id, path = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if type(root_id) is not int or not 0 <= root_id < 1 << 62:
            raise ValueError("no root")
        return root_id, bytes.fromhex(path)
    except (binascii.Error, ValueError, TypeError, RecursionError) as exc:
        raise UsageError(
            f"got the cursor {printable(cursor[:40])!r}, which no answer gave",
            "leave it out to begin with the first page",
        ) from exc


def _snapshot(store: Store) -> dict[str, Any] | None:
    info = latest_snapshot(store)
    if info is None:
        return None
    return {
        "kind": info.kind,
        "images": info.images,
        "size_bytes": info.size_bytes,
        "created_at": info.created_at,
    }


def _disk(store: Store) -> dict[str, int]:
    """Bytes of the library's parts, and of all of it."""
    measured_at, sizes = _sizes.get(str(store.path), (0.0, {}))
    if not sizes or time.monotonic() - measured_at > _DISK_S:
        layout = store.layout
        parts = (layout.segments, layout.snapshots, layout.features, layout.thumbs)
        sizes = {part.name: folder_bytes(part) for part in parts}
        sizes["catalog"] = store.catalog.size_bytes()
        sizes["total"] = sum(sizes.values())
        _sizes[str(store.path)] = (time.monotonic(), sizes)
    return sizes
