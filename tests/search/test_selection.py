"""Thresholds, orders and pages of an answer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from imgsearch.errors import UsageError
from imgsearch.records import Hit, Results
from imgsearch.search.query.description import Query
from imgsearch.search.query.paging import decoded
from imgsearch.search.selection import above, at_page, in_order, require_probability

HITS = tuple(
    Hit(rank, rank, Path(name), 0.3, probability, probability)
    for rank, (name, probability) in enumerate(
        [("b/10.jpg", 0.9), ("a/2.jpg", 0.5), ("c/a.jpg", None), ("c/B.jpg", 0.1)], start=1
    )
)
ANSWER = Results("x", HITS)
DATES = {1: "2019-05-01T10:00:00", 2: None, 3: "2021", 4: "2019-05"}


@pytest.mark.parametrize(
    ("sort", "ranks"),
    [("best", [1, 2, 3, 4]), ("newest", [3, 1, 4, 2]), ("oldest", [4, 1, 3, 2]), ("name", [2, 1, 3, 4])],
)
def test_the_order_changes_and_the_ranks_stay(sort: str, ranks: list[int]) -> None:
    assert [hit.rank for hit in in_order(ANSWER, sort, lambda ids: DATES).hits] == ranks


def test_an_unknown_order_is_refused() -> None:
    with pytest.raises(UsageError, match="newest"):
        in_order(ANSWER, "size", lambda ids: DATES)


def test_a_threshold_leaves_what_matches_well_and_says_what_was_not_read() -> None:
    found = above(ANSWER, 0.5)
    assert [hit.rank for hit in found.hits] == [1, 2] and "1 not re-ranked" in found.notes[0]


def test_a_threshold_that_nothing_reaches_says_what_the_best_has() -> None:
    chances = [0.3256, 0.1, 0.0, None]
    hits = tuple(replace(hit, itm_probability=chance) for hit, chance in zip(ANSWER.hits, chances, strict=True))
    said = above(replace(ANSWER, hits=hits), 0.5).notes
    assert said[-2] == "nothing matches with a probability of 50 % or more; the best has 32.5 %"
    assert above(replace(ANSWER, hits=()), 0.5).notes == ANSWER.notes


@pytest.mark.parametrize("wrong", [-0.1, 1.1, float("nan"), "x", True, None])
def test_a_threshold_is_a_probability(wrong: object) -> None:
    with pytest.raises(UsageError, match="probability"):
        require_probability(wrong)  # type: ignore[arg-type]


def test_a_page_begins_where_the_one_before_ends() -> None:
    query = Query("boat", k=7)
    assert at_page(query, 1, 5) is query
    cursor = decoded(at_page(query, 3, 5))
    assert cursor is not None and (cursor.offset, cursor.generation) == (14, 5)
