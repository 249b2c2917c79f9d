"""Which words of a description are looked for in what people wrote, and what is shown of them."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from imgsearch import wordforms
from imgsearch.records import FileFacts, Word
from imgsearch.search.engine import Searcher
from imgsearch.search.query.description import Query
from imgsearch.search.word_matches import content_words, shown_words, word_expression
from imgsearch.storage import open_store, writing


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


def told(library: Any, name: str, *words: Word) -> None:
    """Say what people wrote of a picture of the library."""
    with writing(library.store) as writer, writer.transaction() as transaction:
        ids = library.store.files_at(1, [name])
        transaction.facts.images[ids[name].image_id] = FileFacts(words=words)
        transaction.commit()


def test_a_picture_that_people_described_so_is_reranked_too(library: Any) -> None:
    library.add(library.names())
    ask = Query("grandmother Anna", k=12, rerank=3)
    with Searcher(open_store(library.folder / "library"), library.model) as searcher:
        before = searcher.search(ask).hits
        last = before[-1]
        told(library, last.path.name, Word("caption", "Grandmother Anna at the lake", "exif"))
        told(library, before[-2].path.name, Word("tag", "Anna", "xmp"))
        after = searcher.search(ask)
        assert (sum(hit.itm_logit is not None for hit in after.hits), after.reranked) == (4, 4)
        found = next(hit for hit in after.hits if hit.image_id == last.image_id)
        assert found.words == 'caption "Grandmother Anna at the lake"' and found.itm_logit is not None
        assert [hit.image_id for hit in after.hits if hit is not found] == [hit.image_id for hit in before[:-1]]
        few = searcher.search(Query("grandmother Anna", k=2, rerank=3)).hits
        assert [hit.image_id for hit in few] == [hit.image_id for hit in after.hits[:2]]
        others = searcher.search(Query("grandmother Anna -name:" + last.path.stem, k=12, rerank=3)).hits
        assert not any(hit.words for hit in others)
        assert searcher.search(Query("grandmother Anna in Paris", k=12, rerank=3)).reranked == 3
