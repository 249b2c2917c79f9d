"""ETags for JSON: a client that asks again for what it has gets 304."""

from __future__ import annotations

import hashlib
from typing import Any

from flask import Flask, Response, current_app, request

ASK_AGAIN = "private, no-cache"
_COMPACT = (",", ":")


def install_tagging(app: Flask) -> None:
    """Mark the JSON of ``app``."""
    app.after_request(_tagged)


def tagged_json(told: dict[str, Any], *, apart_from: str = "") -> Response:
    """``told`` as JSON with an ETag of its content; the field ``apart_from`` differs each time and does not count."""
    lasting = {name: value for name, value in told.items() if name != apart_from}
    content = current_app.json.dumps(lasting, separators=_COMPACT)
    whole = content
    if len(lasting) < len(told):  # added behind, since writing 50 hits a second time takes 1 ms
        rest = current_app.json.dumps({apart_from: told[apart_from]}, separators=_COMPACT)
        whole = f"{content[:-1]}{',' if lasting else ''}{rest[1:]}"
    answer = current_app.response_class(f"{whole}\n", mimetype="application/json")
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
