"""The catalog's connections: opens, checks and migrates catalog.db; read and write transactions."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgsearch.errors import LibraryMissing, LibraryUnsupported
from imgsearch.files import reached
from imgsearch.storage.aside import Aside, direct_uri, is_refusal
from imgsearch.storage.catalog import sqlite_reads as lookups
from imgsearch.storage.catalog import words
from imgsearch.storage.catalog.revisions import HEAD, REVISIONS
from imgsearch.storage.disk_errors import disk_errors

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

_BUSY_MS = 30_000
_CACHE_KIB = 16_384
_IDLE_KEPT = 8  # idle connections that are kept, each with a cache of up to 16 MiB


_fixed: ContextVar[str] = ContextVar("fixed", default="")


def utc_now() -> str:
    """ISO 8601 with milliseconds, the form that SQLite's triggers write too."""
    return _fixed.get() or datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@contextlib.contextmanager
def fixed_clock(now: str) -> Iterator[None]:
    """Let every row that is written meanwhile bear the time ``now`` (as `utc_now` writes it), so that the same contents
    give the same bytes. The triggers of `deletions` know nothing of it."""
    token = _fixed.set(now)
    try:
        yield
    finally:
        _fixed.reset(token)


class Catalog:
    """One process's access to ``catalog.db``.

    ``read()`` and ``look()`` give a consistent snapshot that no writer blocks, through SQLAlchemy and through SQLite's
    own driver. ``write()`` is one durable transaction (WAL, synchronous=FULL); the caller must hold the writer lock.
    Connections are pooled and may be used from any thread. The first ``read()`` or ``write()`` loads SQLAlchemy; a
    search needs neither. If nothing can be written beside the file, it is still read, with every committed row (see
    `aside`); then each ``read()`` and ``look()`` costs two more stats.
    """

    def __init__(self, path: Path, *, create: bool = False) -> None:
        self.path = path
        self._create = create
        self._idle: list[sqlite3.Connection] = []  # of look(); append and pop are atomic
        self._aside: Aside | None = None
        self._migrated_copy = False
        self._choosing = threading.RLock()

    name = "catalog.db"
    url = ""
    integrity_errors: tuple[type[Exception], ...] = (sqlite3.IntegrityError,)

    @property
    def shown(self) -> str:
        """Its place, for messages."""
        return str(self.path)

    @cached_property
    def _reader(self) -> Engine:
        return self._engine("BEGIN", "query_only=ON", self._connect_to_read)

    @cached_property
    def _writer(self) -> Engine:
        return self._engine("BEGIN IMMEDIATE", "synchronous=FULL", self._connect)

    @contextlib.contextmanager
    def look(self) -> Iterator[sqlite3.Connection]:
        """A read transaction on SQLite's own driver, for `imgsearch.storage.catalog.sqlite_reads`. Raises like
        ``read``."""
        with disk_errors(self.path):
            self._look_for_changes()
            connection, aside = self._idle_connection(), self._aside
            try:
                connection.execute("BEGIN")
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                connection.close()
                raise
            if len(self._idle) < _IDLE_KEPT and aside is self._aside:
                self._idle.append(connection)
            else:
                connection.close()

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """A read transaction. Raises CatalogDamaged, StorageFull, LibraryBusy."""
        with disk_errors(self.path):
            self._look_for_changes()
            with self._reader.connect() as connection, connection.begin():
                yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """A write transaction: committed and durable when the block ends, rolled back if it raises."""
        with disk_errors(self.path), self._writer.begin() as connection:
            reached("catalog-begun")
            yield connection
        reached("catalog-committed")

    @contextlib.contextmanager
    def note(self) -> Iterator[sqlite3.Connection]:
        """A short write transaction that needs no writer lock, on SQLite's own driver: for rows that no index run reads
        or writes (albums, marks). It waits for the transaction that a run has open, not for the run. Raises like
        ``write``."""
        with disk_errors(self.path), contextlib.closing(self._connect()) as connection:
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")

    def close(self) -> None:
        """Close every pooled connection, and remove the copy that was read, if there is one."""
        self._drop_connections()
        if "_writer" in self.__dict__:
            self._writer.dispose()

    @contextlib.contextmanager
    def exclusive(self, *, wait_s: float = 0.0) -> Iterator[None]:
        """Nothing to do: the lock file beside the catalog keeps every other writer out."""
        yield

    def require_exclusive(self) -> None:
        """Nothing to do: the kernel takes the lock from no living process."""

    def prepare(self) -> None:
        """Turn the write-ahead log on; the file stores the setting."""
        with disk_errors(self.path), contextlib.closing(self._connect()) as connection:
            connection.execute("PRAGMA journal_mode=WAL")

    def revision(self) -> str | None:
        """The schema's revision; None for a catalog whose creation never finished."""
        with self.look() as connection:
            return lookups.revision(connection)

    def migrate(self, connection: Connection) -> None:
        """Bring the schema to HEAD inside the caller's write transaction."""
        from imgsearch.storage.catalog.migrations import upgrade

        upgrade(connection)

    def settle_in(self, connection: Connection, folder: Path) -> None:
        """Nothing to write: the catalog belongs to the folder that it lies in."""

    def check(self, connection: Connection) -> list[str]:
        """SQLite's own findings: broken pages and indexes, rows that point nowhere; [] is clean."""
        from sqlalchemy import text

        found = [str(row[0]) for row in connection.execute(text("PRAGMA integrity_check(20)")) if row[0] != "ok"]
        found += [
            f"{row[0]} row {row[1]} points to no {row[2]}"
            for row in connection.execute(text("PRAGMA foreign_key_check"))
        ]
        return found

    def size_bytes(self) -> int:
        """Bytes that it takes, with its log."""
        found = 0
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(OSError):
                found += Path(f"{self.path}{suffix}").stat().st_size
        return found

    def migrate_copy(self) -> None:
        """Bring the schema of a read-only catalog to HEAD in a copy of it, which is read from now on."""
        with self._choosing, disk_errors(self.path):
            self._drop_connections()
            self._migrated_copy = True
            self._aside = self._new_aside()

    def _connect(self) -> sqlite3.Connection:
        return _opened(direct_uri(self.path, "rwc" if self._create else "rw"))

    def _connect_to_read(self) -> sqlite3.Connection:
        """A connection in place, or aside once that was refused."""
        with self._choosing:
            if self._aside is None:
                try:
                    return self._connect()
                except sqlite3.Error as exc:
                    if not is_refusal(exc) or not self.path.is_file():
                        raise
                    self._aside = self._new_aside()
            return _opened(self._aside.uri)

    def _new_aside(self) -> Aside:
        aside = Aside(self.path, copy=self._migrated_copy)
        if self._migrated_copy and aside.copy is not None:
            try:
                with contextlib.closing(Catalog(aside.copy)) as copied, copied.write() as connection:
                    copied.migrate(connection)
            except BaseException:
                aside.close()
                raise
        return aside

    def _look_for_changes(self) -> None:
        """A database read aside is valid until its file changes, because a process with write access wrote to it."""
        if self._aside is not None and not self._aside.current():
            with self._choosing:
                if self._aside is not None and not self._aside.current():
                    self._drop_connections()

    def _drop_connections(self) -> None:
        if "_reader" in self.__dict__:
            self._reader.dispose()
        while self._idle:
            self._idle.pop().close()
        if self._aside is not None:
            self._aside.close()
            self._aside = None

    def _idle_connection(self) -> sqlite3.Connection:
        try:
            return self._idle.pop()
        except IndexError:
            connection = self._connect_to_read()
            connection.execute("PRAGMA query_only=ON")
            return connection

    def _engine(self, begin: str, pragma: str, connect: Callable[[], sqlite3.Connection]) -> Engine:
        from sqlalchemy import create_engine, event
        from sqlalchemy.pool import QueuePool

        engine = create_engine("sqlite://", creator=connect, poolclass=QueuePool, pool_size=4, max_overflow=16)

        @event.listens_for(engine, "connect")
        def _prepare(connection: Any, _record: Any) -> None:
            connection.execute(f"PRAGMA {pragma}")

        @event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:  # the driver's own BEGIN comes too late for a snapshot
            connection.exec_driver_sql(begin)

        return engine


def _opened(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, check_same_thread=False, isolation_level=None)
    words.register(connection)
    try:
        for pragma in (f"busy_timeout={_BUSY_MS}", "foreign_keys=ON", f"cache_size=-{_CACHE_KIB}", "temp_store=MEMORY"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()  # a refusal shows here, not later
    except BaseException:
        connection.close()
        raise
    return connection


def check_revision(found: str | None, folder: Path) -> None:
    """Raise LibraryMissing for a catalog that was never finished, LibraryUnsupported for a newer schema."""
    if found is None:
        raise LibraryMissing(f"{folder} holds no finished library", "make one with `imgsearch index FOLDER`")
    if found not in REVISIONS:
        raise LibraryUnsupported(
            f"the library {folder} has schema {found}, this program knows up to {HEAD}",
            "install a newer imgsearch, or name another library with --library DIR",
        )
