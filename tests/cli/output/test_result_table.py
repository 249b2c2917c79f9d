"""The table of an answer: what is shown is what orders it, and columns stay where they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest

from imgsearch.cli.output.result_table import UNSURE, table_lines
from imgsearch.records import Hit, Results


def table(*hits: Hit, order: Literal["match", "likeness", "newest"] = "match") -> list[str]:
    return list(table_lines(Results("any", hits, order=order)))


def hit(rank: int, itc: float, score: float | None = None, confident: bool | None = None) -> Hit:
    return Hit(rank, rank, Path(f"/x/{rank}.jpg"), itc, score, None, confident, score)


@pytest.mark.parametrize(
    ("hits", "order", "head"),
    [
        ((hit(1, 0.4, 2.0), hit(2, 0.5, -1.5)), "match", "rank    score  picture"),
        ((hit(1, 0.4),), "match", "rank      ITC  picture"),
        ((hit(1, 0.4, 2.0), hit(2, 0.3)), "match", "rank    score      ITC  picture"),
        ((hit(1, 0.9),), "likeness", "rank likeness  picture"),
        ((hit(1, 0.0),), "newest", "rank  picture"),
    ],
)
def test_only_columns_that_hold_something_are_shown(hits: tuple[Hit, ...], order: Any, head: str) -> None:
    assert table(*hits, order=order)[0] == head


def test_negative_and_large_numbers_keep_their_column() -> None:
    lines = table(hit(1, 0.412, 12.5), hit(2, -0.1, -0.25), hit(3, 0.3, -12.75), hit(10, -0.2))
    ends = {line.index("/x/") for line in lines[1:]}
    assert len(ends) == 1 and lines[0].index("picture") in ends
    assert lines[1].split()[1] == "12.500" and lines[3].split()[1] == "-12.750" and lines[4].split()[1] == "-"


def test_the_line_below_the_sure_ones_is_drawn_once_and_in_their_own_order_alone() -> None:
    sure = [hit(1, 0.5, 3.0, True), hit(2, 0.4, 1.0, False), hit(3, 0.4, 0.5, False)]
    assert sum(UNSURE in line for line in table(*sure)) == 1
    assert not any(UNSURE in line for line in table(*reversed(sure)))
