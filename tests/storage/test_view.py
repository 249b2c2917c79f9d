"""A point in time holds still while writers commit and compact, and never shows half a batch."""

from __future__ import annotations

import os
import threading
import time

import numpy as np
import pytest

from imgsearch.errors import SegmentDamaged
from imgsearch.storage import open_store, verify, writing
from imgsearch.storage.upkeep.compaction import compact_library
from imgsearch.storage.vectors import segment_store
from imgsearch.storage.vectors.segments import VectorShape
from imgsearch.storage.view import View


def test_view_holds_still_through_commits_and_compaction(store, kit, photos):
    root_id = kit.fill(store, photos, [1, 2, 3, 4])
    view = store.view()
    before = view.read(np.array([3, 0, 3]))
    kit.remove(store, root_id, ["1.jpg", "2.jpg"])
    kit.fill(store, photos, [5])
    with writing(store) as writer:
        done = compact_library(writer)
    assert (done.images_removed, done.segments_rewritten) == (2, 1)
    assert view.changed()
    assert view.image_ids.tolist() == [1, 2, 3, 4]
    assert np.array_equal(view.read(np.array([3, 0, 3])), before)
    assert sum(len(block) for _, block in view.blocks(3)) == 4
    fresh = store.view()
    assert not fresh.changed()
    assert fresh.image_ids.tolist() == [3, 4, 5]
    assert fresh.live_slots.tolist() == [5, 6, 7]
    assert np.array_equal(fresh.read(np.array([6, 7])), np.stack([kit.vectors(4), kit.vectors(5)]))


def test_slot_arrays_agree(store, kit, photos):
    root_id = kit.fill(store, photos, [1, 2, 3])
    kit.remove(store, root_id, ["2.jpg"])
    view = store.view()
    assert view.slots == 3
    assert view.live_mask().tolist() == [True, False, True]
    assert view.tie_keys().tolist() == [1, -1, 3]
    assert view.image_ids_of(np.array([2, 1, 0, 9, -1])).tolist() == [3, -1, 1, -1, -1]
    for slot in (3, -1):
        with pytest.raises(ValueError, match="never committed"):
            view.read(np.array([0, slot]))
    with pytest.raises(ValueError, match="at least 1"):
        next(view.blocks(0))
    with pytest.raises(ValueError, match="read-only"):
        next(view.blocks())[1][0] = 0


def test_empty_library_has_an_empty_view(store):
    view = store.view()
    assert (view.count, view.slots, list(view.blocks()), view.tie_keys().tolist()) == (0, 0, [], [])
    assert view.image_ids_of(np.array([0, 5])).tolist() == [-1, -1]
    assert view.read(np.empty(0, np.int64)).shape == (0, 2, 4)


def test_damaged_segments_are_named(store, kit, photos):
    kit.fill(store, photos, [1, 2])
    segment = next(store.layout.segments.iterdir())
    whole = segment.read_bytes()
    flipped = whole[:20] + bytes([whole[20] ^ 1]) + whole[21:]
    for content, word in ((whole[:-1], "need 4128"), (flipped, "checksum"), (b"x" * len(whole), "begin like")):
        segment.write_bytes(content)
        with pytest.raises(SegmentDamaged, match=word):
            store.view()
        assert verify(store)
    segment.unlink()
    with pytest.raises(SegmentDamaged, match="missing"):
        store.view()
    with pytest.raises(SegmentDamaged, match="imgsearch verify"), writing(store):
        pass


def test_readers_beside_a_writer_see_whole_batches_only(store, kit, photos, monkeypatch):
    """Another process commits batches of 7, deletes and compacts; every view is a prefix of whole batches."""
    monkeypatch.setattr(segment_store, "MAX_SLOTS", 20)
    store.close()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            with open_store(store.path) as mine, writing(mine) as writer:
                root_id = writer.add_root(photos).root_id
                for batch in range(40):
                    with writer.transaction() as tx:
                        tx.add(kit.batch(root_id, list(range(batch * 7, batch * 7 + 7))))
                        tx.commit()
                    if batch % 10 == 9:  # the first batch of these ten goes, whole
                        with writer.transaction() as tx:
                            tx.remove_files(root_id, [f"{n}.jpg" for n in range((batch - 9) * 7, (batch - 9) * 7 + 7)])
                            tx.commit()
                        compact_library(writer)
            code = 0
        finally:
            os._exit(code)
    problems: list[str] = []
    counts: set[int] = set()
    stop = threading.Event()

    def watch() -> None:
        with open_store(store.path) as mine:
            while not stop.is_set():
                view = mine.view()
                counts.add(view.count)
                vectors = view.read(view.live_slots)
                records = mine.images(view.image_ids.tolist())
                numbers = [int(records[i].facts.content_hash, 16) for i in view.image_ids.tolist() if i in records]
                for image_id, vector in zip(view.image_ids.tolist(), vectors, strict=True):
                    if image_id in records:
                        number = int(records[image_id].facts.content_hash, 16)
                        if not np.array_equal(vector, kit.vectors(number)):
                            problems.append(f"image {image_id} has the vectors of another")
                if view.count % 7:
                    problems.append(f"half a batch: {view.count}, {sorted(numbers)[-8:]}")
                if sum(len(block) for _, block in view.blocks(5)) < view.count:
                    problems.append("blocks without some live slots")

    readers = [threading.Thread(target=watch) for _ in range(2)]
    for reader in readers:
        reader.start()
    _, status = os.waitpid(child, 0)
    time.sleep(0.1)
    stop.set()
    for reader in readers:
        reader.join()
    assert os.WEXITSTATUS(status) == 0
    assert problems == []
    assert len(counts) > 3, "the readers slept through it"
    assert store.view().count == 36 * 7
    assert verify(store) == []


@pytest.mark.parametrize("dtype", ["float16", "float32", "int8"])
def test_stored_vectors_times_their_scale_are_the_vectors(make_store, kit, photos, monkeypatch, dtype):
    monkeypatch.setattr(segment_store, "MAX_SLOTS", 3)
    store = make_store(dtype, dtype)
    for numbers in ([1, 2, 3], [400, 500, 600], [7, 8]):  # int8: the large ones open a segment of another scale
        root_id = kit.fill(store, photos, numbers)
    kit.remove(store, root_id, ["2.jpg"])
    with writing(store) as writer:
        compact_library(writer)  # slots 0..2 are gone, 1 and 3 live behind the others
    view = store.view()
    assert view.live_slots.tolist() == [3, 4, 5, 6, 7, 8, 9]
    truth = view.read(view.live_slots)
    swept = {}
    for first, block, scale in view.stored_blocks(2):
        assert len(block) <= 2 and block.dtype == (np.int8 if dtype == "int8" else np.dtype(dtype))
        swept |= {first + n: rows.astype(np.float32) * np.float32(scale) for n, rows in enumerate(block)}
    np.testing.assert_array_equal(np.stack([swept[slot] for slot in view.live_slots.tolist()]), truth)
    part = [(first, len(block)) for first, block, _ in view.stored_blocks(8, 4, 8)]
    assert sum(count for _, count in part) == 4 and part[0][0] == 4
    wanted = np.array([3, 5, 6, 9])
    gathered = np.full((4, *truth.shape[1:]), np.nan, np.float32)
    for positions, block, scale in view.read_stored(wanted):
        gathered[positions] = block.astype(np.float32) * np.float32(scale)
    np.testing.assert_array_equal(gathered, view.read(wanted))
    for unknown in ([0], [2, 3], [9, 10], [-1, 4]):
        with pytest.raises(ValueError):
            list(view.read_stored(np.array(unknown)))
    assert list(view.read_stored(np.empty(0, np.int64))) == []


@pytest.mark.parametrize(
    "ids",
    [[1, 2, 5, 9], [7, 3, 900_000, 12], [*range(700, 200, -2), *range(1, 200, 2)]],
    ids=["ascending", "sparse", "many"],
)
def test_slots_of_images_are_those_of_the_ids_alone(ids):
    slots = np.array([0, 4, 5, *range(8, 2 * len(ids) + 2, 2)], np.int64)[: len(ids)]
    shape = VectorShape("float16", 2, 4)
    view = View(0, shape, [], (slots, np.array(ids, np.int64)), np.empty(0, np.int64), lambda: 0)
    for asked in ([], [ids[2]], [ids[3], ids[0]], [-1, 10_000_000, ids[1], ids[1]], ids):
        expected = [slot for slot, image_id in zip(slots.tolist(), ids, strict=True) if image_id in asked]
        assert view.slots_of_images(np.array(asked, np.int64)).tolist() == expected


def test_released_pages_are_read_again(store, kit, photos):
    kit.fill(store, photos, [1, 2, 3])
    view = store.view()
    before = view.read(view.live_slots)
    view.release_pages()
    assert np.array_equal(view.read(view.live_slots), before)
