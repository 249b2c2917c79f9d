"""Words read in a picture over the API: where they stand, and which of them a query asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from imgsearch.storage import StoredText, TextLine, TextWord, writing

BOX = (0.1, 0.2, 0.5, 0.2, 0.5, 0.3, 0.1, 0.3)


def line(text: str) -> TextLine:
    return TextLine(text, BOX, 0.9, tuple(TextWord(word, BOX, 0.8) for word in text.split()))


@pytest.fixture
def read(make_shelf: Callable[..., Any]) -> Any:
    shelf = make_shelf()
    with writing(shelf.service.store) as writer:
        lines = (line("Invoice No. 10031"), line("Total 12.50"), line("東京都"))
        writer.write_texts([StoredText(1, lines, "reader 1", "f"), StoredText(2, (), "reader 1", "f")])
    return shelf


def matched(shelf: Any, query: str) -> list[str]:
    told = shelf.client.get("/api/v1/images/1/text", query_string={"q": query}).get_json()
    return [word["text"] for each in told["lines"] for word in each["words"] if word["matched"]]


def test_words_are_told_with_their_places(read: Any) -> None:
    told = read.client.get("/api/v1/images/1/text").get_json()
    assert told == read.client.get("/api/v1/pictures/1/text").get_json()
    assert told["text"] == "Invoice No. 10031\nTotal 12.50\n東京都" and told["engine"] == "reader 1"
    assert told["lines"][1]["box"] == [[0.1, 0.2], [0.5, 0.2], [0.5, 0.3], [0.1, 0.3]]
    assert told["lines"][1]["words"][1] | {"box": 0} == {"text": "12.50", "box": 0, "confidence": 0.8, "matched": False}
    assert read.client.get("/api/v1/images/2/text").get_json()["lines"] == []
    counts = [read.client.get(f"/api/v1/pictures/{number}").get_json()["read_words"] for number in (1, 2, 3)]
    assert counts == [6, 0, None]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("the invoices of 10031", ["Invoice", "10031"]),
        ('text:"no. 10031"', ["No.", "10031"]),
        ("text:tot*", ["Total"]),
        ("text:京", ["東京都"]),
        ("-text:invoice boat year:2019", []),
        ("", []),
    ],
)
def test_words_that_a_query_asks_for_are_marked(read: Any, query: str, words: list[str]) -> None:
    assert matched(read, query) == words


def test_picture_that_was_not_read_says_what_reads_it(read: Any) -> None:
    answer = read.client.get("/api/v1/images/3/text")
    assert answer.status_code == 404 and "imgsearch read" in answer.get_json()["hint"]
    assert read.client.get("/api/v1/images/9999/text").status_code == 404
    assert read.client.get("/api/v1/images/1/text", query_string={"q": "texd:a"}).status_code == 400


def test_search_says_that_a_hit_was_read(read: Any) -> None:
    hits = read.client.get("/api/v1/search", query_string={"q": "invoice 10031"}).get_json()["hits"]
    assert hits[0]["image_id"] == 1 and hits[0]["words"] == 'read in the picture: "Invoice No. 10031"'
    hits = read.client.get("/api/v1/search", query_string={"q": 'text:"total 12.50"'}).get_json()["hits"]
    assert [hit["image_id"] for hit in hits] == [1]
