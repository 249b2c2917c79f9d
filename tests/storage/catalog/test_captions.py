"""Captions in the catalog: one an image, and found by their words where the generator was sure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from both_catalogs import BOTH, is_left_out, key_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imgsearch import storage
from imgsearch.records import Clause, FileFacts, Filters, Word
from imgsearch.storage import StoredCaption, writing
from imgsearch.storage.catalog.rereads import Reread
from imgsearch.storage.reads.captions import read_captions, read_uncaptioned

CATALOG_KINDS = BOTH


def caption(image_id: int, text: str, sure: bool = True, **more: Any) -> StoredCaption:
    made = StoredCaption(image_id, text, 0.75, sure, "mini", "ab" * 32, "float32", "", "{}")
    return replace(made, **more)


def found(store: Any, words: str, unwanted: bool = False) -> list[int]:
    return store.matching_images(Filters((Clause("caption", words, unwanted),))).tolist()


def write(store: Any, *captions: StoredCaption) -> int:
    with writing(store) as writer:
        return writer.write_captions(captions)


@pytest.fixture
def shelf(store: Any, kit: Any, photos: Any) -> Any:
    kit.fill(store, photos, [1, 2, 3])
    return store


def test_caption_is_found_by_its_words_where_it_is_sure(shelf: Any) -> None:
    before = shelf.generation()
    assert write(shelf, caption(1, "a red Café, two dogs"), caption(2, "a dog", sure=False), caption(77, "gone")) == 2
    assert shelf.generation() > before
    for words, ids in [("cafe", [1]), ("two dogs", [1]), ("dogs two", []), ("dog", []), ("dog*", [1]), ("red", [1])]:
        assert found(shelf, words) == ids
    assert found(shelf, "cafe", unwanted=True) == [2, 3]
    assert shelf.matching_images(Filters((Clause("has", "caption"),))).tolist() == [1, 2]
    read = read_captions(shelf, [1, 2, 3, 77])
    assert sorted(read) == [1, 2] and read[2].sure is False and read[1].probability == 0.75
    assert read[1].made_at.endswith("Z") and replace(read[1], made_at="") == caption(1, "a red Café, two dogs")


def test_caption_written_again_takes_the_place_of_the_first(shelf: Any) -> None:
    write(shelf, caption(1, "a boat"))
    write(shelf, caption(1, "a tree"))
    assert (found(shelf, "boat"), found(shelf, "tree")) == ([], [1])
    write(shelf, caption(1, "a tree", sure=False))
    assert found(shelf, "tree") == []
    with writing(shelf) as writer:
        assert writer.forget_captions([1, 2]) == 1
    assert read_captions(shelf, [1]) == {}


def test_waiting_are_those_without_a_caption_made_in_the_same_way(shelf: Any) -> None:
    write(shelf, caption(1, "a boat"), caption(2, "a tree", prompt="a photo of"))
    assert read_uncaptioned(shelf) == [3]
    assert read_uncaptioned(shelf, caption(0, "")) == [2, 3]
    for name, value in {"fingerprint": "x", "dtype": "bfloat16+int4", "prompt": "the", "settings": "[]"}.items():
        assert 1 in read_uncaptioned(shelf, caption(0, "", **{name: value}))
    assert read_uncaptioned(shelf, caption(0, "", generator="another path of the same files")) == [2, 3]


def test_caption_goes_with_its_image_and_comes_back_with_it(shelf: Any, kit: Any, photos: Any) -> None:
    write(shelf, caption(1, "a boat"), caption(2, "a boat"))
    root_id = shelf.roots()[0].root_id
    kit.remove(shelf, root_id, ["1.jpg"])
    assert found(shelf, "boat") == [2] and read_uncaptioned(shelf) == [3]
    kit.fill(shelf, photos, [1])
    assert found(shelf, "boat") == [1, 2]
    kit.remove(shelf, root_id, ["1.jpg"])
    storage.compact(shelf)
    assert (found(shelf, "boat"), list(read_captions(shelf, [1, 2]))) == ([2], [2])
    with shelf.catalog.look() as connection:
        assert connection.execute(f"SELECT {key_of(connection)} FROM caption_search").fetchall() == [(2,)]


def test_caption_of_an_image_that_looks_different_now_is_forgotten(shelf: Any, kit: Any) -> None:
    write(shelf, caption(1, "a boat"), caption(2, "a boat"))
    with writing(shelf) as writer, writer.transaction() as transaction:
        transaction.renew([Reread(1, kit.facts(1), b"", kit.vectors(9)), Reread(2, kit.facts(2), b"")])
        transaction.commit()
    assert found(shelf, "boat") == [2] and read_uncaptioned(shelf) == [1, 3]


def test_captions_that_people_wrote_are_found_too(shelf: Any) -> None:
    with writing(shelf) as writer, writer.transaction() as transaction:
        transaction.facts.images[3] = FileFacts(words=(Word("caption", "Anna's boat", "xmp"), Word("tag", "x", "xmp")))
        transaction.commit()
    assert found(shelf, "boat") == [3] and found(shelf, "x") == []


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40))
def test_any_text_can_be_kept_and_asked_for(shelf: Any, catalog_kind: str, text: str) -> None:
    if is_left_out(catalog_kind):
        return
    write(shelf, caption(1, text))
    assert read_captions(shelf, [1])[1].text == text
    assert found(shelf, text) in ([], [1])
    assert np.array_equal(shelf.view().image_ids, [1, 2, 3])
