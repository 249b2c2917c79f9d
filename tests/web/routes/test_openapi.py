"""The OpenAPI document is true: every route is in it, and the app answers as it says."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from colour_shelf import TOKEN, build
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)
from scribe import Scribe, scribe_service

from web.http.context import RUNS
from web.http.routes.openapi import document
from web.services.runs import Runs

HEADERS = {"Authorization": f"Bearer {TOKEN}"}
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
    unsupported_method,
]


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The schema of an app whose index runs do nothing."""
    generation = scribe_service(Scribe())
    shelf = build(tmp_path_factory.mktemp("openapi"), generation=generation)
    app = shelf.programs.application
    app.extensions[RUNS] = Runs(shelf.store, [sys.executable, "-c", ""])
    yield schemathesis.openapi.from_wsgi("/api/v1/openapi.json", app, headers=HEADERS)
    app.extensions[RUNS].close()
    generation.close()
    shelf.service.close()


@pytest.mark.parametrize(
    ("path", "method"), [(path, method) for path, operations in document()["paths"].items() for method in operations]
)
def test_answers_are_what_the_document_says(api: Any, path: str, method: str) -> None:
    @settings(
        max_examples=12,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    @given(case=api[path][method.upper()].as_strategy())
    def answers(case: Any) -> None:
        case.call_and_validate(headers=HEADERS, checks=CHECKS)

    answers()


def test_the_document_names_every_route_and_no_other(shelf: Any) -> None:
    routes = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in shelf.app.url_map.iter_rules()
        if rule.rule.startswith("/api/")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    said = {(path, method) for path, operations in document()["paths"].items() for method in operations}
    assert routes == said


def test_the_document_is_served_as_it_is(shelf: Any) -> None:
    answer = shelf.client.get("/api/v1/openapi.json")
    assert answer.get_json() == document() and answer.get_json()["openapi"].startswith("3.1")
