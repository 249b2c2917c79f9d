"""Moves a library's catalog from its folder into PostgreSQL, or back.

The copy is made and compared while nobody else has the library open. One write decides which of the two counts:
``catalog.json`` is written whole, or removed. A kill before it leaves the library as it was; after it the library is as
it is to be. The same command again does what is missing.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from imgsearch.errors import LibraryBusy, LibraryMissing, LibraryUnsupported, UsageError
from imgsearch.files import fsync_folder, publish, reached, writer_lock
from imgsearch.storage.aside import direct_uri
from imgsearch.storage.catalog import schema, words
from imgsearch.storage.catalog.database import Catalog
from imgsearch.storage.catalog.dialects import SqlConnection
from imgsearch.storage.catalog.orm_reads import driver
from imgsearch.storage.disk_errors import disk_errors
from imgsearch.storage.layout import LibraryLayout
from imgsearch.storage.opening import library_exists, open_store
from imgsearch.storage.upkeep.table_copies import TableSum, copy_tables, empty_tables

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from imgsearch.storage.catalog.postgres.address import CatalogAddress, RememberedCatalog
    from imgsearch.storage.catalog.postgres.catalog import PostgresCatalog

Progress = Callable[[int, int], None]

_BUSY_MS = 2_000  # a reader that closes, or a checkpoint, may take a moment
_POLL_S = 0.05
_SESSIONS = """SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
    AND application_name LIKE 'imgsearch%' AND backend_type = 'client backend'"""


@dataclass(frozen=True, slots=True)
class CatalogMove:
    """``now``: where the catalog is, without a password; ``before``: where it was, and lies on as it was, "" if it was
    there already. ``tables``: what was copied, by name."""

    now: str
    before: str
    tables: dict[str, TableSum]


def move_catalog(folder: Path, to: str, progress: Progress = lambda done, total: None) -> CatalogMove:
    """Make ``to`` the place of the library's catalog: an address in PostgreSQL, or "" for the library's folder. What
    lies at the former place stays there, and counts no more.

    Raises LibraryBusy while another program has the library open (a server, too), LibraryMissing, UsageError,
    LibraryUnsupported (a database that holds a library), CatalogUnreachable, StorageFull, CatalogDamaged where the copy
    is not what was copied. Cost: each row is read twice and written once, 35 us of CPU a row (150,000
    rows of 30,000 images), besides what the server does; a page of rows in memory."""
    layout = LibraryLayout(Path(os.path.realpath(folder)))
    if not library_exists(layout.folder):
        raise LibraryMissing(f"there is no library in {folder}", "name its folder with --library DIR")
    with open_store(layout.folder) as store:  # brings an older schema up to date, and sees that all is in reach
        now = store.catalog.shown
    with writer_lock(layout.lock):
        tidy(layout)
        is_file = not layout.remembered.is_file()
        if not to:
            return CatalogMove(now, "", {}) if is_file else _into_folder(layout, progress)
        from imgsearch.storage.catalog.postgres.address import parse_address

        address = parse_address(to)
        if is_file:
            return _into_database(layout, address, progress)
        if address.url == now:
            return CatalogMove(now, "", {})
        raise UsageError(
            f"the library's catalog is in a database already, {now}; it can be moved from there into the folder",
            "imgsearch catalog move --to sqlite; for another address of the same database: imgsearch index "
            "--catalog-url ADDRESS",
        )


def is_moved(folder: Path, to: str) -> bool:
    """Whether the library in ``folder`` keeps its catalog at the address ``to``."""
    layout = LibraryLayout(Path(os.path.realpath(folder)))
    if not to or not layout.remembered.is_file():
        return False
    from imgsearch.storage.catalog.postgres.address import RememberedCatalog, parse_address

    return RememberedCatalog.load(layout.remembered).url == parse_address(to).url


def check_database(folder: Path, to: str) -> None:
    """Raise what `move_catalog` would raise for the address ``to``, for a library that is still to be made in
    ``folder``: before the hours that this takes."""
    from imgsearch.storage.catalog.postgres.address import parse_address
    from imgsearch.storage.catalog.postgres.catalog import PostgresCatalog

    address, layout = parse_address(to), LibraryLayout(Path(os.path.realpath(folder)))
    if is_moved(folder, to):
        return
    with contextlib.closing(PostgresCatalog(address, _begun(layout, address).library_id, lambda: None)) as catalog:
        _require_free(catalog, layout)


def tidy(layout: LibraryLayout) -> None:
    """Finish a move that was killed after it was decided: the former file gets out of the way. The caller holds the
    writer's lock."""
    from imgsearch.storage.catalog.postgres.address import RememberedCatalog

    with disk_errors(layout.folder):
        for suffix in ("", "-wal", "-shm", "-journal"):
            _draft(layout, suffix).unlink(missing_ok=True)
        if not layout.remembered.is_file():
            return
        remembered = RememberedCatalog.load(layout.remembered)
        if not remembered.instead_of_file:
            return
        if layout.catalog.is_file():
            _set_aside(layout)
        replace(remembered, instead_of_file=False).save(layout.remembered)
        layout.moving.unlink(missing_ok=True)
        fsync_folder(layout.folder)


def _into_database(layout: LibraryLayout, address: CatalogAddress, progress: Progress) -> CatalogMove:
    from imgsearch.storage.catalog.postgres.address import RememberedCatalog
    from imgsearch.storage.catalog.postgres.catalog import PostgresCatalog

    wanted = _begun(layout, address)
    catalog = PostgresCatalog(address, wanted.library_id, lambda: None)
    with contextlib.closing(catalog), _alone(layout.catalog) as source:
        leftover = _require_free(catalog, layout)
        wanted.save(layout.moving)  # by its id a copy that a kill leaves there is known again
        with catalog.exclusive(), catalog.write() as connection:
            target = driver(connection)
            catalog.migrate(connection)
            if leftover:
                empty_tables(target)
            else:
                catalog.settle_in(connection, layout.folder)
            sums = copy_tables(source, target, progress)
        reached("catalog-move-copied")
        RememberedCatalog(wanted.url, wanted.library_id, instead_of_file=True).save(layout.remembered)
        reached("catalog-move-decided")
    tidy(layout)
    return CatalogMove(catalog.shown, str(_former(layout)), sums)


def _into_folder(layout: LibraryLayout, progress: Progress) -> CatalogMove:
    from sqlalchemy import text

    from imgsearch.storage.catalog.postgres.address import RememberedCatalog
    from imgsearch.storage.catalog.postgres.home import remembered_catalog

    with contextlib.closing(remembered_catalog(layout.remembered, "", create=False)) as catalog:
        catalog.close()  # what was asked until now leaves idle sessions
        with catalog.exclusive(), catalog.write() as connection:
            _require_alone(connection, catalog.shown)
            tables = ", ".join(table.name for table in schema.metadata.sorted_tables)
            connection.execute(text(f"LOCK TABLE {tables} IN SHARE MODE"))  # albums are written without the other lock
            sums = _write_file(_draft(layout), driver(connection), progress)
            reached("catalog-move-copied")
            remembered = RememberedCatalog.load(layout.remembered)
            with disk_errors(layout.folder):
                replace(remembered, instead_of_file=True).save(layout.remembered)
                publish(_draft(layout), layout.catalog)
                reached("catalog-move-placed")
                layout.remembered.unlink()
                fsync_folder(layout.folder)
            reached("catalog-move-decided")
    return CatalogMove(str(layout.catalog), catalog.shown, sums)


def _require_alone(connection: Connection, shown: str) -> None:
    """Raise LibraryBusy while other sessions are in the database: one of a server would go on with tables that count
    no more. A session that was closed ends a moment later."""
    from sqlalchemy import text

    deadline = time.monotonic() + _BUSY_MS / 1000
    while others := connection.execute(text(_SESSIONS)).scalar_one():
        if time.monotonic() >= deadline:
            raise _busy(f"imgsearch has the database {shown} open elsewhere (sessions: {others})")
        time.sleep(_POLL_S)


def _write_file(path: Path, source: SqlConnection, progress: Progress) -> dict[str, TableSum]:
    """A catalog in a file of its own, whole and without a log."""
    with contextlib.closing(Catalog(path, create=True)) as made:
        made.prepare()
        with made.write() as connection:
            made.migrate(connection)
            return copy_tables(source, driver(connection), progress)


def _begun(layout: LibraryLayout, address: CatalogAddress) -> RememberedCatalog:
    """What ``catalog.json`` is to hold: that of an attempt that was killed, if it had the same address."""
    from imgsearch.storage.catalog.postgres.address import RememberedCatalog

    if layout.moving.is_file():
        before = RememberedCatalog.load(layout.moving)
        if before.url == address.url:
            return before
    return RememberedCatalog.new(address)


def _require_free(catalog: PostgresCatalog, layout: LibraryLayout) -> bool:
    """Raise LibraryUnsupported unless the database is empty, or holds what a killed attempt from this very folder left
    there: then True. A copy of the folder is another library, which may live on in that database."""
    owner = catalog.owner()
    if owner is None:
        return False
    with catalog.look() as connection:
        home = bytes(connection.execute("SELECT folder FROM library_home").fetchone()[0])
    if owner == catalog.library_id and home == os.fsencode(layout.folder):
        return True
    raise LibraryUnsupported(
        f"the database {catalog.shown} holds a library already (of {os.fsdecode(home)})",
        "name an empty one (createdb --encoding=UTF8 NAME); a former catalog that is of no more use: dropdb NAME",
    )


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[sqlite3.Connection]:
    """The catalog's file, closed to every other program while the block lasts. Raises LibraryBusy while one has it
    open: it would go on with a file that counts no more."""
    uri = direct_uri(path, "rw")
    with disk_errors(path), contextlib.closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
        words.register(connection)
        connection.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorname.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
                raise _busy(f"another program has {path} open") from exc
            raise
        yield connection
        connection.execute("ROLLBACK")


def _busy(what: str) -> LibraryBusy:
    return LibraryBusy(
        f"{what}: a catalog is moved while nobody uses the library",
        "stop `imgsearch serve`, `index --watch` and searches of this library, then run the same command again",
    )


def _draft(layout: LibraryLayout, suffix: str = "") -> Path:
    return layout.folder / f"catalog.moving.db{suffix}"


def _former(layout: LibraryLayout) -> Path:
    return layout.folder / "catalog.before-move.db"


def _set_aside(layout: LibraryLayout) -> None:
    """Its log first: without it the file would be an older state of itself. A kill in between leaves no file there, by
    which the next call knows that the log is this one's."""
    former = _former(layout)
    if former.exists():
        for suffix in ("-wal", "-shm", ""):
            former.with_name(former.name + suffix).unlink(missing_ok=True)
    for suffix in ("-wal", "-shm", ""):
        part = layout.catalog.with_name(layout.catalog.name + suffix)
        if part.exists():
            part.rename(former.with_name(former.name + suffix))
