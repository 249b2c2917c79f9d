"""The catalog's connections: how catalog.db is opened, checked, migrated; one transaction each way."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from imgsearch.errors import LibraryMissing, LibraryUnsupported
from imgsearch.storage import lookups
from imgsearch.storage.disk_errors import disk_errors
from imgsearch.storage.faults import reached
from imgsearch.storage.revisions import HEAD, REVISIONS

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

_BUSY_MS = 30_000
_CACHE_KIB = 16_384
_IDLE_KEPT = 8  # connections that wait to be used again, each with a cache of up to 16 MiB


def utc_now() -> str:
    """ISO 8601 with milliseconds, as SQLite's triggers write it too."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Catalog:
    """One process's door to ``catalog.db``.

    ``read()`` and ``look()`` give a consistent snapshot that no writer blocks, through SQLAlchemy and through SQLite's
    own driver; ``write()`` is one durable transaction (WAL, synchronous=FULL) and asks that the caller holds the
    writer lock. Connections are pooled and may be used from any thread. SQLAlchemy is loaded by the first ``read()`` or
    ``write()``: a search does without.
    """

    def __init__(self, path: Path, *, create: bool = False) -> None:
        self.path = path
        self._create = create
        self._idle: list[sqlite3.Connection] = []  # of look(); append and pop are atomic

    @cached_property
    def _reader(self) -> Engine:
        return self._engine("BEGIN", "query_only=ON")

    @cached_property
    def _writer(self) -> Engine:
        return self._engine("BEGIN IMMEDIATE", "synchronous=FULL")

    @contextlib.contextmanager
    def look(self) -> Iterator[sqlite3.Connection]:
        """A read transaction on SQLite's own driver, for `imgsearch.storage.lookups`. Raises as ``read`` does."""
        with disk_errors(self.path):
            connection = self._idle_connection()
            try:
                connection.execute("BEGIN")
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                connection.close()
                raise
            if len(self._idle) < _IDLE_KEPT:
                self._idle.append(connection)
            else:
                connection.close()

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """A read transaction. Raises CatalogDamaged, StorageFull, LibraryBusy."""
        with disk_errors(self.path), self._reader.connect() as connection, connection.begin():
            yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """A write transaction: committed and durable when the block ends, rolled back if it raises."""
        with disk_errors(self.path), self._writer.begin() as connection:
            reached("catalog-begun")
            yield connection
        reached("catalog-committed")

    def close(self) -> None:
        """Close every pooled connection."""
        for name in ("_reader", "_writer"):
            if name in self.__dict__:
                getattr(self, name).dispose()
        while self._idle:
            self._idle.pop().close()

    def make_wal(self) -> None:
        """Turn the write-ahead log on; the file remembers it."""
        with disk_errors(self.path), contextlib.closing(self._connect()) as connection:
            connection.execute("PRAGMA journal_mode=WAL")

    def revision(self) -> str | None:
        """The schema's revision; None in a catalog whose creation never ended."""
        with self.look() as connection:
            return lookups.revision(connection)

    def migrate(self, connection: Connection) -> None:
        """Bring the schema to HEAD inside the caller's write transaction."""
        from alembic import command  # a quarter of a second that an ordinary open need not pay
        from alembic.config import Config

        from imgsearch.storage import migrations

        config = Config()
        config.set_main_option("script_location", str(Path(migrations.__path__[0])).replace("%", "%%"))
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    def _connect(self) -> sqlite3.Connection:
        mode = "rwc" if self._create else "rw"
        if os.statvfs(self.path.parent).f_flag & os.ST_RDONLY:
            mode = "ro&immutable=1"  # WAL needs a writable folder; on a read-only disk nobody writes
        uri = f"file:{quote(os.fsencode(self.path.absolute()))}?mode={mode}"
        connection = sqlite3.connect(uri, uri=True, check_same_thread=False, isolation_level=None)
        for pragma in (f"busy_timeout={_BUSY_MS}", "foreign_keys=ON", f"cache_size=-{_CACHE_KIB}", "temp_store=MEMORY"):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    def _idle_connection(self) -> sqlite3.Connection:
        try:
            return self._idle.pop()
        except IndexError:
            connection = self._connect()
            connection.execute("PRAGMA query_only=ON")
            return connection

    def _engine(self, begin: str, pragma: str) -> Engine:
        from sqlalchemy import create_engine, event
        from sqlalchemy.pool import QueuePool

        engine = create_engine("sqlite://", creator=self._connect, poolclass=QueuePool, pool_size=4, max_overflow=16)

        @event.listens_for(engine, "connect")
        def _prepare(connection: Any, _record: Any) -> None:
            connection.execute(f"PRAGMA {pragma}")

        @event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:  # the driver's own BEGIN comes too late for a snapshot
            connection.exec_driver_sql(begin)

        return engine


def check_revision(found: str | None, folder: Path) -> None:
    """Raise LibraryMissing for a catalog never finished, LibraryUnsupported for a newer schema."""
    if found is None:
        raise LibraryMissing(f"{folder} holds no finished library", "make one with `imgsearch index FOLDER`")
    if found not in REVISIONS:
        raise LibraryUnsupported(
            f"the library {folder} has schema {found}, this program knows up to {HEAD}",
            "install a newer imgsearch, or name another library with --library DIR",
        )


def sqlite_check(connection: Connection) -> list[str]:
    """SQLite's own findings: broken pages and indexes, rows that point nowhere; [] is clean."""
    from sqlalchemy import text

    found = [str(row[0]) for row in connection.execute(text("PRAGMA integrity_check(20)")) if row[0] != "ok"]
    found += [
        f"{row[0]} row {row[1]} points to no {row[2]}" for row in connection.execute(text("PRAGMA foreign_key_check"))
    ]
    return found
