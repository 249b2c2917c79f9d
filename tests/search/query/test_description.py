from __future__ import annotations

import pytest

from imgsearch.errors import UsageError
from imgsearch.search.query.description import Query, query_notes, readable, require_words


@pytest.mark.parametrize("k", [0, -3, 100_001])
def test_query_refuses_a_k_out_of_range(k: int) -> None:
    with pytest.raises(UsageError, match=f"got k = {k}"):
        Query("a boat", k=k)


def test_query_refuses_a_rerank_below_automatic() -> None:
    with pytest.raises(UsageError, match="got rerank = -2"):
        Query("a boat", rerank=-2)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "the query is empty"),
        (" \t\n\x00 ", "the query is empty"),
        ("?!... --- ,,", "holds no word"),
        ("🐈🐈", "holds no word"),
        ("😀" * 5000, "holds no word"),
        ("x" * 10_000, "one word of 10,000 letters"),
        ("\udcff\udcfe", "the query is empty"),
    ],
)
def test_a_query_with_nothing_to_look_for_is_refused_with_an_example(text: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint) as caught:
        require_words(readable(text))
    assert "imgsearch search" in caught.value.hint
    assert len(caught.value.message) < 120


@pytest.mark.parametrize(
    "text", ["cat", "7", "猫", "un château ?", "a red boat! 🚤", "boat " * 2000, "a " + "x" * 9998]
)
def test_a_query_with_a_word_is_taken(text: str) -> None:
    require_words(readable(text))


def test_readable_turns_control_characters_into_spaces() -> None:
    assert readable(" a\tred\x00boat\r\n\x1b[31m left\udcff ") == "a red boat [31m left"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a red boat", []),
        ("boat " * 2000, ["the query has 2,000 words; only the first 50 count"]),
        ("a cat 🐈", ["the model reads words; it does not know 🐈"]),
        ("a " + "x" * 101, ["a word of more than 100 letters is unknown to the model"]),
    ],
)
def test_notes_say_what_the_model_does_not_see(text: str, expected: list[str]) -> None:
    assert list(query_notes(readable(text))) == expected


def test_notes_say_when_word_pieces_are_cut() -> None:
    assert query_notes("any text", 32) == ()
    assert query_notes("any text", 40) == ("the query is 40 word pieces long; the model reads the first 32",)
