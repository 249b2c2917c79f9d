"""Search, pictures, status and failures over HTTP."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from typing import Any

import pytest
from colour_shelf import NAMES, SURE, ColourModel
from hypothesis import given, settings
from hypothesis import strategies as st

from imgsearch.search.query.description import Query


def events(body: str) -> list[tuple[str, Any]]:
    """(name, data) of an event stream, read as its specification has it."""
    found = []
    for block in body.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "data" in fields:
            found.append((fields["event"], json.loads(fields["data"])))
    return found


def test_search_gives_what_the_searcher_finds(shelf: Any) -> None:
    answer = shelf.client.get("/api/v1/search", query_string={"q": "red", "limit": 5}).get_json()
    found = shelf.service.search(Query("red", k=5))
    assert [hit["image_id"] for hit in answer["hits"]] == [hit.image_id for hit in found.hits]
    best = answer["hits"][0]
    assert best["name"].startswith("red") and 0.5 < best["itm_probability"] <= 1
    record = shelf.store.images([best["image_id"]])[best["image_id"]]
    assert (best["width"], best["height"]) == (record.facts.width, record.facts.height)
    assert best["page"] == f"/pictures/{best['image_id']}"
    assert answer["query"] == "red" and answer["closest"] == [] and answer["took_ms"]["total"] > 0


def test_pages_follow_one_another_to_the_end_without_a_gap(shelf: Any) -> None:
    seen: list[dict[str, Any]] = []
    cursor = None
    while True:
        asked = {"q": "blue", "limit": 5} | ({"cursor": cursor} if cursor else {})
        answer = shelf.client.get("/api/v1/search", query_string=asked).get_json()
        seen += answer["hits"]
        cursor = answer["next_cursor"]
        if cursor is None:
            break
    assert [hit["rank"] for hit in seen] == list(range(1, 13))
    assert len({hit["image_id"] for hit in seen}) == 12


def test_nothing_confident_offers_the_closest(make_shelf: Callable[..., Any]) -> None:
    shelf = make_shelf([name for name in NAMES if "red" not in name], calibration=SURE)
    answer = shelf.client.get("/api/v1/search?q=red").get_json()
    assert answer["hits"] == [] and answer["next_cursor"] is None
    assert len(answer["closest"]) == 8 and not any(hit["confident"] for hit in answer["closest"])
    assert answer["notes"] == ["nothing in the library matches with confidence"]
    everything = shelf.client.get("/api/v1/search?q=red&all=1").get_json()
    assert len(everything["hits"]) == 9 and everything["closest"] == []
    assert [hit["image_id"] for hit in everything["hits"][:8]] == [hit["image_id"] for hit in answer["closest"]]
    last = events(shelf.client.get("/api/v1/search/stream?q=red").get_data(as_text=True))[-1]
    assert (last[0], last[1]["closest"]) == ("itm", answer["closest"])


def test_the_closest_cost_no_second_re_rank(make_shelf: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    shelf, read = make_shelf([name for name in NAMES if "red" not in name], calibration=SURE), []
    match_both = ColourModel.match_both
    monkeypatch.setattr(ColourModel, "match_both", lambda *given: read.extend(given[1]) or match_both(*given))
    assert len(shelf.client.get("/api/v1/search?q=red").get_json()["closest"]) == 8
    assert len(read) == 9


def test_filters_that_leave_nothing_offer_nothing(shelf: Any) -> None:
    answer = shelf.client.get("/api/v1/search?q=red year:1901").get_json()
    assert answer["hits"] == answer["closest"] == [] and answer["notes"] == ["no picture fits the filters"]


def test_a_stream_gives_the_order_by_vectors_and_then_the_answer_of_search(shelf: Any) -> None:
    answer = shelf.client.get("/api/v1/search/stream?q=red&limit=3")
    assert answer.mimetype == "text/event-stream" and answer.headers["Cache-Control"] == "no-store"
    (first, itc), (second, itm) = events(answer.get_data(as_text=True))
    assert (first, second) == ("itc", "itm")
    assert all(hit["itm_logit"] is None for hit in itc["hits"]) and all(hit["itm_logit"] for hit in itm["hits"])
    assert itm["hits"] == shelf.client.get("/api/v1/search?q=red&limit=3").get_json()["hits"]


def test_a_stream_without_words_has_both_events_too(shelf: Any) -> None:
    (first, itc), (second, itm) = events(shelf.client.get("/api/v1/search/stream?q=type:png").get_data(as_text=True))
    assert (first, second) == ("itc", "itm") and itc["hits"] == itm["hits"] and len(itm["hits"]) == 6


def test_a_stream_tells_of_a_wrong_query_and_ends(shelf: Any) -> None:
    ((name, problem),) = events(shelf.client.get("/api/v1/search/stream?q=colour:red").get_data(as_text=True))
    assert name == "problem" and problem["status"] == 400 and "colour" in problem["detail"] and problem["hint"]


def test_a_browser_that_comes_back_to_a_stream_is_told_to_stay_away(shelf: Any) -> None:
    assert shelf.client.get("/api/v1/search/stream?q=red", headers={"Last-Event-ID": "2"}).status_code == 204


def test_streams_have_a_limit_of_their_own(shelf: Any) -> None:
    open_ones = [shelf.client.get("/api/v1/search/stream?q=red", buffered=False) for _ in range(16)]
    refused = shelf.client.get("/api/v1/search/stream?q=red")
    assert refused.status_code == 503 and int(refused.headers["Retry-After"]) > 0
    assert refused.get_json()["detail"].startswith("as many event streams")
    assert shelf.client.get("/api/v1/search?q=red").status_code == 200
    for answer in open_ones:
        answer.close()
    again = shelf.client.get("/api/v1/search/stream?q=red")
    assert again.status_code == 200 and len(events(again.get_data(as_text=True))) == 2


def test_a_picture_is_searched_by_uploading_it(shelf: Any) -> None:
    content = (shelf.photos / "a/green one.gif").read_bytes()
    given: dict[str, Any] = {"image": (io.BytesIO(content), "x.gif"), "limit": "2"}
    answer = shelf.client.post("/api/v1/search", data=given).get_json()
    assert [hit["name"].split()[0] for hit in answer["hits"]] == ["green", "green"]
    given = {"image": (io.BytesIO(content), "x.gif"), "q": "type:png", "limit": "50"}
    assert len(shelf.client.post("/api/v1/search", data=given).get_json()["hits"]) == 6


def test_pages_of_a_picture_search_follow_one_another(shelf: Any) -> None:
    content = (shelf.photos / "a/green one.gif").read_bytes()
    seen, cursor = [], ""
    for _ in range(3):
        given = {"image": (io.BytesIO(content), "x"), "limit": "5", "cursor": cursor}
        answer = shelf.client.post("/api/v1/search", data=given).get_json()
        seen += [hit["image_id"] for hit in answer["hits"]]
        cursor = answer["next_cursor"]
    assert cursor is None and len(set(seen)) == len(seen) == 12


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("limit", "0", "limit=0"),
        ("limit", "501", "1 to 500"),
        ("limit", "1e3", "limit"),
        ("limit", "٣", "limit"),
        ("limit", "9" * 5000, "limit"),
        ("rerank", "-2", "rerank"),
        ("all", "yes", "0 to 1"),
        ("cursor", "x" * 600, "cursor"),
        ("cursor", "WzEsMSwieCJd", "cursor"),
        ("q", "", "empty"),
        ("q", "red " * 300, "1,000"),
        ("q", "similar:999999", "no picture with the id"),
    ],
)
def test_a_wrong_parameter_is_a_problem_that_says_what_was_expected(
    shelf: Any, name: str, value: str, says: str
) -> None:
    answer = shelf.client.get("/api/v1/search", query_string={"q": "red", name: value})
    assert answer.status_code == 400 and answer.content_type == "application/problem+json"
    problem = json.loads(answer.data)
    assert says in problem["detail"] and problem["status"] == 400 and problem["hint"]


def test_a_picture_is_told_with_all_its_places(shelf: Any) -> None:
    number = shelf.id_of("a/red two.jpg")
    picture = shelf.client.get(f"/api/v1/pictures/{number}").get_json()
    assert picture["files"] == [
        {"path": str(shelf.photos / "a/red two.jpg"), "root": str(shelf.photos), "offline": False}
    ]
    assert (picture["format"], picture["taken_at"], picture["camera"]) == (
        "JPEG", "2019-05-06T10:00:00", "Camera 5 Mk",
    )  # fmt: skip
    for link in ("thumbnail", "large", "original", "download", "similar"):
        assert shelf.client.get(picture[link]).status_code == 200, link


@pytest.mark.parametrize("number", ["0", "13", "9" * 19, "9" * 5000, "-1", "x", "1.0"])
def test_an_unknown_picture_is_not_found(shelf: Any, number: str) -> None:
    for path in ("", "/thumbnail", "/thumbnail/0123456789abcdef", "/original", "/match?q=red"):
        answer = shelf.client.get(f"/api/v1/pictures/{number}{path}")
        assert (answer.status_code, answer.content_type) == (404, "application/problem+json")


def test_status_counts_and_measures(shelf: Any) -> None:
    status = shelf.client.get("/api/v1/status").get_json()
    assert (status["images"], status["files"], status["failures"], status["snapshot"]) == (12, 12, 0, None)
    assert status["model"]["name"] == "colours" and status["disk_bytes"]["segments"] > 0
    assert status["roots"] == [{"root_id": 1, "path": str(shelf.photos), "offline": False, "files": 12, "failures": 0}]


def test_failures_come_by_the_page(make_shelf: Callable[..., Any]) -> None:
    shelf = make_shelf(NAMES[:1])
    names = [os.fsdecode(name) for name in (b"1.jpg", b"2 \xff.jpg", b"3 <b>.jpg", "é.jpg".encode(), b"x/5.jpg")]
    shelf.fail(names)
    seen, cursor = [], ""
    while cursor is not None:
        answer = shelf.client.get("/api/v1/failures", query_string={"limit": 2, "cursor": cursor}).get_json()
        assert len(answer["failures"]) <= 2
        seen += answer["failures"]
        cursor = answer["next_cursor"]
    assert len(seen) == 5 and seen[0]["path"] == str(shelf.photos / "1.jpg") and seen[0]["reason"]


@settings(max_examples=60, deadline=None)
@given(cursor=st.text(max_size=60) | st.binary(max_size=60).map(lambda value: value.hex()))
def test_no_cursor_breaks_failures_or_search(shelf: Any, cursor: str) -> None:
    for path in ("/api/v1/failures", "/api/v1/search"):
        answer = shelf.client.get(path, query_string={"q": "red", "cursor": cursor})
        assert answer.status_code in (200, 400)


PIECES = st.sampled_from(
    [
        *("red", "-blue", "not", '"', "year:2019", "-type:jpg", "folder:a", "similar:1", "like:2", "near:1,2,3"),
        *("name:*", "width:>2", ":", "🦊", "\x00", "\ud800", "x" * 90, "year:", "has:gps", "%", "NEAR(a b)", "(("),
        "'; DROP TABLE images; --",
    ]
)


@settings(max_examples=80, deadline=None)
@given(query=st.lists(PIECES, max_size=6).map(" ".join) | st.text(max_size=80))
def test_whatever_is_asked_is_answered_or_refused_with_a_reason(shelf: Any, query: str) -> None:
    for path in ("/api/v1/search", "/api/v1/search/stream", "/api/v1/facets", "/api/v1/pictures/1/match"):
        answer = shelf.client.get(path, query_string={"q": query.encode("utf-8", "surrogatepass"), "limit": 3})
        assert answer.status_code in (200, 400), (path, query, answer.data)
        if answer.status_code == 400:
            assert json.loads(answer.data)["detail"]
        answer.close()
