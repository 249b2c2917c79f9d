"""The plain reads of a search against the same questions put through SQLAlchemy, and what they keep out of memory."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from imgsearch import storage
from imgsearch.errors import CatalogDamaged, StorageFull
from imgsearch.storage import writing
from imgsearch.storage.catalog import schema
from imgsearch.storage.catalog import sqlite_reads as lookups


@pytest.fixture
def filled(store, kit, photos):
    """Two roots, several batches, a deleted picture, one that two files show, one in a root that is offline."""
    root_id = kit.fill(store, photos, [1, 2, 3])
    kit.fill(store, photos, [7, 8])
    other = photos.parent / "other é"
    other.mkdir()
    with writing(store) as writer:
        second = writer.add_root(other).root_id
        with writer.transaction() as tx:
            tx.add(kit.batch(second, [5], ["5.jpg"]))
            tx.place_files([(kit.place(second, "again \udcff.jpg"), kit.facts(1).content_hash)])
            tx.remove_files(root_id, ["3.jpg"])
            tx.commit()
    return store


def test_every_look_equals_the_same_question_through_sqlalchemy(filled):
    library, images, files, roots = schema.library, schema.images, schema.files, schema.roots
    segments, batches, gone = schema.segments, schema.batches, schema.deletions
    with filled.catalog.read() as connection, filled.catalog.look() as plain:
        row, found = connection.execute(select(library)).one(), lookups.library_row(plain)
        assert (row.format_version, row.created_at, row.vector_dtype, row.generation) == (
            (found.format_version, found.created_at, found.vector_dtype, found.generation)
        )
        model = found.model
        assert (
            row.model_name,
            row.model_fingerprint,
            row.model_recipe,
            row.model_dtype,
            row.query_tokens,
            row.dims,
        ) == ((model.name, model.fingerprint, model.recipe, model.dtype, model.query_tokens, model.dims))
        assert lookups.generation(plain) == row.generation
        stop = func.max(batches.c.first_slot + batches.c["count"])
        wanted = select(segments.c.file_name, segments.c.first_slot, stop, segments.c.scale).join(batches)
        assert [(s.file_name, s.first_slot, s.stop, s.scale) for s in lookups.segment_rows(plain)] == [
            tuple(row) for row in connection.execute(wanted.group_by(segments.c.segment_id))
        ]
        live = images.c.image_id.not_in(select(gone.c.image_id))
        rows = connection.execute(select(images).where(live).order_by(images.c.slot)).all()
        slots, image_ids = lookups.live_rows(plain)
        assert (slots.tolist(), image_ids.tolist()) == ([row.slot for row in rows], [row.image_id for row in rows])
        records = lookups.images_by_id(plain, [row.image_id for row in rows])
        for row in rows:
            facts = records[row.image_id].facts
            assert (facts.content_hash, facts.perceptual_hash) == (row.content_hash.hex(), row.perceptual_hash % 2**64)
            names = (
                "width",
                "height",
                "format",
                "size_bytes",
                "taken_at",
                "camera",
                "latitude",
                "longitude",
                "orientation",
            )
            assert [getattr(facts, name) for name in names] == [getattr(row, name) for name in names]
            assert records[row.image_id].slot == row.slot
        places = select(files.c.image_id, files.c.root_id, files.c.relative_path).join(roots)
        order = (roots.c.offline, files.c.root_id, files.c.relative_path)
        assert list(lookups.places_of(plain, range(99))) == [
            (image_id, root_id, os.fsdecode(path))
            for image_id, root_id, path in connection.execute(places.order_by(*order))
        ]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ids=st.lists(st.integers(-5, 2000), max_size=2500))
def test_any_ids_may_be_asked_for_when_most_are_not_there(filled, ids):
    there = {record.image_id for record in filled.iter_images()}
    found = filled.images(ids)
    assert {number for number in found if number in there} == there & set(ids)
    assert set(filled.all_paths(ids)) == there & set(ids)


def test_images_come_page_by_page_when_there_are_many(filled, monkeypatch):
    whole = list(filled.iter_images())
    monkeypatch.setattr("imgsearch.storage.catalog.sqlite_reads.PAGE_ROWS", 2)
    assert list(filled.iter_images()) == whole and len(whole) == 5


def test_a_look_sees_one_point_in_time_while_a_writer_commits(filled, kit, photos):
    with filled.catalog.look() as plain:
        before = lookups.generation(plain), lookups.live_rows(plain)[1].tolist()
        kit.fill(filled, photos, [11])
        assert (lookups.generation(plain), lookups.live_rows(plain)[1].tolist()) == before
    assert filled.generation() > before[0]


def test_a_look_cannot_write_and_leaves_no_lock_when_it_fails(filled, kit, photos):
    with pytest.raises(StorageFull, match="readonly"), filled.catalog.look() as plain:
        plain.execute("DELETE FROM images")
    with pytest.raises(ZeroDivisionError), filled.catalog.look() as plain:
        lookups.generation(plain)
        raise ZeroDivisionError
    kit.fill(filled, photos, [12])
    assert filled.view().count == 6


def test_threads_look_at_once_and_connections_are_closed_in_the_end(filled):
    counts: list[int] = []
    threads = [threading.Thread(target=lambda: counts.append(len(filled.images(range(99))))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(counts)) == 1
    idle = list(filled.catalog._idle)
    filled.close()
    for connection in idle:
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            connection.execute("SELECT 1")


def test_a_damaged_catalog_is_told_as_such(filled):
    filled.close()
    content = bytearray(filled.layout.catalog.read_bytes())
    content[100:] = os.urandom(len(content) - 100)
    for suffix in ("-wal", "-shm"):
        filled.layout.catalog.with_name(f"catalog.db{suffix}").unlink(missing_ok=True)
    filled.layout.catalog.write_bytes(content)
    with pytest.raises(CatalogDamaged):
        storage.open_store(filled.path)


def test_every_public_name_is_had_lazily_and_no_submodule_hides_one():
    for name in storage.__all__:
        assert getattr(storage, name).__module__.startswith("imgsearch.storage.")
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = storage.nothing
    assert set(storage.__all__) == set(storage._HOME_OF)


def test_a_view_and_its_pictures_are_read_without_sqlalchemy(filled):
    program = f"""
import sys, pathlib
from imgsearch.storage import open_store
with open_store(pathlib.Path({str(filled.path)!r})) as store:
    view = store.view()
    assert not view.changed()
    ids = view.image_ids.tolist()
    print(len(store.images(ids)), len(store.all_paths(ids)), len(store.roots()))
print({{"sqlalchemy", "alembic"}} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["5", "5", "2", "set()"]
