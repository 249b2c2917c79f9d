"""What came since a page was made."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from colour_shelf import paint

from web.http.routes import news


def test_pictures_that_came_since_are_counted(make_shelf: Callable[..., Any]) -> None:
    shelf = make_shelf(["a/red one.png", "a/blue two.png"])

    def changes(**given: Any) -> Any:
        answer = shelf.client.get("/api/v1/changes", query_string=given)
        assert answer.status_code == 200, answer.data
        return answer.get_json()

    told = changes()
    assert told["count"] == 0 and told["job"] is None and told["newest"] == shelf.id_of("a/blue two.png")
    since = told["newest"]
    for number, name in enumerate(("b/red three.png", "b/green four.jpg", "a/red five.png"), 3):
        paint(shelf.photos / name, number)
    shelf.add(["b/red three.png", "b/green four.jpg", "a/red five.png"])
    assert changes(since=since) == {"newest": since + 3, "count": 3, "job": None}
    assert changes(since=since, q="folder:b")["count"] == 2
    assert changes(since=since, q="folder:b type:jpeg")["count"] == 1
    assert changes(since=since, q="a red star folder:a")["count"] == 1
    assert changes(since=since + 1)["count"] == 2 and changes(since=since + 3, q="folder:b")["count"] == 0


def test_wrong_questions_about_changes_are_refused(shelf: Any) -> None:
    for query in ("since=-1", "since=x", "q=year:x", "until=3"):
        assert shelf.client.get(f"/api/v1/changes?{query}").status_code == 400, query


def test_a_run_that_has_just_ended_is_told_on_a_page_and_an_earlier_one_is_not(shelf: Any, monkeypatch: Any) -> None:
    run = SimpleNamespace(over=True, over_just_now=True, as_dict=lambda: {"id": 7, "state": "finished"})
    monkeypatch.setattr(news, "_index_runs", lambda: [run])
    assert b'id="running"' in shelf.client.get("/").data
    assert shelf.client.get("/api/v1/changes").get_json()["job"] is None
    run.over_just_now = False
    assert b'id="running"' not in shelf.client.get("/").data
