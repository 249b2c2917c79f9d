"""Refuses what no route reads: a parameter that is misspelt must not look as if it had been heard."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flask import Flask, request
from werkzeug.exceptions import UnsupportedMediaType

from imgsearch.errors import UsageError
from web.problems import printable

Operations = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""The paths of the OpenAPI document: path -> method -> operation."""


def install_parameters(app: Flask, paths: Callable[[], Operations]) -> None:
    """Hold every request under /api/ to the parameters that ``paths``, the API's own description, names."""
    known: dict[tuple[str, str], frozenset[str]] = {}

    @app.before_request
    def check() -> None:
        rule = request.url_rule
        if rule is None or not rule.rule.startswith("/api/"):
            return
        if not known:
            known.update(_known(paths()))
        names = known.get((re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), request.method.lower()))
        if names is not None:
            require_known([name for name, values in request.args.lists() for _ in values], names)


def require_known(given: Iterable[str], known: Iterable[str], what: str = "parameter") -> None:
    """Raise UsageError for a name that is not known, and for one that is given twice."""
    names, seen = sorted(known), set[str]()
    for name in given:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            meant = f"; {near[0]} may be meant" if near else ""
            told = f"expected {', '.join(names)}{meant}" if names else "expected none"
            raise UsageError(f"got the {what} {printable(name[:40])!r}, {told}", f"leave {printable(name[:40])} out")
        if name in seen:
            raise UsageError(f"got the {what} {name} twice, expected it once", "leave one of them out")
        seen.add(name)


def require_json() -> None:
    """Raise UnsupportedMediaType where the body is called something else than JSON."""
    if request.mimetype and not request.is_json:
        raise UnsupportedMediaType(f"expected application/json, got {printable(request.mimetype)[:80]}")


def _known(paths: Operations) -> dict[tuple[str, str], frozenset[str]]:
    found = {}
    for path, operations in paths.items():
        for method, operation in operations.items():
            found[path, method] = frozenset(each["name"] for each in operation["parameters"] if each["in"] == "query")
            if method == "get":
                found[path, "head"] = found[path, method]
    return found
