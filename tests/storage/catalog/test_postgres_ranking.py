"""Full-text expressions and their ranking outside of SQLite, against FTS5 itself. Needs no server."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("psycopg")

from imgsearch import wordforms
from imgsearch.search.word_matches import near_expression, word_expression
from imgsearch.storage.catalog.postgres.expressions import Either, Every, InColumn, Near, Phrase, parsed, phrases_of
from imgsearch.storage.catalog.postgres.ranking import Collection, RankedText, score

WORDS = ["sea", "seas", "sand", "red", "dog", "dogs", "2019", "café", "東京", "o'brien", "MyTrip", "boat"]
TEXTS = st.lists(st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join), min_size=1, max_size=8)


def by_fts5(texts: list[str], expression: str) -> list[int]:
    with sqlite3.connect(":memory:") as connection:
        connection.execute("CREATE VIRTUAL TABLE held USING fts5 (text, tokenize = 'ascii')")
        connection.executemany("INSERT INTO held (rowid, text) VALUES (?, ?)", enumerate(texts, 1))
        rows = connection.execute("SELECT rowid FROM held WHERE held MATCH ? ORDER BY bm25(held), rowid", (expression,))
        return [row[0] for row in rows]


def by_hand(texts: list[str], expression: str) -> list[int]:
    node = parsed(expression)
    documents = [RankedText(text) for text in texts]
    holding = {phrase: sum(bool(each.places(phrase)) for each in documents) for phrase in phrases_of(node)}
    known = Collection(len(texts), sum(len(each.words) for each in documents), holding)
    weights = [known.weight(phrase) for phrase in phrases_of(node)]
    counted = [(number, each, each.counts(node)) for number, each in enumerate(documents, 1)]
    found = [
        (score(each, counts, weights, known.words / known.texts), number) for number, each, counts in counted if counts
    ]
    return [number for _, number in sorted(found)]


EXPRESSIONS = st.one_of(
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(" ".join).map(word_expression),
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(" ".join).map(near_expression),
    st.tuples(st.sampled_from(["red dog", "sea", "MyTrip", "o'brien boat", "do"]), st.booleans()).map(
        lambda pair: wordforms.phrase(pair[0], unfinished=pair[1])
    ),
    st.lists(st.sampled_from(WORDS), min_size=2, max_size=3).map(
        lambda words: "NEAR({}, 2)".format(" ".join(f'"{wordforms.words(word)[0]}"' for word in words))
    ),
)


@settings(max_examples=50, deadline=None)
@given(TEXTS, EXPRESSIONS)
def test_texts_are_found_and_ordered_as_by_fts5(texts: list[str], expression: str) -> None:
    indexed = [wordforms.indexed(text) for text in texts]
    assert by_hand(indexed, expression) == by_fts5(indexed, expression), expression


def test_expression_is_parsed_as_fts5_binds_it() -> None:
    sea, sand, dog = Phrase(("sea",)), Phrase(("sand", "sea")), Phrase(("do",), unfinished=True)
    assert parsed('tags : ("sea" OR "sand sea" AND "do" *)') == InColumn("tags", Either((sea, Every((sand, dog)))))
    assert parsed('NEAR("sea" "sand sea", 20) OR "do" *') == Either((Near((sea, sand), 20), dog))
    for wrong in ('"sea" "sand"', '("sea"', '""', 'NEAR("sea", x)', "sea", "", '"a" AND'):
        with pytest.raises(ValueError, match="full-text expression"):
            parsed(wrong)
