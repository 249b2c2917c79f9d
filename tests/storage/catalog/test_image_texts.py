"""Words read in images, in the catalog: found one after the other, in each order that was given."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from both_catalogs import BOTH, is_left_out, key_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imgsearch import storage
from imgsearch.records import Clause, Filters
from imgsearch.storage import StoredText, TextLine, TextWord, writing
from imgsearch.storage.catalog.rereads import Reread
from imgsearch.storage.reads.image_texts import read_text_matches, read_texts, read_unread

CATALOG_KINDS = BOTH

BOX = (0.1, 0.1, 0.9, 0.1, 0.9, 0.2, 0.1, 0.2)


def line(text: str) -> TextLine:
    return TextLine(text, BOX, 0.9, tuple(TextWord(word, BOX, 0.9) for word in text.split()))


def text(image_id: int, *lines: str, **more: Any) -> StoredText:
    return replace(StoredText(image_id, tuple(map(line, lines)), "reader 1", "ab"), **more)


def found(store: Any, words: str, unwanted: bool = False) -> list[int]:
    return store.matching_images(Filters((Clause("text", words, unwanted),))).tolist()


def write(store: Any, *texts: StoredText) -> int:
    with writing(store) as writer:
        return writer.write_texts(texts)


@pytest.fixture
def shelf(store: Any, kit: Any, photos: Any) -> Any:
    kit.fill(store, photos, [1, 2, 3])
    return store


def test_words_read_in_an_image_find_it(shelf: Any) -> None:
    before = shelf.generation()
    assert write(shelf, text(1, "Café Zürich", "Total €12.50", "東京都"), text(2), text(77, "gone")) == 2
    assert shelf.generation() > before
    wanted = {"cafe": [1], "total 12.50": [1], "total 12,50": [1], "12.5": [], "zurich total": [1], "caf*": [1]}
    for words, ids in (wanted | {"京": [1], "東京": [1], "京東": [], "Zürich Café": []}).items():
        assert found(shelf, words) == ids, words
    assert found(shelf, "cafe", unwanted=True) == [2, 3]
    assert shelf.matching_images(Filters((Clause("has", "text"),))).tolist() == [1]
    read = read_texts(shelf, [1, 2, 3, 77])
    assert sorted(read) == [1, 2] and read[2].lines == ()
    assert read[1].made_at.endswith("Z") and replace(read[1], made_at="") == text(
        1, "Café Zürich", "Total €12.50", "東京都"
    )
    assert read[1].text == "Café Zürich\nTotal €12.50\n東京都" and read[1].words[2].text == "Total"


def test_phrases_of_each_order_are_found_and_none_across_them(shelf: Any) -> None:
    write(shelf, text(1, "a", searched=("left one right one", "left two")))
    assert [found(shelf, words) for words in ("one right", "left two", "one left")] == [[1], [1], []]


def test_image_read_again_loses_the_words_read_before(shelf: Any) -> None:
    write(shelf, text(1, "boat"))
    write(shelf, text(1, "tree"))
    assert (found(shelf, "boat"), found(shelf, "tree")) == ([], [1])
    write(shelf, text(1))
    assert found(shelf, "tree") == []
    with writing(shelf) as writer:
        assert writer.forget_texts([1, 2]) == 1
    assert read_texts(shelf, [1]) == {}


def test_waiting_are_those_that_no_such_reader_has_read(shelf: Any) -> None:
    write(shelf, text(1, "boat"), text(2, fingerprint="older"))
    assert (read_unread(shelf), read_unread(shelf, "ab"), read_unread(shelf, "new")) == ([3], [2, 3], [1, 2, 3])


def test_words_go_with_their_image_and_come_back_with_it(shelf: Any, kit: Any, photos: Any) -> None:
    write(shelf, text(1, "boat"), text(2, "boat"))
    root_id = shelf.roots()[0].root_id
    kit.remove(shelf, root_id, ["1.jpg"])
    assert found(shelf, "boat") == [2] and read_unread(shelf) == [3]
    kit.fill(shelf, photos, [1])
    assert found(shelf, "boat") == [1, 2]
    kit.remove(shelf, root_id, ["1.jpg"])
    storage.compact(shelf)
    assert (found(shelf, "boat"), list(read_texts(shelf, [1, 2]))) == ([2], [2])
    with shelf.catalog.look() as connection:
        assert connection.execute(f"SELECT {key_of(connection)} FROM text_search").fetchall() == [(2,)]


def test_words_of_an_image_that_looks_different_now_are_forgotten(shelf: Any, kit: Any) -> None:
    write(shelf, text(1, "boat"), text(2, "boat"))
    with writing(shelf) as writer, writer.transaction() as transaction:
        transaction.renew([Reread(1, kit.facts(1), b"", kit.vectors(9)), Reread(2, kit.facts(2), b"")])
        transaction.commit()
    assert found(shelf, "boat") == [2] and read_unread(shelf) == [1, 3]


def test_best_match_is_the_text_that_says_little_else(shelf: Any) -> None:
    write(shelf, text(1, "boat " + "other " * 40), text(2, "boat"), text(3, "tree"))
    assert read_text_matches(shelf, '"boat"', 9) == [2, 1]


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40))
def test_any_text_can_be_kept_and_asked_for(shelf: Any, catalog_kind: str, content: str) -> None:
    if is_left_out(catalog_kind):
        return
    write(shelf, StoredText(1, (TextLine(content, BOX, 0.5, ()),), "r", "f"))
    assert read_texts(shelf, [1])[1].lines[0].text == content
    assert found(shelf, content) in ([], [1])
    assert np.array_equal(shelf.view().image_ids, [1, 2, 3])
