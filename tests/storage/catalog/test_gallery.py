"""What a page shows of a library: pictures with their places, failures by the page, events."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from both_catalogs import BOTH

from imgsearch.storage import FailedFile, writing
from imgsearch.storage.reads.gallery import BEGINNING, newest_event_id, read_events, read_failures, read_picture

CATALOG_KINDS = BOTH


def test_a_picture_comes_with_every_place_the_best_first(tmp_path: Path, store: Any, kit: Any):
    kit.fill(store, tmp_path / "far", [1])
    with writing(store) as writer:
        near = writer.add_root(tmp_path / "near").root_id
        with writer.transaction() as tx:
            tx.place_files([(kit.place(near, "sub/b.jpg", mtime_ns=7), 1), (kit.place(near, "a.jpg"), 1)])
            tx.commit()
        writer.set_root_offline(1, True)
    picture = read_picture(store, 1)
    assert picture is not None and picture.record.facts == kit.facts(1)
    assert [(place.path, place.offline) for place in picture.places] == [
        (tmp_path / "near" / "a.jpg", False),
        (tmp_path / "near" / "sub" / "b.jpg", False),
        (tmp_path / "far" / "1.jpg", True),
    ]
    assert (picture.places[1].mtime_ns, picture.places[1].root) == (7, tmp_path / "near")


@pytest.mark.parametrize("image_id", [0, 2, 3, 2**62, -1])
def test_an_unknown_or_deleted_picture_is_none(tmp_path: Path, store: Any, kit: Any, image_id: int):
    root = kit.fill(store, tmp_path / "photos", [1, 2])
    kit.remove(store, root, ["2.jpg"])
    assert read_picture(store, 1) is not None
    assert read_picture(store, image_id) is None


def test_failures_come_by_the_page_whole_and_in_order(tmp_path: Path, store: Any):
    names = sorted(os.fsdecode(name) for name in (b"a.jpg", b"b/\xff.jpg", b"c", b"d'; DROP", "é".encode()))
    with writing(store) as writer:
        roots = [writer.add_root(tmp_path / name).root_id for name in ("one", "two")]
        with writer.transaction() as tx:
            tx.record_failures([FailedFile(r, n, "open", f"why {n!r}", r == 1, 5, 6) for r in roots for n in names])
            tx.commit()
    seen, after = [], BEGINNING
    while page := read_failures(store, 3, after):
        seen += page
        after = page[-1].key
    assert len(seen) == 10 and seen == read_failures(store, 100)
    assert [os.fsencode(entry.path) for entry in seen[:5]] == sorted(os.fsencode(tmp_path / "one" / n) for n in names)
    assert {entry.transient for entry in seen[:5]} == {True} and seen[0].failed_at.endswith("Z")


def test_events_follow_an_id(store: Any):
    assert newest_event_id(store) == 0
    with writing(store) as writer:
        for number in range(5):
            writer.record_event("batch", {"n": number})
    assert newest_event_id(store) == 5
    assert read_events(store) == store.events()
    assert [event.data["n"] for event in read_events(store, 2, limit=2)] == [2, 3]
