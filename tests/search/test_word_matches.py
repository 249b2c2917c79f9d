"""Which words of a description are looked for in what people wrote, and what is shown of them."""

from __future__ import annotations

import sqlite3

import pytest

from imgsearch import wordforms
from imgsearch.records import Word
from imgsearch.search.word_matches import content_words, shown_words, word_expression


@pytest.mark.parametrize(
    ("description", "text", "found"),
    [
        ("grandmother Anna", "Grandmother Anna at the lake", True),
        ("anna at the sea", "Grandmother Anna at the lake", False),  # all words
        ("a boat", "boats in Venice", True),
        ("cherries", "a cherry", True),
        ("a dish", "two dishes", True),
        ("東京", "東京旅行2019", True),
        ("лодка", "Лодка на реке", True),
        ("Café", "cafe de paris", True),
        ("boat", "boathouse", False),
    ],
)
def test_all_words_of_a_description_must_stand_in_the_text(description, text, found):
    with sqlite3.connect(":memory:") as connection:
        connection.execute("CREATE VIRTUAL TABLE word_search USING fts5 (tags, texts, tokenize = 'ascii')")
        connection.execute("INSERT INTO word_search VALUES ('', ?)", (wordforms.indexed(text),))
        asked = (word_expression(description),)
        rows = connection.execute("SELECT 1 FROM word_search WHERE word_search MATCH ?", asked).fetchall()
    assert bool(rows) == found


def test_small_words_and_signs_are_not_looked_for():
    assert content_words('a photo of the "red" boat, boat!') == ["red", "boat"]
    assert word_expression("a photo of the") == word_expression("?!") == ""


def test_what_is_shown_holds_the_word():
    words = [
        Word("tag", "Venice", "xmp"),
        Word("tag", "boats", "xmp"),
        Word("caption", "x " * 200 + "boat end", "exif"),
    ]
    assert shown_words("a boat", words[:2]) == 'tag "boats"'
    assert "boat" in shown_words("a boat", words[2:]) and len(shown_words("a boat", words[2:])) < 110
