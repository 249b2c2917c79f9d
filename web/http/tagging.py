"""ETags for JSON: a client that asks again for what it has gets 304."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from flask import Flask, Response, jsonify, request

ASK_AGAIN = "private, no-cache"


def install_tagging(app: Flask) -> None:
    """Mark the JSON of ``app``."""
    app.after_request(_tagged)


def tagged_json(told: dict[str, Any], *, apart_from: str = "") -> Response:
    """``told`` as JSON with an ETag of its content; the field ``apart_from`` differs each time and does not count."""
    answer = jsonify(told)
    content = json.dumps({name: value for name, value in told.items() if name != apart_from}, sort_keys=True)
    answer.set_etag(_tag(content.encode()), weak=True)
    return answer


def _tag(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:20]


def _tagged(answer: Response) -> Response:
    asked = request.method in ("GET", "HEAD") and answer.status_code == 200
    if not asked or answer.is_streamed or answer.mimetype != "application/json":
        return answer
    if answer.get_etag()[0] is None:
        answer.set_etag(_tag(answer.get_data()), weak=True)  # weak: gzip is the same answer in other bytes
    answer.headers.setdefault("Cache-Control", ASK_AGAIN)
    answer.make_conditional(request)
    return answer
