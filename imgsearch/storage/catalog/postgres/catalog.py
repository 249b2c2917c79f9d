"""A catalog in PostgreSQL: connections, transactions, the hold of the one writer."""

from __future__ import annotations

import contextlib
import os
import time
import zlib
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgsearch.errors import CatalogUnreachable, LibraryBusy, LibraryUnsupported
from imgsearch.extras import needs_extra
from imgsearch.files import reached
from imgsearch.storage.catalog.migrations import upgrade
from imgsearch.storage.catalog.postgres import first_tables
from imgsearch.storage.catalog.postgres.address import CatalogAddress
from imgsearch.storage.catalog.postgres.connection import PostgresConnection, connect
from imgsearch.storage.catalog.postgres.errors import server_errors

with needs_extra("a catalog in PostgreSQL", "postgres"):
    import psycopg

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

_IDLE_KEPT = 8
_GRACE_S = 1.0
"""How long a library may be busy before that is said: the session of a killed writer ends when the server notices."""
_POLL_S = 0.2
_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_DURABLE = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
# A session of a dead computer gives its lock up; one that waits for pictures is not ended.
_WATCHED = """SELECT set_config('tcp_keepalives_idle', '30', false), set_config('idle_session_timeout', '0', false),
    set_config('idle_in_transaction_session_timeout', '0', false)"""
_UNINDEXED = """SELECT file_id FROM files WHERE file_id NOT IN (SELECT file_id FROM file_words)
    ORDER BY file_id LIMIT 20"""
_WORDLESS = """SELECT image_id FROM image_words WHERE image_id NOT IN (SELECT image_id FROM word_search)
    GROUP BY image_id ORDER BY image_id LIMIT 20"""


class PostgresCatalog:
    """See `database.Catalog`, whose methods these are.

    ``look()`` and ``read()`` are REPEATABLE READ, READ ONLY: one snapshot, which no writer blocks. ``write()`` is one
    durable transaction. A writer holds an advisory lock of the library in the very session that it writes in: if the
    connection is lost, no other session can take its place, so nothing is written by a process that is no longer the
    only writer; and the next writer waits until the server has ended the lost session, with or without its commit.
    """

    def __init__(self, address: CatalogAddress, library_id: str, remember: Callable[[], None]) -> None:
        """``remember`` writes into the library's folder where the catalog is."""
        self._address = address
        self._remember = remember
        self.library_id = library_id
        self._idle: list[psycopg.Connection[tuple[Any, ...]]] = []  # of look(); append and pop are atomic
        self._held: Connection | None = None
        self._lock_key = zlib.crc32(library_id.encode()) | 1 << 33  # among other programs' keys, hardly another's

    name = "catalog"
    integrity_errors: tuple[type[Exception], ...] = (psycopg.IntegrityError,)

    @property
    def shown(self) -> str:
        return self._address.shown

    @property
    def url(self) -> str:
        return self._address.whole

    @cached_property
    def _reader(self) -> Engine:
        return self._engine(lambda: self._connected(reading=True), kept=True)

    @cached_property
    def _writer(self) -> Engine:
        return self._engine(lambda: self._connected(reading=False), kept=False)

    @contextlib.contextmanager
    def look(self) -> Iterator[PostgresConnection]:
        with server_errors(self.shown):
            connection = self._begun()
            try:
                yield PostgresConnection(connection)
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
        with server_errors(self.shown), self._reader.connect() as connection, connection.begin():
            yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        with server_errors(self.shown):
            if self._held is None:
                with self.exclusive(), self.write() as connection:
                    yield connection
                return
            self.require_exclusive()
            with self._held.begin():
                reached("catalog-begun")
                yield self._held
        reached("catalog-committed")

    @contextlib.contextmanager
    def note(self) -> Iterator[PostgresConnection]:
        with server_errors(self.shown):
            connection = self._connected(reading=False)
            try:
                yield PostgresConnection(connection)
                connection.commit()
            finally:
                connection.close()

    @contextlib.contextmanager
    def exclusive(self, *, wait_s: float = 0.0) -> Iterator[None]:
        if self._held is not None:
            yield
            return
        with server_errors(self.shown):
            connection = self._writer.connect()
        try:
            with server_errors(self.shown):
                self._acquire(connection, time.monotonic() + wait_s)
            self._held = connection
            yield
        finally:
            self._held = None
            self._give_up(connection)
            with contextlib.suppress(Exception):
                connection.invalidate()
                connection.close()

    def require_exclusive(self) -> None:
        held = self._held
        if held is not None and (held.closed or held.invalidated or _is_lost(held)):
            raise CatalogUnreachable(
                f"the connection to the catalog {self.shown} was lost while the library was being written to",
                "when the server is there, run the same command again: it goes on after the last whole batch",
            )

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()
        for name in ("_reader", "_writer"):
            if name in self.__dict__:
                self.__dict__[name].dispose()

    def prepare(self) -> None:
        """The folder is told before the database is, so that no database belongs to a folder that does not know it."""
        self._remember()

    def revision(self) -> str | None:
        with self.look() as connection:
            if connection.execute("SELECT to_regclass('alembic_version')").fetchone()[0] is None:
                return None
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
            return None if row is None else str(row[0])

    def owner(self) -> str | None:
        """The id of the library that the database belongs to; None if there is none yet."""
        with self.look() as connection:
            if connection.execute("SELECT to_regclass('library_home')").fetchone()[0] is None:
                return None
            row = connection.execute("SELECT library_id FROM library_home").fetchone()
            return None if row is None else str(row[0])

    def migrate(self, connection: Connection) -> None:
        """The first tables if there are none, then every later migration, inside the caller's transaction."""
        from sqlalchemy import text

        if connection.execute(text("SELECT to_regclass('alembic_version')")).scalar() is None:
            below = connection.connection.driver_connection
            assert below is not None
            below.execute("; ".join(first_tables.STATEMENTS))
        upgrade(connection)

    def settle_in(self, connection: Connection, folder: Path) -> None:
        from sqlalchemy import text

        row = {"library_id": self.library_id, "folder": os.fsencode(folder)}
        connection.execute(text("INSERT INTO library_home VALUES (1, :library_id, :folder)"), row)

    def migrate_copy(self) -> None:
        """Not here: a copy of a database is for its owner to make. Raises LibraryUnsupported."""
        raise LibraryUnsupported(
            f"the catalog {self.shown} was made by an older version, and has to be brought up to date first",
            "run `imgsearch index` once, as the owner of its tables; nothing was changed",
        )

    def check(self, connection: Connection) -> list[str]:
        """What the catalog should hold beside its rows: constraints and pages are the server's to check."""
        from sqlalchemy import text

        found = [f"the name of file row {row[0]} is not indexed" for row in connection.execute(text(_UNINDEXED))]
        return found + [f"the words of image {row[0]} are not indexed" for row in connection.execute(text(_WORDLESS))]

    def size_bytes(self) -> int:
        with self.look() as connection:
            statement = """SELECT coalesce(sum(pg_total_relation_size(oid)), 0) FROM pg_class
                WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace"""
            return int(connection.execute(statement).fetchone()[0])

    def _begun(self) -> psycopg.Connection[tuple[Any, ...]]:
        """A connection with its snapshot taken; connections that the server has closed meanwhile are given up."""
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:
                break
            try:
                connection.execute(_SNAPSHOT)
                return connection
            except psycopg.OperationalError:
                connection.close()
        connection = connect(self._address, autocommit=True)
        try:
            connection.execute(_SNAPSHOT)
        except BaseException:
            connection.close()
            raise
        return connection

    def _connected(self, *, reading: bool) -> psycopg.Connection[tuple[Any, ...]]:
        connection = connect(self._address)
        if reading:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
        else:
            connection.execute(_DURABLE)
            connection.execute(_WATCHED)
            connection.commit()
        return connection

    def _acquire(self, connection: Connection, deadline: float) -> None:
        from sqlalchemy import text

        statement = text("SELECT pg_try_advisory_lock(:key)")
        deadline = max(deadline, time.monotonic() + _GRACE_S)
        while not connection.execute(statement, {"key": self._lock_key}).scalar_one():
            connection.rollback()
            if time.monotonic() >= deadline:
                raise LibraryBusy(
                    f"the catalog {self.shown} is being written to from another session",
                    "wait until it is done, and run the same command again; searching works meanwhile",
                )
            time.sleep(_POLL_S)
        connection.commit()

    def _give_up(self, connection: Connection) -> None:
        """Release the lock before the session ends: the server ends a session that was closed a moment later, and until
        then the next writer would find the library busy. A session that is lost has no lock any more."""
        from sqlalchemy import text

        with contextlib.suppress(Exception):
            connection.rollback()
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": self._lock_key})
            connection.commit()

    def _engine(self, creator: Callable[[], Any], *, kept: bool) -> Engine:
        from sqlalchemy import create_engine
        from sqlalchemy.pool import NullPool, QueuePool

        if kept:
            return create_engine(
                "postgresql+psycopg://",
                creator=creator,
                poolclass=QueuePool,
                pool_size=4,
                max_overflow=16,
                pool_pre_ping=True,
            )
        return create_engine("postgresql+psycopg://", creator=creator, poolclass=NullPool)


def _is_lost(held: Connection) -> bool:
    below = held.connection.driver_connection
    return below is None or below.closed
