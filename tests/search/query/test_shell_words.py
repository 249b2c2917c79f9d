"""A query in one word of the shell, in many, and with quotes that the shell took away."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgsearch.errors import UsageError
from imgsearch.search.query.parser import parse
from imgsearch.search.query.shell_words import is_ambiguous, join_words

HAS = {("folder", "My Trip"), ("folder", "My Trip 2019"), ("camera", "Canon EOS")}


def names(key: str, value: str) -> bool:
    return (key, value) in HAS


@pytest.mark.parametrize(
    ("words", "same_as"),
    [
        (["is:landscape a boat"], "is:landscape a boat"),
        (["is:landscape", "a", "boat"], "is:landscape a boat"),
        (["folder:photos two people"], "folder:photos two people"),
        (["folder:photos", "two", "people"], "folder:photos two people"),
        (["folder:photos two people", "-hat"], "folder:photos two people -hat"),
        (["like:photo.jpg at night"], "like:photo.jpg at night"),
        (["-folder:Trash a boat"], "-folder:Trash a boat"),
        (["a boat is:landscape -snow"], "a boat is:landscape -snow"),
        (["year:2019 a boat", "folder:x"], "year:2019 a boat folder:x"),
        (["-snow a boat"], "-snow a boat"),
        (["a", "boat", "-two dogs"], 'a boat -"two dogs"'),
        (["a", "boat", "folder:Other Trip"], 'a boat folder:"Other Trip"'),
        (["folder:My Trip"], 'folder:"My Trip"'),
        (["folder:My Trip", "-snow"], 'folder:"My Trip" -snow'),
        (["folder:My Trip a boat"], 'folder:"My Trip" a boat'),
        (["folder:My Trip 2019 a boat"], 'folder:"My Trip 2019" a boat'),
        (["-folder:My Trip a boat"], '-folder:"My Trip" a boat'),
        (["camera:Canon EOS", "is:square"], 'camera:"Canon EOS" is:square'),
        (['folder:"My Trip" a boat'], 'folder:"My Trip" a boat'),
        (["http://example.org/x a sign"], "http://example.org/x a sign"),
        (["note: two dogs"], "note: two dogs"),
        (["a", "boat", "not", "at night"], 'a boat not "at night"'),
        (["a house", "NOT", "two trees", "is:square"], 'a house not "two trees" is:square'),
        (["a", "man", "not", "smiling"], "a man not smiling"),
        (["not", "folder:My Trip"], 'not folder:"My Trip"'),
    ],
)
def test_words_and_one_string_mean_the_same(words: list[str], same_as: str) -> None:
    assert parse(join_words(words, names)) == parse(same_as)


def test_a_picture_with_spaces_in_its_name_is_found_on_disk(tmp_path: Path) -> None:
    file = tmp_path / "my photo.jpg"
    file.touch()
    found = parse(join_words([f"like:{file} at night"]))
    assert (found.like, found.description) == (str(file), "at night")
    assert parse(join_words([f"similar:{file}", "is:square"])).similar == (str(file),)


def test_only_names_with_spaces_ask_the_library() -> None:
    assert is_ambiguous(["folder:My Trip"]) and is_ambiguous(["a", "-name:x y"])
    assert not is_ambiguous(["is:square a boat"]) and not is_ambiguous(["folder:x", "a", "boat"])


@given(st.lists(st.text(alphabet='abf:"- older\t/*', max_size=12), max_size=4))
def test_any_words_make_a_query_or_a_usage_error(words: list[str]) -> None:
    try:
        parse(join_words(words, names))
    except UsageError as error:
        assert error.message


@given(st.text(alphabet='ab folder:is-"x', max_size=30))
def test_one_word_is_the_query_itself_without_names(text: str) -> None:
    assert join_words([text]) == text
