"""Words read in pictures bring these among the answers, with the reason, and change nothing where none match."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from imgsearch.records import Hit
from imgsearch.search.engine import Searcher
from imgsearch.search.query.description import Query
from imgsearch.search.text_evidence import MOST_RANKED, PEOPLE, SOURCES, fused_by_rank, listed_notes
from imgsearch.search.word_matches import near_expression, shown_lines
from imgsearch.storage import StoredText, TextLine, open_store, writing

BOX = (0.1, 0.1, 0.9, 0.1, 0.9, 0.2, 0.1, 0.2)


def read_in(library: Any, texts: dict[int, str]) -> None:
    rows = [
        StoredText(number, tuple(TextLine(line, BOX, 0.9, ()) for line in text.split("\n")), "r", "f")
        for number, text in texts.items()
    ]
    with writing(library.store) as writer:
        writer.write_texts(rows)


@pytest.fixture
def shelf(library: Any) -> Any:
    library.add(library.names())
    return library


@pytest.fixture
def searcher(shelf: Any) -> Iterator[Searcher]:
    with Searcher(open_store(shelf.folder / "library"), shelf.model) as searcher:
        yield searcher


def ids(searcher: Searcher, text: str, **more: Any) -> list[int]:
    return [hit.image_id for hit in searcher.search(Query(text, **{"k": 12, "rerank": 3, **more})).hits]


def test_picture_with_the_words_of_the_query_comes_first_and_says_why(shelf: Any, searcher: Searcher) -> None:
    before = searcher.search(Query("invoice 10031", k=12, rerank=3)).hits
    last, other = before[-1].image_id, before[-2].image_id
    read_in(shelf, {last: "ACME Ltd\nInvoice No. 10031\nTotal 12.50", other: "Invoice No. 10032"})
    results = searcher.search(Query("invoice 10031", k=12, rerank=3))
    assert results.hits[0].image_id == last and results.hits[0].words == 'read in the picture: "Invoice No. 10031"'
    assert [hit.image_id for hit in results.hits[1:]] == [hit.image_id for hit in before[:-1]]
    assert results.hits[0].itm_logit is not None and results.reranked == 4
    assert ids(searcher, "invoice 10031", k=3) == [hit.image_id for hit in results.hits[:3]]
    assert ids(searcher, "the invoices of 10031")[0] == last
    assert ids(searcher, "text:invoice") == sorted([last, other], reverse=True)


def test_other_queries_are_answered_as_in_a_library_without_words(shelf: Any, searcher: Searcher) -> None:
    asked = ("a red car", "a boat on the water", "a", "car 7", "invoice -boat")
    before = [searcher.search(Query(text, k=12, rerank=3)).hits for text in asked]
    read_in(shelf, {5: "A car park\nred 8 a 7", 6: "a\na", 7: "red" + " filler" * 40 + " car"})
    assert [searcher.search(Query(text, k=12, rerank=3)).hits for text in asked] != before  # "a red car": read in 5
    read_in(shelf, {5: "a van park\nblue 8", 6: "a\na", 7: "red" + " filler" * 40 + " car"})
    assert [searcher.search(Query(text, k=12, rerank=3)).hits for text in asked] == before


def test_text_matches_stand_among_the_best_and_not_before_them(shelf: Any, searcher: Searcher) -> None:
    before = ids(searcher, "red boat", rerank=12)
    read_in(shelf, {before[-1]: "red boat", before[-2]: "red boat for sale"})
    after = ids(searcher, "red boat", rerank=12)
    assert after[:4] == [before[0], before[-1], before[1], before[-2]]
    with Searcher(open_store(shelf.folder / "library"), shelf.model, texts=(PEOPLE,)) as without:
        assert ids(without, "red boat", rerank=12) == before
    assert len(SOURCES) >= 2


def test_no_more_than_some_are_lifted_and_all_say_why(shelf: Any, searcher: Searcher) -> None:
    read_in(shelf, dict.fromkeys(range(1, 13), "closing sale"))
    results = searcher.search(Query("closing sale", k=12, rerank=2))
    assert results.reranked == min(12, 2 + MOST_RANKED) and all(hit.words for hit in results.hits)


def test_worth_of_both_orders_counts_and_wrong_ones_stay_behind() -> None:
    def hit(number: int, confident: bool | None) -> Hit:
        return Hit(0, number, None, 0.0, confident=confident)  # type: ignore[arg-type]

    hits = [hit(1, True), hit(2, True), hit(3, True), hit(4, False), hit(5, False)]
    order = [one.image_id for one in fused_by_rank(hits, {3: (0,), 5: (1,)}, "red boat")]
    assert order == [3, 1, 2, 5, 4]
    assert fused_by_rank(hits, {}, "red boat") is hits
    assert [one.image_id for one in fused_by_rank(hits[:2] + hits[4:], {5: (0,)}, "boat 7")] == [5, 1, 2]


def test_notes_say_whose_words_brought_a_hit() -> None:
    told = [Hit(1, 1, None, 0.0, words=words) for words in ('read in the picture: "a"', 'tag "a"')]  # type: ignore[arg-type]
    assert len(listed_notes(told)) == 2 and listed_notes([]) == []
    assert "read in them" in listed_notes(told[:1])[0]


@pytest.mark.parametrize("description", ["a", "7", "x y", "- ?", "", "a photo of the"])
def test_what_says_too_little_is_not_looked_for_in_pictures(description: str) -> None:
    assert near_expression(description) == ""


def test_shown_are_the_lines_that_hold_the_words() -> None:
    lines = ["ACME", "Invoice 7", "Total of invoice 7", "Total 12.50"]
    assert shown_lines("invoice total", lines) == '"Invoice 7", "Total of invoice 7"'
