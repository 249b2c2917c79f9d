"""Disk shrinks, damage is found and never copied, and repair leaves a library that works."""

from __future__ import annotations

import errno
import sqlite3

import numpy as np
import pytest
from both_catalogs import BOTH, only_sqlite

from imgsearch.errors import SegmentDamaged, StorageFull, UsageError
from imgsearch.storage import compact, forget, repair, verify, writing
from imgsearch.storage.upkeep.compaction import compact_library
from imgsearch.storage.vectors import segment_store

CATALOG_KINDS = BOTH


@pytest.fixture
def root_id(store, kit, photos, monkeypatch):
    monkeypatch.setattr(segment_store, "MAX_SLOTS", 4)
    for numbers in ([1, 2], [3, 4], [5, 6, 7, 8], [9]):
        root_id = kit.fill(store, photos, numbers)
    return root_id


def segment_sizes(store):
    return {path.name: path.stat().st_size for path in sorted(store.layout.segments.iterdir())}


def damage(store, slot):
    """Flip one bit of a stored vector."""
    for path in store.layout.segments.iterdir():
        first = int(path.stem)
        if 0 <= slot - first < (path.stat().st_size - 4096) // 16:
            content = bytearray(path.read_bytes())
            content[4096 + 16 * (slot - first) + 3] ^= 4
            path.write_bytes(content)


def test_only_segments_with_deleted_pictures_are_rewritten(store, kit, root_id):
    before = kit.content(store)
    assert list(segment_sizes(store)) == ["000000000000.vec", "000000000004.vec", "000000000008.vec"]
    kit.remove(store, root_id, ["6.jpg", "7.jpg", "9.jpg"])
    calls = []
    done = compact(store, lambda *at: calls.append(at))
    assert (done.images_removed, done.segments_rewritten, calls) == (3, 2, [(1, 2), (2, 2)])
    assert segment_sizes(store) == {"000000000000.vec": 4096 + 4 * 16, "000000000009.vec": 4096 + 2 * 16}
    assert done.bytes_before - done.bytes_after == 4096 + 3 * 16
    after = kit.content(store)
    assert after == {path: content for path, content in before.items() if path[2:] not in ("6.jpg", "7.jpg", "9.jpg")}
    assert verify(store) == []
    again = compact(store)
    assert (again.images_removed, again.segments_rewritten) == (0, 0)
    kit.fill(store, store.roots()[0].path, [6])  # truly gone: embedded anew, under a slot never used before
    assert store.view().live_slots.tolist()[-1] == 11


def test_slots_are_never_used_twice_even_if_everything_goes(store, kit, root_id, photos):
    kit.remove(store, root_id, [f"{n}.jpg" for n in range(1, 10)])
    compact(store)
    assert segment_sizes(store) == {}
    assert store.view().slots == 0
    kit.fill(store, photos, [1])
    assert store.view().live_slots.tolist() == [9]
    assert verify(store) == []


def test_verify_names_each_kind_of_damage(store, kit, root_id):
    assert verify(store) == []
    seen = []
    verify(store, lambda done, total: seen.append((done, total)))
    assert seen[-1] == (9 * 16, 9 * 16)
    damage(store, 5)
    assert [(p.kind, p.subject) for p in verify(store)] == [("checksum", "000000000004.vec")]
    damage(store, 5)
    (store.layout.segments / "000000000099.vec").write_bytes(b"left over")
    assert [p.kind for p in verify(store)] == ["orphan-file"]
    (store.layout.segments / "000000000008.vec").unlink()
    assert sorted(p.kind for p in verify(store)) == ["orphan-file", "segment-missing"]


@only_sqlite
@pytest.mark.parametrize(
    ("statement", "kinds"),
    [
        ("DELETE FROM batches WHERE first_slot = 2", {"slot-without-vector"}),
        ("UPDATE images SET slot = 500 WHERE image_id = 3", {"slot-without-vector", "row-without-image"}),
        ("INSERT INTO deletions VALUES (2, 'now')", {"dangling"}),
        ("UPDATE files SET image_id = 777 WHERE image_id = 2", {"catalog", "dangling"}),
        ("UPDATE batches SET count = 3 WHERE first_slot = 0", {"count", "checksum", "row-without-image"}),
        ("UPDATE batches SET checksum = checksum + 1 WHERE first_slot = 8", {"checksum"}),
        ("UPDATE library SET next_slot = 2", {"count"}),
    ],
)
def test_verify_names_a_catalog_that_lies(store, root_id, statement, kinds):
    connection = sqlite3.connect(store.layout.catalog)
    for trigger in ("files_given", "files_taken"):
        connection.execute(f"DROP TRIGGER {trigger}")
    connection.execute(statement)
    connection.commit()
    connection.close()
    assert kinds <= {problem.kind for problem in verify(store)}


def test_compact_never_copies_damage(store, kit, root_id):
    kit.remove(store, root_id, ["5.jpg"])
    damage(store, 6)
    before = segment_sizes(store)
    with pytest.raises(SegmentDamaged, match="verify"):
        compact(store)
    assert segment_sizes(store) == before
    assert store.view().count == 8


def test_compact_on_a_full_disk_changes_nothing(store, kit, root_id, monkeypatch):
    kit.remove(store, root_id, ["5.jpg"])
    before = (segment_sizes(store), kit.content(store))

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with writing(store) as writer, monkeypatch.context() as patched, pytest.raises(StorageFull):
        patched.setattr(segment_store.os, "pwrite", full)
        compact_library(writer)
    assert (segment_sizes(store), kit.content(store)) == before
    compact(store)
    assert len(kit.content(store)) == 8
    assert verify(store) == []


def test_repair_drops_the_damaged_batches_and_nothing_else(store, kit, root_id, photos):
    before = kit.content(store)
    damage(store, 1)
    (store.layout.segments / "000000000008.vec").unlink()
    short = store.layout.segments / "000000000004.vec"
    short.write_bytes(short.read_bytes()[: 4096 + 3 * 16 - 5])
    done = repair(store)
    assert (done.images, done.batches) == (2 + 4 + 1, 3)
    left = kit.content(store)
    assert left == {path: content for path, content in before.items() if path[2:] in ("3.jpg", "4.jpg")}
    assert verify(store) == []
    for numbers in ([1, 2], [5, 6, 7, 8], [9]):  # what the next index run does
        kit.fill(store, photos, numbers)
    assert kit.content(store) == before
    assert verify(store) == []
    assert repair(store).images == 0


def test_forget_takes_a_path_or_says_what_there_is(store, root_id, photos, tmp_path):
    with pytest.raises(UsageError, match=str(photos)):
        forget(store, tmp_path / "elsewhere")
    assert forget(store, photos).images == 9
    assert store.view().count == 0
    compact(store)
    assert np.array_equal(store.view().live_slots, [])
