"""The JSON that a request about several pictures carries."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from flask import request

from imgsearch.errors import UsageError
from web.http.parameters import require_json, require_known
from web.http.schemas.collected import MOST_PICTURES
from web.problems import printable

MOST_BYTES = 1 << 18  # of a request: 20,000 ids of eleven digits and commas


def asked(*names: str) -> dict[str, Any]:
    """The object in the request's body. Raises UsageError for another body and for fields that are not ``names``."""
    require_json()
    request.max_content_length = MOST_BYTES
    try:
        found = request.get_json(silent=True)
    except RecursionError:
        found = None
    if not isinstance(found, dict):
        raise UsageError("got no JSON object in the body", f'for example {{"{names[0]}": ...}}')
    require_known(found, names, "field")
    return found


def numbers(given: object) -> list[int]:
    """Ids, each once. Raises UsageError for none, too many, and what is no id."""
    found: dict[int, None] = {}
    listed: Sequence[object] = given if isinstance(given, list) else []
    for one in listed:
        text = str(one) if type(one) is int else one
        if not (isinstance(text, str) and text.isascii() and text.isdigit() and len(text) < 19 and int(text)):
            raise UsageError(f"got {printable(json.dumps(one)[:40])}, expected ids of pictures", "ids=17,18")
        found[int(text)] = None
    if not 1 <= len(found) <= MOST_PICTURES:
        raise UsageError(f"got {len(found):,} pictures, expected 1 to {MOST_PICTURES:,}", "name fewer at a time")
    return list(found)


def flag(given: dict[str, Any], name: str) -> bool:
    """A field that is true, unless it says false. Raises UsageError."""
    value = given.get(name, True)
    if not isinstance(value, bool):
        raise UsageError(f"got {name}={printable(json.dumps(value)[:40])}, expected true or false", f"leave {name} out")
    return value


def text(given: dict[str, Any], name: str) -> str:
    """A field that holds a text. Raises UsageError."""
    value = given.get(name)
    if not isinstance(value, str):
        raise UsageError(f"got no text as {name}", f'for example {{"{name}": "Rome 2019"}}')
    return value
