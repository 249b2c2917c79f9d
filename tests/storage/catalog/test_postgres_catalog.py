"""A catalog in PostgreSQL: what a database server can do to a library that a file cannot."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import create_engine, inspect

from imgsearch import files
from imgsearch.errors import (
    CatalogUnreachable,
    LibraryBusy,
    LibraryError,
    LibraryMissing,
    LibraryUnsupported,
    SegmentDamaged,
    StorageFull,
    UsageError,
)
from imgsearch.records import Clause, Filters, MediaFacts
from imgsearch.storage import EmbeddedBatch, FilePlace, Store, create_store, library_exists, open_store, verify, writing
from imgsearch.storage.catalog import schema

pytest.importorskip("psycopg")

from imgsearch.storage.catalog.postgres.address import parse_address

CATALOG_KINDS = ("postgresql",)


@pytest.fixture
def url(new_catalog: Callable[[], str]) -> str:
    return new_catalog()


@pytest.fixture
def store(tmp_path: Path, kit: Any, url: str) -> Iterator[Store]:
    with create_store(tmp_path / "library", kit.model, catalog_url=url) as store:
        yield store


def end_sessions(server: Any) -> None:
    """What a restart of the server does to its clients, but faster."""
    server.run_sql(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )


def test_tables_are_those_that_the_code_knows(store: Store, postgres: Any, url: str) -> None:
    engine = create_engine(url)
    found = inspect(engine)
    tables = {name: {each["name"] for each in found.get_columns(name)} for name in found.get_table_names()}
    assert {table.name: {column.name for column in table.columns} for table in schema.metadata.sorted_tables} == {
        name: tables[name] for name in schema.metadata.tables
    }
    texts = [each["type"] for name in ("images", "files", "events") for each in found.get_columns(name)]
    assert {each.collation for each in texts if str(each).startswith("TEXT")} == {"C"}  # sorted by their bytes
    engine.dispose()


@pytest.mark.parametrize(
    ("given", "kept", "password"),
    [
        ("postgresql+psycopg://me:a%2Bb%20c@db.example:5433/photos", "postgresql://me@db.example:5433/photos", "a+b c"),
        ("postgres://db.example/photos?sslmode=require", "postgresql://db.example/photos?sslmode=require", None),
        (
            "postgresql:///photos?host=/run/postgresql&password=x%26y",
            "postgresql:///photos?host=/run/postgresql",
            "x&y",
        ),
        ("postgresql://me@[::1],other:5433/photos", "postgresql://me@[::1],other:5433/photos", None),
    ],
)
def test_address_is_kept_without_its_password(given: str, kept: str, password: str | None) -> None:
    found = parse_address(given)
    assert (found.url, found.password, found.shown) == (kept, password, kept)
    assert parse_address(found.whole) == found


@pytest.mark.parametrize(
    "wrong",
    [
        "photos",
        "mysql://me:secret@x/y",
        "postgresql+psycopg2://x/y",
        "postgresql://db.example/",
        "postgresql:photos",
        "postgresql://me:secret@x/y?host",
        "postgresql://[me:secret@x/y",
        "sqlite:///catalog.db",
    ],
)
def test_what_is_no_address_is_refused_without_its_secrets(wrong: str) -> None:
    with pytest.raises(UsageError, match="the catalog's address") as raised:
        parse_address(wrong)
    assert "secret" not in str(raised.value) and "postgresql+psycopg://" in str(raised.value)


def test_folder_remembers_the_catalog_and_no_password(tmp_path: Path, kit: Any, photos: Path, url: str) -> None:
    secret = url.replace("postgres@", "postgres:very%20secret@")
    with create_store(tmp_path / "library", kit.model, catalog_url=secret) as store:
        kit.fill(store, photos, [1, 2])
        assert "secret" not in store.catalog.shown
    assert library_exists(tmp_path / "library") and not (tmp_path / "library/catalog.db").exists()
    assert all(b"secret" not in path.read_bytes() for path in (tmp_path / "library").rglob("*") if path.is_file())
    with open_store(tmp_path / "library") as store:
        assert store.view().count == 2 and verify(store) == [] and store.stats().catalog_bytes > 100_000


def test_library_follows_its_database_to_another_address(store: Store, kit: Any, photos: Path, url: str) -> None:
    kit.fill(store, photos, [1])
    with open_store(store.path, catalog_url=f"{url}&application_name=moved") as moved:
        assert moved.view().count == 1
    assert "application_name=moved" in store.layout.remembered.read_text()


def test_database_of_another_library_is_refused(store: Store, tmp_path: Path, kit: Any, url: str) -> None:
    with pytest.raises(LibraryUnsupported, match="belongs to another library"):
        create_store(tmp_path / "second", kit.model, catalog_url=url)
    assert not library_exists(tmp_path / "second")
    with pytest.raises(LibraryUnsupported, match=r"keeps its catalog in catalog\.db"):
        create_store(tmp_path / "plain", kit.model).close()
        open_store(tmp_path / "plain", catalog_url=url)


def test_folder_without_its_database_is_not_begun_anew(
    store: Store, kit: Any, photos: Path, postgres: Any, url: str
) -> None:
    kit.fill(store, photos, [1])
    place = url.rpartition("%3D")[2]
    postgres.run_sql(f"DROP SCHEMA {place} CASCADE", f"CREATE SCHEMA {place}")
    with pytest.raises(LibraryMissing, match="holds no library"):
        open_store(store.path)
    with pytest.raises(SegmentDamaged, match="holds vectors, but the database"):
        create_store(store.path, kit.model)


def test_catalog_that_cannot_be_reached_says_what_is_wrong(store: Store, kit: Any, url: str, postgres: Any) -> None:
    away = url.replace("imgsearch-pg-", "imgsearch-gone-")
    for address, said, hint in [
        (away, "cannot be reached", "start the server"),
        (postgres.url("nowhere"), "nowhere", "createdb"),
        (postgres.url(user="nobody"), "nobody", "user"),
    ]:
        with pytest.raises(CatalogUnreachable, match=said) as raised:
            open_store(store.path, catalog_url=address)
        assert hint in raised.value.hint and "\n" not in raised.value.message
    assert store.layout.remembered.read_text().count("imgsearch-gone-") == 0


def test_login_is_refused_without_the_right_password(
    store: Store, kit: Any, photos: Path, url: str, postgres: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    kit.fill(store, photos, [1])
    place = url.rpartition("%3D")[2]
    postgres.run_sql(
        "DROP ROLE IF EXISTS guest",
        "CREATE ROLE guest LOGIN PASSWORD 'rightly'",
        f"GRANT USAGE ON SCHEMA {place} TO guest",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA {place} TO guest",
    )
    asked = url.replace("postgres@", "guest@")
    for address in (asked, asked.replace("guest@", "guest:wrongly@")):
        with pytest.raises(CatalogUnreachable, match="refused the login") as raised:
            open_store(store.path, catalog_url=address)
        assert "pgpass" in raised.value.hint and "wrongly" not in str(raised.value)
    monkeypatch.setenv("IMGSEARCH_CATALOG_PASSWORD", "rightly")
    with open_store(store.path, catalog_url=asked) as guest:
        assert guest.view().count == 1  # a role that may only read can search
        assert guest.matching_images(Filters((Clause("name", "1"),))).tolist() == [1]
        with pytest.raises(StorageFull, match="cannot be written"):
            kit.fill(guest, photos, [2])
    assert kit.content(store).keys() == {"1:1.jpg"} and verify(store) == []
    postgres.run_sql("DROP OWNED BY guest", "DROP ROLE guest")


def test_connection_lost_while_writing_loses_the_batch_alone(
    store: Store, kit: Any, photos: Path, postgres: Any
) -> None:
    root_id = kit.fill(store, photos, [1, 2])
    before = kit.content(store)
    with pytest.raises(CatalogUnreachable, match="lost"), writing(store) as writer:
        with writer.transaction() as transaction:
            transaction.add(kit.batch(root_id, [3, 4]))
            end_sessions(postgres)
            with pytest.raises(CatalogUnreachable):
                transaction.commit()
        with pytest.raises(LibraryError, match="could not be undone"):
            writer.transaction()
        writer.record_event("late", {})  # not from another session than the one that holds the lock
    assert kit.content(store) == before
    kit.fill(store, photos, [5])
    assert kit.content(store).keys() == {"1:1.jpg", "1:2.jpg", "1:5.jpg"} and verify(store) == []


def test_open_library_goes_on_after_a_restart_of_the_server(
    store: Store, kit: Any, photos: Path, postgres: Any
) -> None:
    kit.fill(store, photos, [1])
    postgres.stop()
    with pytest.raises(CatalogUnreachable):
        store.view()
    with pytest.raises(CatalogUnreachable):
        kit.fill(store, photos, [2])
    postgres.start()
    kit.fill(store, photos, [2])
    assert store.view().count == 2 and verify(store) == []


@pytest.mark.parametrize("step", ["library-migrated", "segment-fsynced", "catalog-written", "catalog-committed"])
def test_killed_writer_leaves_a_whole_library(tmp_path: Path, kit: Any, photos: Path, url: str, step: str) -> None:
    folder = tmp_path / "library"
    if step != "library-migrated":
        create_store(folder, kit.model, catalog_url=url).close()
    child = os.fork()
    if child == 0:
        try:
            files._crash_at, files._remaining = step, 2 if step == "catalog-committed" else 1  # the first is the root's
            with create_store(folder, kit.model, catalog_url=url) as store:
                kit.fill(store, photos, [1, 2])
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    with create_store(folder, kit.model, catalog_url=url) as store:
        assert store.view().count == (2 if step == "catalog-committed" else 0)
        with writing(store, wait_s=10):
            pass
        kit.fill(store, photos, [1, 2, 3])
        assert store.view().count == 3 and verify(store) == []


def test_copy_of_the_folder_cannot_write_at_the_same_time(store: Store, tmp_path: Path, kit: Any, photos: Path) -> None:
    kit.fill(store, photos, [1])
    shutil.copytree(store.path, tmp_path / "copy")
    with open_store(tmp_path / "copy") as copy, writing(store):
        assert copy.view().count == 1
        with pytest.raises(LibraryBusy, match="another session"), writing(copy):
            pass


def test_look_sees_one_point_in_time_while_a_writer_commits(store: Store, kit: Any, photos: Path) -> None:
    root_id = kit.fill(store, photos, [1])
    with store.catalog.look() as connection:
        before = connection.execute("SELECT count(*) FROM files").fetchone()
        kit.remove(store, root_id, ["1.jpg"])
        assert connection.execute("SELECT count(*) FROM files").fetchone() == before == (1,)
    with pytest.raises(StorageFull, match="read-only"), store.catalog.look() as connection:
        connection.execute("DELETE FROM files")


def test_texts_and_paths_that_the_server_cannot_hold(store: Store, photos: Path) -> None:
    facts = MediaFacts(f"{1:064x}", 0, 10, 10, "JPEG", 1, None, "EOS\0 5D")
    with writing(store) as writer:
        root_id = writer.add_root(photos).root_id
        with writer.transaction() as transaction:
            places = [FilePlace(root_id, "1.jpg", 1, 1)]
            transaction.add(EmbeddedBatch([facts], np.zeros((1, 2, 4), np.float32), [places]))
            transaction.commit()
        with pytest.raises(LibraryUnsupported, match="3004 bytes"), writer.transaction() as transaction:
            transaction.place_files([(FilePlace(root_id, "x/" * 1500 + "long", 1, 1), 1)])
            transaction.commit()
    assert store.matching_images(Filters((Clause("camera", "eos"),))).tolist() == [1] and verify(store) == []


def test_server_that_is_too_old_or_of_another_encoding_is_refused(
    tmp_path: Path, kit: Any, postgres: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres.run_sql("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    with pytest.raises(LibraryUnsupported, match="LATIN1, expected UTF8"):
        create_store(tmp_path / "library", kit.model, catalog_url=postgres.url("latin"))
    monkeypatch.setattr("imgsearch.storage.catalog.postgres.connection.LEAST_VERSION", 990_000)
    with pytest.raises(LibraryUnsupported, match="expected 99 or newer"):
        create_store(tmp_path / "library", kit.model, catalog_url=postgres.url())
