"""One commit point: what is in it, what undoes it, and what a file row does to an image."""

from __future__ import annotations

import dataclasses
import errno
import os
import re
import signal

import numpy as np
import pytest
from both_catalogs import BOTH, only_sqlite

from imgsearch.errors import LibraryBusy, StorageFull
from imgsearch.records import FileFacts, Word
from imgsearch.storage import FailedFile, verify, writing
from imgsearch.storage.catalog import orm_reads
from imgsearch.storage.catalog.facts import FileDate, SidecarFacts
from imgsearch.storage.transaction import WriteTransaction
from imgsearch.storage.vectors import segment_store

CATALOG_KINDS = BOTH


@pytest.fixture
def root_id(store, kit, photos):
    return kit.fill(store, photos, [1, 2, 3])


def live(store):
    return store.view().image_ids.tolist()


def write(store, act):
    with writing(store) as writer, writer.transaction() as tx:
        act(tx)
        return tx.commit()


def test_leaving_without_commit_undoes_everything(store, kit, root_id):
    before = (kit.content(store), store.generation(), store.stats().total_bytes)
    with writing(store) as writer:
        with writer.transaction() as tx:
            tx.add(kit.batch(root_id, [4, 5]))
            tx.remove_files(root_id, ["1.jpg"])
            tx.record_event("never", {})
        with pytest.raises(RuntimeError), writer.transaction() as tx:
            tx.add(kit.batch(root_id, [6]))
            raise RuntimeError
        assert (kit.content(store), store.generation()) == before[:2]
        assert store.stats().vector_bytes == 4096 + 3 * 16
        with writer.transaction() as tx:
            tx.add(kit.batch(root_id, [7]))
            assert tx.commit().slots.first == 3
    assert verify(store) == []


def test_fsync_comes_before_the_catalog_names_the_vectors(store, kit, root_id, monkeypatch):
    order = []
    monkeypatch.setattr(segment_store.os, "fsync", lambda descriptor: order.append("fsync"))
    monkeypatch.setattr("imgsearch.storage.catalog.row_writes.write_batches", lambda *_: order.append("rows"))
    monkeypatch.setattr("imgsearch.storage.transaction.insert_images", lambda *_: {})
    with writing(store) as writer, writer.transaction() as tx:
        tx.add(kit.batch(root_id, [4]))
        tx._placed.clear()
        tx.commit()
    assert order[:2] == ["fsync", "rows"]


def test_known_contents_keep_their_vectors_and_gain_files(store, kit, root_id):
    batch = kit.batch(root_id, [3, 8, 8], ["copy.jpg", "8.jpg", "8b.jpg"])
    other = dataclasses.replace(batch, vectors=batch.vectors + 1)
    done = write(store, lambda tx: tx.add(other))
    assert (done.images, done.files, done.slots.count) == (1, 3, 1)
    assert store.known_contents([kit.facts(8).content_hash]) == {kit.facts(8).content_hash: 4}
    assert np.array_equal(store.view().read(np.array([2]))[0], kit.vectors(3))
    assert [path.name for path in store.all_paths([4])[4]] == ["8.jpg", "8b.jpg"]


def test_a_move_is_a_row_and_never_a_deletion(store, kit, root_id):
    def move(tx):
        tx.remove_files(root_id, ["1.jpg"])
        tx.place_files([(kit.place(root_id, "sub/1.jpg"), kit.facts(1).content_hash)])

    assert write(store, move).slots is None
    assert live(store) == [1, 2, 3]
    assert store.paths([1])[1].name == "1.jpg"
    assert store.paths([1])[1].parent.name == "sub"


def test_a_changed_file_takes_its_old_image_out(store, kit, root_id):
    write(store, lambda tx: tx.add(kit.batch(root_id, [9], ["1.jpg"])))
    assert live(store) == [2, 3, 4]
    write(store, lambda tx: tx.place_files([(kit.place(root_id, "1.jpg", mtime_ns=7), kit.facts(2).content_hash)]))
    assert live(store) == [2, 3]
    assert store.files_at(root_id, ["1.jpg"])["1.jpg"] == ("1.jpg", 1000, 7, 2)


def test_a_deleted_content_that_comes_back_is_not_embedded(store, kit, root_id):
    kit.remove(store, root_id, ["2.jpg"])
    assert live(store) == [1, 3]
    assert store.stats().deleted_images == 1
    write(store, lambda tx: tx.place_files([(kit.place(root_id, "again.jpg"), kit.facts(2).content_hash)]))
    assert live(store) == [1, 2, 3]
    assert store.stats().deleted_images == 0
    assert verify(store) == []


def test_unknown_content_and_image_undo_the_transaction(store, kit, root_id):
    for key in ("0" * 64, 77):
        with pytest.raises(ValueError, match=r"does not have|has no content"):
            write(
                store,
                lambda tx, key=key: (tx.add(kit.batch(root_id, [5])), tx.place_files([(kit.place(root_id, "x"), key)])),
            )
    assert live(store) == [1, 2, 3]
    assert verify(store) == []


def test_bad_batches_are_refused_before_anything_is_written(store, kit, root_id):
    good = kit.batch(root_id, [5])
    for bad in (
        dataclasses.replace(good, vectors=good.vectors * np.nan),
        dataclasses.replace(good, vectors=good.vectors[:, :1]),
        dataclasses.replace(good, vectors=good.vectors[0]),
        dataclasses.replace(good, places=[[]]),
        dataclasses.replace(good, facts=[]),
    ):
        with pytest.raises(ValueError, match="expected"):
            write(store, lambda tx, bad=bad: tx.add(bad))
    assert verify(store) == []


def test_failures_are_replaced_and_cleared_by_success(store, kit, root_id):
    def fail(reason):
        return lambda tx: tx.record_failures(
            [FailedFile(root_id, name, "decode", reason, False, 1, 2) for name in "ab"]
        )

    write(store, fail("first"))
    write(store, fail("second"))
    assert {name: entry.reason for name, entry in store.failed_files(root_id).items()} == {"a": "second", "b": "second"}
    write(store, lambda tx: tx.place_files([(kit.place(root_id, "a"), kit.facts(1).content_hash)]))
    assert list(store.failed_files(root_id)) == ["b"]
    write(store, lambda tx: tx.clear_failures(root_id, ["b"]))
    assert list(store.failures()) == []


def test_events_are_ordered_and_wake_no_searcher(store, root_id):
    view = store.view()
    with writing(store) as writer:
        writer.record_event("run-started", {"n": 1})
        write_events = [("batch", {"n": n}) for n in range(5)]
        with writer.transaction() as tx:
            for kind, data in write_events:
                tx.record_event(kind, data)
            tx.commit()
    assert not view.changed()
    events = store.events()
    assert [event.kind for event in events] == ["run-started"] + ["batch"] * 5
    assert [event.data["n"] for event in store.events(events[2].event_id, limit=2)] == [2, 3]


def test_forgetting_a_root_keeps_what_another_holds(store, kit, root_id, tmp_path):
    with writing(store) as writer:
        other = writer.add_root(tmp_path / "other").root_id
        with writer.transaction() as tx:
            tx.place_files([(kit.place(other, "mine.jpg"), kit.facts(2).content_hash)])
            tx.commit()
        gone = writer.forget_root(root_id)
    assert (gone.files, gone.images) == (3, 2)
    assert live(store) == [2]
    assert [root.root_id for root in store.roots()] == [other]
    assert verify(store) == []


@pytest.mark.parametrize("room_bytes", [0, 40, 4096 + 10])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_full_disk_undoes_the_batch_and_the_writer_goes_on(store, kit, root_id, monkeypatch, room_bytes, code):
    before = kit.content(store)
    left = room_bytes
    real = os.pwrite

    def write_until_full(descriptor, content, offset):
        nonlocal left
        if not left:
            raise OSError(code, os.strerror(code))
        taken = min(left, len(content))
        left -= taken
        return real(descriptor, content[:taken], offset)

    monkeypatch.setattr(segment_store, "MAX_SLOTS", 3)  # the next batch needs a new file
    with writing(store) as writer:
        with monkeypatch.context() as full:
            full.setattr(segment_store.os, "pwrite", write_until_full)
            with pytest.raises(StorageFull, match=r"run the same command again|--library"), writer.transaction() as tx:
                tx.add(kit.batch(root_id, [4, 5, 6]))
                tx.commit()
        assert kit.content(store) == before
        with writer.transaction() as tx:
            tx.add(kit.batch(root_id, [4, 5, 6]))
            tx.commit()
    assert len(kit.content(store)) == 6
    assert verify(store) == []


@only_sqlite
def test_a_full_catalog_is_reported_as_a_full_disk(store, kit, root_id):
    before = kit.content(store)
    with writing(store) as writer:
        with writer.catalog.write() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
        with pytest.raises(StorageFull, match="no space"), writer.transaction() as tx:
            tx.add(kit.batch(root_id, list(range(100, 1100))))
            tx.commit()
        writer.catalog.close()
        assert kit.content(store) == before
        with writer.transaction() as tx:
            tx.add(kit.batch(root_id, [4]))
            tx.commit()
    assert verify(store) == []


def test_a_second_writer_is_told_who_holds_the_lock(store, root_id):
    with writing(store):
        with pytest.raises(LibraryBusy, match=rf"process {os.getpid()}\b"), writing(store):
            pass
        assert store.view().count == 3
    with writing(store):
        pass


def test_children_of_a_killed_writer_do_not_keep_the_lock(store, root_id):
    born, say = os.pipe()
    wait, hold = os.pipe()
    store.close()
    writer = os.fork()
    if writer == 0:
        with writing(store):
            if os.fork() == 0:
                os.close(hold)
                os.write(say, b"!")
                os.read(wait, 1)  # lives on, as an orphaned decode worker does
                os._exit(0)
            os.read(born, 1)
            os.kill(os.getpid(), signal.SIGKILL)
    assert os.WTERMSIG(os.waitpid(writer, 0)[1]) == signal.SIGKILL
    try:
        with writing(store):
            pass
    finally:
        for descriptor in (born, say, wait, hold):
            os.close(descriptor)


def test_one_transaction_at_a_time(store, root_id):
    with writing(store) as writer, writer.transaction() as tx:
        with pytest.raises(ValueError, match="one at a time"):
            writer.transaction()
        tx.commit()
        with pytest.raises(ValueError, match="over"):
            tx.commit()


@only_sqlite
def test_a_commit_asks_indexes_alone_and_grows_with_its_own_size(store, kit, root_id, monkeypatch):
    said, whole = list[str](), list[tuple[str, str]]()
    write_rows = WriteTransaction._write_rows

    def traced(transaction, connection):
        driver = orm_reads.driver(connection)
        driver.set_trace_callback(said.append)
        write_rows(transaction, connection)
        driver.set_trace_callback(None)
        for statement in filter(lambda one: one.startswith(("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")), said):
            for *_, step in driver.execute(f"EXPLAIN QUERY PLAN {statement}"):
                if re.match(r"SCAN (files|images|image_words|sidecar_facts|batches)\b(?! USING INTEGER)", step):
                    whole.append((step, statement))

    def act(tx):
        tx.add(kit.batch(root_id, [4, 5, 6]))
        tx.remove_files(root_id, ["1.jpg"])
        tx.place_files([(kit.place(root_id, "2.jpg", 5), kit.facts(3).content_hash)])
        says = FileFacts(words=(Word("tag", "boat", "xmp"),), rating=4, rating_source="sidecar")
        tx.facts.sidecars.append(SidecarFacts(FileDate(root_id, "3.jpg", "2001", "sidecar"), 77, says))
        tx.record_failures([FailedFile(root_id, "9.jpg", "decode", "cut", False, 9, 9)])

    with writing(store) as writer, writer.catalog.write() as connection:
        orm_reads.driver(connection).execute(
            "INSERT INTO image_marks (mark, content_hash, made_at) SELECT 'favourite', content_hash, '2026' FROM images"
        )
    monkeypatch.setattr(WriteTransaction, "_write_rows", traced)
    write(store, act)
    assert len(said) > 20
    assert [step for step, statement in whole if "LIMIT 1" not in statement] == []
