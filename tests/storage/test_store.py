"""Opening, refusing, looking up, and roots that move."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import create_engine, inspect

from imgsearch.errors import (
    CatalogDamaged,
    LibraryMissing,
    LibraryUnsupported,
    ModelMismatch,
    SegmentDamaged,
    StorageFull,
    UsageError,
)
from imgsearch.storage import FailedFile, create_store, layout, library_exists, open_store, writing
from imgsearch.storage.catalog import revisions, schema
from imgsearch.storage.catalog.database import Catalog


def test_open_names_the_command_when_there_is_no_library(tmp_path):
    with pytest.raises(LibraryMissing, match="imgsearch index"):
        open_store(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()
    assert not library_exists(tmp_path)


def test_catalogs_that_tests_make_are_what_the_migrations_make(make_store, monkeypatch, new_catalogs_are_quick):
    def content(store):
        with contextlib.closing(sqlite3.connect(store.layout.catalog)) as connection:
            made = connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY rowid").fetchall()
            tables = [name for kind, name, _ in made if kind == "table" and name != "sqlite_sequence"]
            rows = {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in tables}
            return made, {name: found for name, found in rows.items() if name not in ("library", "events")}

    quick = [content(make_store(name)) for name in ("first", "second")]
    monkeypatch.setattr(Catalog, "migrate", new_catalogs_are_quick)
    assert quick == [content(make_store("third"))] * 2


def test_create_opens_what_is_there_and_keeps_its_dtype(make_store, kit):
    make_store(dtype="int8")
    again = make_store(dtype="float32")
    assert (again.dtype, again.model) == ("int8", kit.model)
    names = {path.name for path in again.path.iterdir()}
    assert {"catalog.db", "segments", "snapshots", "features", "thumbs", "quarantine", "lock"} <= names


@pytest.mark.parametrize(
    "change",
    [{"fingerprint": "cd" * 32}, {"recipe": "v1-224"}, {"dtype": "bfloat16"}, {"query_tokens": 3}, {"dims": 5}],
)
def test_another_model_is_refused_with_the_way_out(store, kit, change):
    other = dataclasses.replace(kit.model, name="blip2", **change)
    with pytest.raises(ModelMismatch, match="--library OTHER") as caught:
        create_store(store.path, other)
    assert "'mini'" in caught.value.message
    assert f"leave {'--dtype' if 'dtype' in change else '--model'} out" in str(caught.value.hint)
    store.require_model(dataclasses.replace(kit.model, name="/elsewhere/mini"))


def test_migrations_make_the_schema_that_the_code_names(store):
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    from imgsearch.storage.catalog import migrations

    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__path__[0])))
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_current_head() == revisions.HEAD
    assert tuple(script.revision for script in scripts.walk_revisions())[::-1] == revisions.REVISIONS
    plain = create_engine("sqlite://")
    schema.metadata.create_all(plain)
    made = create_engine(f"sqlite:///{store.layout.catalog}")
    wanted, found = inspect(plain), inspect(made)
    indexes = ("file_words", "word_search", "caption_search", "text_search")  # virtual tables, and those behind them
    tables = {name for name in found.get_table_names() if not name.startswith(indexes)}
    assert tables == set(wanted.get_table_names()) | {"alembic_version"}
    for table in wanted.get_table_names():
        columns = [
            [(c["name"], str(c["type"]), c["nullable"]) for c in inspector.get_columns(table)]
            for inspector in (wanted, found)
        ]
        assert columns[0] == columns[1]
        uniques = [
            {tuple(u["column_names"]) for u in inspector.get_unique_constraints(table)} for inspector in (wanted, found)
        ]
        assert uniques[0] == uniques[1]
        assert {i["name"] for i in wanted.get_indexes(table)} == {i["name"] for i in found.get_indexes(table)}
    plain.dispose()
    made.dispose()


@pytest.mark.parametrize(
    "statement", ["UPDATE alembic_version SET version_num = '9999'", "UPDATE library SET format_version = 99"]
)
def test_a_newer_library_is_refused(store, statement):
    with sqlite3.connect(store.layout.catalog) as connection:
        connection.execute(statement)
    connection.close()
    with pytest.raises(LibraryUnsupported, match="newer imgsearch"):
        open_store(store.path)


def test_a_catalog_that_is_no_database_is_named(store):
    store.close()
    for name in ("catalog.db-wal", "catalog.db-shm"):
        (store.path / name).unlink(missing_ok=True)
    store.layout.catalog.write_bytes(b"not a database, by any means" * 100)
    with pytest.raises(CatalogDamaged, match="backup"):
        open_store(store.path)


def test_vectors_without_a_catalog_are_never_built_over(store, kit, photos):
    kit.fill(store, photos, [1])
    store.close()
    for path in store.path.glob("catalog.db*"):
        path.unlink()
    with pytest.raises(SegmentDamaged, match="missing"):
        create_store(store.path, kit.model)
    assert len(list(store.layout.segments.iterdir())) == 1


def test_a_file_in_place_of_the_folder_is_refused(tmp_path, kit):
    (tmp_path / "library").write_text("x")
    with pytest.raises(UsageError, match="expected a folder"):
        create_store(tmp_path / "library", kit.model)
    with pytest.raises((LibraryUnsupported, StorageFull)):
        create_store(tmp_path / "library" / "below", kit.model)


@pytest.mark.parametrize(
    ("line", "refused"),
    [
        ("server:/x {} rw - nfs4 server:/x rw", True),
        ("x {} rw shared:7 master:1 - fuse.sshfs me@host: rw", True),
        ("x {} rw - cifs //host/share rw", True),
        ("x {} rw - fuse.mergerfs a:b rw", False),
        ("x {} rw - ext4 /dev/sdb1 rw", False),
    ],
)
def test_network_file_systems_are_refused_unless_allowed(tmp_path, kit, monkeypatch, line, refused):
    mount = str(tmp_path / "net drive").replace(" ", "\\040")
    table = tmp_path / "mountinfo"
    root, rest = line.split(" ", 1)
    table.write_text(f"1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:9 {root} {rest.format(mount)}\n")
    real = layout.file_system_type
    monkeypatch.setattr(layout, "file_system_type", lambda path: real(path, table))
    if refused:
        with pytest.raises(LibraryUnsupported, match="network file system"):
            create_store(tmp_path / "net drive" / "library", kit.model)
        assert not (tmp_path / "net drive").exists()
        monkeypatch.setenv("IMGSEARCH_ALLOW_NETWORK", "1")
    create_store(tmp_path / "net drive" / "library", kit.model).close()
    create_store(tmp_path / "net drive2", kit.model).close()


def test_file_system_type_knows_this_machine():
    assert layout.file_system_type(Path("/proc/self")) == "proc"
    assert layout.file_system_type(Path("/proc/self"), Path("/nonexistent")) == ""


def test_library_moved_with_its_pictures_finds_them(tmp_path, kit):
    home = tmp_path / "old"
    (home / "photos").mkdir(parents=True)
    (home / "photos" / "1.jpg").touch()
    with create_store(home / "library", kit.model) as store:
        root_id = kit.fill(store, home / "photos", [1])
    home.rename(tmp_path / "new")
    with open_store(tmp_path / "new" / "library") as store:
        assert store.paths([1]) == {1: tmp_path / "new" / "photos" / "1.jpg"}
        with writing(store) as writer:
            assert writer.add_root(tmp_path / "new" / "photos").root_id == root_id
    shutil.move(tmp_path / "new" / "library", tmp_path / "library")  # alone: the written-down absolute path holds
    with open_store(tmp_path / "library") as store:
        assert store.paths([1]) == {1: tmp_path / "new" / "photos" / "1.jpg"}


def test_absent_root_keeps_its_absolute_path(store, kit, photos):
    kit.fill(store, photos, [1])
    photos.rmdir()
    assert store.paths([1]) == {1: photos / "1.jpg"}


def test_paths_prefer_roots_that_are_online(store, kit, tmp_path):
    with writing(store) as writer:
        first, second = (writer.add_root(tmp_path / name).root_id for name in ("first", "second"))
        with writer.transaction() as tx:
            tx.add(kit.batch(first, [1], ["b.jpg"]))
            tx.place_files([(kit.place(first, "a.jpg"), 1), (kit.place(second, "c.jpg"), 1)])
            tx.commit()
        assert store.paths([1, 99]) == {1: tmp_path / "first" / "a.jpg"}
        writer.set_root_offline(first, True)
        assert [path.name for path in store.all_paths([1])[1]] == ["c.jpg", "a.jpg", "b.jpg"]
        assert [root.offline for root in store.roots()] == [True, False]


def test_file_names_that_are_not_text_come_back(store, kit, photos):
    name = os.fsdecode(b"caf\xe9/\xff\xfe.jpg")
    with writing(store) as writer:
        root_id = writer.add_root(photos).root_id
        with writer.transaction() as tx:
            tx.add(kit.batch(root_id, [1], [name]))
            tx.record_failures([FailedFile(root_id, name + "2", "open", "bad \udcff text", False, 1, 2**70)])
            tx.record_event("seen", {"path": name})
            tx.commit()
    assert [state.relative_path for state in store.files(root_id)] == [name]
    assert os.fsencode(store.paths([1])[1]).endswith(b"/caf\xe9/\xff\xfe.jpg")
    assert next(store.failures()).reason == "bad \\udcff text"
    assert next(store.failures()).mtime_ns == 2**63 - 1
    assert store.events()[-1].data == {"path": name}


def test_records_come_back_as_they_went_in(store, kit, photos):
    kit.fill(store, photos, [3, 4])
    facts = dataclasses.replace(
        kit.facts(9), perceptual_hash=2**64 - 1, taken_at="2020-01-02T03:04:05", camera="X \udc80", latitude=-33.5,
        longitude=151.25, orientation=6,
    )  # fmt: skip
    batch = kit.batch(1, [9])
    with writing(store) as writer, writer.transaction() as tx:
        tx.add(dataclasses.replace(batch, facts=[facts]))
        tx.commit()
    record = store.images([3])[3]
    assert record.facts == dataclasses.replace(facts, camera="X \\udc80")
    assert (record.image_id, record.slot) == (3, 2)
    assert [image.facts for image in store.iter_images()][:2] == [kit.facts(3), kit.facts(4)]
    assert store.known_contents([facts.content_hash, "0" * 64]) == {facts.content_hash: 3}
    with pytest.raises(ValueError, match="expected 32"):
        store.known_contents(["abcd"])


def test_files_come_in_the_order_of_their_bytes_across_pages(store, kit, photos, monkeypatch):
    names = [*(f"d/{n:05d}.jpg" for n in range(2000)), "a.jpg", "a/b.jpg", "a-b.jpg", "é.jpg", ""]
    with writing(store) as writer:
        root_id = writer.add_root(photos).root_id
        with writer.transaction() as tx:
            tx.add(kit.batch(root_id, [1], ["a.jpg"]))
            tx.place_files((kit.place(root_id, name), kit.facts(1).content_hash) for name in names)
            tx.commit()
    monkeypatch.setattr("imgsearch.storage.catalog.orm_reads.PAGE_ROWS", 300)
    found = [state.relative_path for state in store.files(root_id)]
    assert found == sorted(names, key=os.fsencode)
    assert [s.relative_path for s in store.files(root_id, after="d/01998.jpg")] == ["d/01999.jpg", "é.jpg"]
    assert set(store.files_at(root_id, [*names, "none"])) == set(names)


def test_stats_count_what_is_there(store, kit, photos):
    root_id = kit.fill(store, photos, [1, 2, 3])
    with writing(store) as writer, writer.transaction() as tx:
        tx.remove_files(root_id, ["3.jpg"])
        tx.record_failures([FailedFile(root_id, f"x{n}", "read", "denied", n == 0, 1, 2) for n in range(3)])
        tx.commit()
    stats = store.stats()
    assert (stats.images, stats.deleted_images, stats.files, stats.failures, stats.transient_failures) == (
        2,
        1,
        2,
        3,
        1,
    )
    assert (stats.batches, stats.segments, stats.roots[0].files, stats.roots[0].failures) == (1, 1, 2, 3)
    assert stats.vector_bytes == 4096 + 3 * 16 == sum(p.stat().st_size for p in store.layout.segments.iterdir())
    assert stats.total_bytes >= stats.vector_bytes + stats.catalog_bytes


def test_dtypes_come_back_within_their_step(make_store, kit, photos):
    vectors = np.random.default_rng(5).standard_normal((50, 2, 4)).astype(np.float32)
    vectors[0] *= 1e-3  # a first batch that would clip the second, were the scale kept
    for dtype, allowed in (("float32", 0.0), ("float16", 2**-11), ("int8", 1.25 / 254)):
        store = make_store(dtype, dtype)
        with writing(store) as writer:
            root_id = writer.add_root(photos).root_id
            for part in (slice(0, 1), slice(1, 50)):
                numbers = list(range(50))[part]
                batch = dataclasses.replace(kit.batch(root_id, numbers), vectors=vectors[part])
                with writer.transaction() as tx:
                    tx.add(batch)
                    tx.commit()
        view = store.view()
        error = np.abs(view.read(np.arange(50)) - vectors).max(axis=(1, 2))
        assert (error[1:] <= allowed * np.abs(vectors).max() + 1e-9).all()
        assert error[0] <= allowed * np.abs(vectors[0]).max() + 1e-9
        blocks = np.concatenate([block.astype(np.float32) for _, block in view.blocks(7)])
        assert np.array_equal(blocks, view.read(np.arange(50)))
