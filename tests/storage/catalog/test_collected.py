"""Albums, favourites and hidden images: kept with the content, whatever happens to files, rows and vectors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from both_catalogs import BOTH, only_sqlite

from imgsearch.errors import UsageError
from imgsearch.records import Clause, Filters
from imgsearch.search.query.parser import parse
from imgsearch.storage import Store, writing
from imgsearch.storage.collecting import Collecting, KeptAlbum, valid_name
from imgsearch.storage.reads.collected import (
    album_images,
    albums_of,
    count_marks,
    find_album,
    kept_albums,
    kept_marks,
    read_albums,
    read_marks,
    removed_album,
)
from imgsearch.storage.reads.facets import read_facets
from imgsearch.storage.reads.timeline import months, window
from imgsearch.storage.upkeep.compaction import compact_library
from imgsearch.storage.upkeep.merging import copy_images

CATALOG_KINDS = BOTH


def found(store: Store, query: str) -> list[int]:
    return store.matching_images(parse(query).filters).tolist()


def content(number: int) -> bytes:
    return bytes.fromhex(f"{number:064x}")


def test_filters_ask_for_albums_and_marks(store: Store, kit: Any, photos: Path) -> None:
    kit.fill(store, photos, [1, 2, 3, 4, 5])
    collecting = Collecting(store)
    collecting.create("Rome 2019", [1, 2, 99])
    collecting.create("Île d'Yeu", [2, 3])
    assert collecting.mark("favourite", [2, 4, 99]) == [2, 4]
    assert collecting.mark("favourite", [2, 5]) == [5]
    for query, ids in {
        "album:rome*": [1, 2],
        'album:"ROME  2019"': [1, 2],
        'album:"ile d\'yeu"': [2, 3],
        'album:"Rome 2019" album:"île*"': [2],
        "album:Paris": [],
        "-album:rome*": [3, 4, 5],
        "is:favourite": [2, 4, 5],
        "is:Favorite is:landscape": [2, 4, 5],
        "is:favourite is:square": [],
        "-is:favourite": [1, 3],
        "is:favourite album:rome*": [2],
    }.items():
        assert found(store, query) == ids, query
    assert [(album.name, album.images) for album in read_albums(store)] == [("Île d'Yeu", 2), ("Rome 2019", 2)]
    assert [album.name for album in albums_of(store, 2)] == ["Île d'Yeu", "Rome 2019"]
    assert read_marks(store, [1, 2]) == {2: ("favourite",)}


def test_hidden_images_are_in_no_list_unless_asked_for(store: Store, kit: Any, photos: Path) -> None:
    kit.fill(store, photos, [1, 2, 3])
    collecting, before = Collecting(store), store.generation()
    collecting.create("all", [1, 2, 3])
    assert collecting.mark("hidden", [2]) == [2] and store.generation() > before
    assert found(store, "") == found(store, "album:all") == found(store, "width:>0") == [1, 3]
    assert found(store, "is:hidden") == found(store, "album:all is:hidden") == [2]
    assert sum(count for *_, count in months(store)) == 2 and window(store, 0, 9).tolist() == [3, 1]
    assert window(store, 0, 9, "newest", parse("is:hidden").filters).tolist() == [2]
    assert sum(count for _, count in read_facets(store, Filters()).formats) == 2
    assert sum(count for _, count in read_facets(store, parse("is:hidden").filters).formats) == 1
    assert read_albums(store)[0].images == 2 and count_marks(store) == {"hidden": (1, 2)}
    assert album_images(store, read_albums(store)[0].album_id) == [1, 3]
    assert collecting.mark("hidden", [2, 3], on=False) == [2]
    assert found(store, "") == [1, 2, 3]


def test_they_survive_moved_files_compaction_and_a_new_index(store: Store, kit: Any, photos: Path) -> None:
    root = kit.fill(store, photos, [1, 2])
    collecting = Collecting(store)
    collecting.create("kept", [1])
    collecting.mark("favourite", [1])
    with writing(store) as writer, writer.transaction() as tx:
        tx.place_files([(kit.place(root, "elsewhere/renamed.jpg"), 1)])
        tx.remove_files(root, ["1.jpg"])
        tx.commit()
    assert found(store, "is:favourite album:kept") == [1]
    kit.remove(store, root, ["elsewhere/renamed.jpg"])
    assert found(store, "is:favourite") == [] and read_albums(store)[0].images == 0
    with writing(store) as writer:
        compact_library(writer)
    kit.fill(store, photos, [1])
    assert found(store, "is:favourite album:kept") == [3], "the same content under a new id"


def test_an_edited_file_keeps_them_and_another_picture_in_its_place_does_not(
    store: Store, kit: Any, photos: Path
) -> None:
    import dataclasses

    import numpy as np

    from imgsearch.storage import EmbeddedBatch

    root = kit.fill(store, photos, [1, 2])
    Collecting(store).create("kept", [1, 2])
    Collecting(store).mark("hidden", [1])
    looks = kit.facts(1).perceptual_hash
    for path, number, bits in (("1.jpg", 7, looks ^ 0b101), ("2.jpg", 8, kit.facts(2).perceptual_hash ^ 0xFFFF)):
        facts = dataclasses.replace(kit.facts(number), perceptual_hash=bits)
        batch = EmbeddedBatch([facts], np.stack([kit.vectors(number)]), [[kit.place(root, path, 2)]])
        with writing(store) as writer, writer.transaction() as tx:
            tx.add(batch)
            tx.commit()
    assert found(store, "is:hidden album:kept") == [3] and found(store, "album:kept") == []


def test_albums_are_made_renamed_deleted_and_brought_back(store: Store, kit: Any, photos: Path) -> None:
    kit.fill(store, photos, [1, 2])
    collecting = Collecting(store)
    album = collecting.create('  The  "best" ', [1])
    assert album.name == 'The "best"' and found(store, 'album:"the best"') == [1]
    for name in ("THE BEST", "", "  ", "***", "a\x00b", "x" * 201):
        with pytest.raises(UsageError):
            collecting.create(name)
    assert collecting.put(album.album_id, [2, 1, 9]) == [2]
    assert collecting.put(album.album_id, [1], inside=False) == [1]
    collecting.rename(album.album_id, "the BEST")
    collecting.delete(album.album_id)
    assert found(store, 'album:"the best"') == [] and read_albums(store) == []
    with pytest.raises(UsageError, match="no such album"):
        collecting.put(album.album_id, [1])
    other = collecting.create("The best")
    with pytest.raises(UsageError, match="already"):
        collecting.restore(album.album_id)
    collecting.rename(other.album_id, "another")
    assert collecting.restore(removed_album(store, "the best").album_id).name == "the BEST"
    assert found(store, 'album:"the best"') == [2]
    with pytest.raises(UsageError) as caught:
        find_album(store, "teh best")
    assert "the BEST" in caught.value.hint


def test_deleted_albums_are_gone_after_a_month(store: Store) -> None:
    collecting = Collecting(store)
    album = collecting.create("old")
    collecting.delete(album.album_id)
    with store.catalog.note() as connection:
        connection.execute("UPDATE albums SET removed_at = '2020-01-01T00:00:00.000Z'")
    collecting.create("new")
    assert read_albums(store, removed=True) == []


@only_sqlite
def test_a_copy_that_stays_takes_the_place_of_one_that_was_moved(store: Store, kit: Any, photos: Path) -> None:
    kit.fill(store, photos, [1, 2, 3])
    collecting = Collecting(store)
    collecting.create("trip", [1])
    collecting.mark("favourite", [1])
    collecting.mark("hidden", [3])
    collecting.hand_over([(f"{1:064x}", f"{2:064x}"), (f"{3:064x}", f"{2:064x}")])
    assert found(store, "album:trip is:favourite") == [1, 2]
    collecting.give_back([f"{1:064x}"])
    assert found(store, "album:trip") == found(store, "is:favourite") == [1]


@only_sqlite
def test_merged_libraries_have_the_albums_of_both(
    make_store: Callable[..., Store], kit: Any, photos: Path, tmp_path: Path
) -> None:
    one, other = make_store("one"), make_store("other")
    kit.fill(one, photos, [1, 2])
    kit.fill(other, tmp_path, [2, 3])
    Collecting(one).create("Rome", [1, 2])
    Collecting(other).create("ROME", [2])
    Collecting(other).create("empty")
    Collecting(other).mark("favourite", [2])
    with writing(one) as writer:
        copy_images(writer, other)
    assert [(album.name, album.images) for album in read_albums(one)] == [("empty", 0), ("Rome", 3)]
    assert found(one, "is:favourite") == [3]


@only_sqlite
def test_what_is_written_down_is_read_again(make_store: Callable[..., Store], kit: Any, photos: Path) -> None:
    one, other = make_store("one"), make_store("other")
    kit.fill(one, photos, [1, 2])
    Collecting(one).create("Rome", [1, 2])
    Collecting(one).mark("favourite", [1])
    assert Collecting(other).take_in(kept_albums(one), kept_marks(one)) == (1, 2)
    assert kept_albums(other) == kept_albums(one) and [row[:2] for row in kept_marks(other)] == [
        ("favourite", content(1))
    ]
    again = [KeptAlbum("rome", "", ((content(2), ""), (content(3), "")))]
    assert Collecting(other).take_in(again, ()) == (0, 1)


def test_favourites_are_given_while_an_index_run_holds_the_lock(
    store: Store, kit: Any, photos: Path, catalog_kind: str
) -> None:
    root = kit.fill(store, photos, [1, 2])
    with writing(store) as writer:
        Collecting(store).mark("favourite", [1])
        with writer.transaction() as tx:
            tx.add(kit.batch(root, [3]))
            tx.commit()
    assert found(store, "is:favourite") == [1] and found(store, "") == [1, 2, 3]


@only_sqlite
def test_names_are_those_that_a_query_can_name() -> None:
    assert valid_name(" Cafe\u0301   2019 ") == "Café 2019"
    assert parse('album:"Rome 2019"').filters == Filters((Clause("album", "Rome 2019"),))
    for wrong in ("album:*", "album:a*b", 'album:""'):
        with pytest.raises(UsageError):
            parse(wrong)
