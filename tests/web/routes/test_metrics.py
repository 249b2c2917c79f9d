"""How the server is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from imgsearch.errors import CatalogDamaged
from web.http.context import DRAINING


def numbers(client: Any) -> dict[tuple[str, ...], float]:
    answer = client.get("/metrics")
    assert answer.status_code == 200 and answer.content_type.startswith("text/plain")
    return {
        (sample.name, *(value for name, value in sorted(sample.labels.items()) if name != "le")): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_answers_and_searches_are_counted(make_shelf: Callable[..., Any]) -> None:
    shelf = make_shelf()
    for _ in range(3):
        shelf.client.get("/api/v1/search?q=red")
    shelf.client.get("/api/v1/search?q=year:x")
    for number in range(50):
        shelf.client.get(f"/nowhere/{number}")
    found = numbers(shelf.client)
    assert found["imgsearch_http_answers_total", "api.search", "GET", "200"] == 3
    assert found["imgsearch_http_answers_total", "api.search", "GET", "400"] == 1
    assert found["imgsearch_http_answers_total", "none", "any", "404"] == 50
    assert found["imgsearch_http_seconds_count", "api.search", "GET"] == 4
    assert found[("imgsearch_searches_answered_total",)] == 3
    assert found[("imgsearch_searches_in_flight",)] == 0
    assert found[("imgsearch_pieces_jobs_total",)] >= 1
    assert found[("imgsearch_picture_memory_bytes",)] > 0
    assert len(found) < 100


def test_readiness_follows_the_library_and_the_drain(make_shelf: Callable[..., Any], monkeypatch: Any) -> None:
    shelf = make_shelf()
    assert shelf.client.get("/readyz").data == b"ready\n"

    def fail() -> int:
        raise CatalogDamaged("broken", "mend it")

    with monkeypatch.context() as patch:
        patch.setattr(shelf.store, "generation", fail)
        answer = shelf.client.get("/readyz")
    assert answer.status_code == 503 and b"CatalogDamaged" in answer.data
    shelf.app.extensions[DRAINING].set()
    assert shelf.client.get("/readyz").status_code == 503
    assert shelf.client.get("/healthz").status_code == 200
