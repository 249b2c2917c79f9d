"""Errors as answers."""

from __future__ import annotations

from typing import Any

import pytest

from imgsearch import errors
from imgsearch.errors import ImgsearchError, MediaError, UsageError
from web import problems
from web.problems import STATUS, Overloaded, WebError, problem_of, status_of


def family(kind: type[ImgsearchError]) -> set[type[ImgsearchError]]:
    return {kind}.union(*(family(child) for child in kind.__subclasses__()))


def test_every_error_of_the_tree_has_its_status() -> None:
    tree = {kind for kind in family(ImgsearchError) if kind.__module__ == errors.__name__}
    assert set(STATUS) == tree
    assert all(400 <= status < 600 for status in STATUS.values())


def test_every_error_of_the_web_says_its_own_status() -> None:
    ours = {kind for kind in family(WebError) if kind.__module__ == problems.__name__} - {WebError}
    assert len(ours) == 7 and all("status" in vars(kind) for kind in ours)


def test_an_error_without_a_line_has_its_parents_status() -> None:
    class Odd(MediaError):
        pass

    assert status_of(Odd("x", stage="open")) == 422


def test_a_problem_says_what_and_what_to_do_in_bytes_that_exist() -> None:
    problem = problem_of(UsageError("the file \udcff is odd", "rename it"))
    assert problem == {
        "type": "urn:imgsearch:usage-error",
        "title": "Bad Request",
        "status": 400,
        "detail": "the file ? is odd",
        "hint": "rename it",
    }
    assert "hint" not in problem_of(UsageError("x"))


def test_an_overload_says_when_to_come_again(shelf: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise Overloaded(retry_after_s=7)

    monkeypatch.setattr(shelf.service, "search", refuse)
    answer = shelf.client.get("/api/v1/search?q=red")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "7")
    assert answer.get_json()["type"] == "urn:imgsearch:overloaded"


def test_people_get_pages_and_programs_get_problems(shelf: Any) -> None:
    for path, accept, kind in (
        ("/nowhere", "text/html,*/*;q=0.8", "text/html; charset=utf-8"),
        ("/nowhere", "application/json", "application/problem+json"),
        ("/api/v1/nowhere", "text/html", "application/problem+json"),
    ):
        answer = shelf.client.get(path, headers={"Accept": accept})
        assert (answer.status_code, answer.content_type) == (404, kind)
    assert shelf.client.delete("/api/v1/search", headers={"Accept": "*/*"}).status_code in (403, 405)
