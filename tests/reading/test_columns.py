"""Letters left out of a column, found by the gap that they leave."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from imgsearch.reading.columns import Letters, completed
from imgsearch.reading.engine import placed

COLUMN = "天ぷらラーメンコーヒー"


def left_out(column: str, letters: str) -> Letters:
    """The column as it is read where these letters are dropped: in equal cells."""
    kept = [(letter, (place + 0.5) / len(column)) for place, letter in enumerate(column) if letter not in letters]
    return Letters("".join(letter for letter, _ in kept), tuple(at for _, at in kept), (0.99,) * len(kept))


def reader_of(column: str, confidence: float = 0.95) -> Callable[[float, float], tuple[str, float]]:
    """Reads whole cells."""

    def reread(start: float, stop: float) -> tuple[str, float]:
        assert 0 <= start < stop <= 1
        return column[round(start * len(column)) : round(stop * len(column))], confidence

    return reread


@pytest.mark.parametrize(
    ("column", "dropped"),
    [(COLUMN, "ー"), ("いらっしゃいませ", "っ"), ("ますコーヒー温泉", "ー"), ("カレーライス", "ー"), (COLUMN, "")],
)
def test_letters_that_were_left_out_come_back_to_their_places(column: str, dropped: str) -> None:
    found = completed(left_out(column, dropped), reader_of(column))
    assert found.text == column
    assert found.centres == pytest.approx([(place + 0.5) / len(column) for place in range(len(column))])
    assert len(found.confidences) == len(column) and set(found.confidences) <= {0.99, 0.95}


def test_piece_that_is_doubtful_or_reads_otherwise_changes_nothing() -> None:
    seen = left_out(COLUMN, "ー")
    assert completed(seen, reader_of(COLUMN, confidence=0.8)) == seen
    assert completed(seen, lambda start, stop: ("東京", 1.0)) == seen
    assert completed(seen, lambda start, stop: ("", 0.0)) == seen


def test_latin_letters_and_short_columns_are_not_read_again() -> None:
    def never(start: float, stop: float) -> tuple[str, float]:
        raise AssertionError("read again")

    for seen in (
        Letters("Wifi 5", (0.1, 0.3, 0.35, 0.4, 0.7, 0.9), (1.0,) * 6),
        Letters("出口", (0.2, 0.5), (1.0,) * 2),
    ):
        assert completed(seen, never) == seen


@pytest.mark.parametrize(
    ("text", "columns", "expected"),
    [
        (" ", [], (0.5,)),  # rapidocr sees spaces alone in what is no text
        ("   ", [], (1 / 6, 3 / 6, 5 / 6)),
        ("a b", [[1], [7]], (0.15, 0.45, 0.75)),
        ("ab", [[1]], (0.25, 0.75)),  # fewer places than letters
    ],
)
def test_letters_stand_where_rapidocr_saw_them_or_evenly(text, columns, expected) -> None:
    info = SimpleNamespace(word_cols=columns, line_txt_len=10, confs=[])
    letters = placed(text, 0.9, info)
    assert letters.centres == pytest.approx(expected)
    assert letters.confidences == (0.9,) * len(text)
