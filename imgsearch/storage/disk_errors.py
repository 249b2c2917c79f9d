"""Turns foreign errors into the library's own, in this one place."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from imgsearch.errors import CatalogDamaged, LibraryBusy, LibraryError, StorageFull
from imgsearch.files import ACCESS_HINT, SPACE_HINT, storage_full

_DAMAGED_HINT = (
    "restore catalog.db from a backup; without one, move the library's folder away "
    "and index again with `imgsearch index`"
)


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Translate errors of the disk or SQLite while ``path`` is written or read.

    OSError: ENOSPC, EDQUOT, EFBIG, EROFS, EACCES and EPERM become StorageFull, other codes stay. SQLite:
    full, read-only, cannot open and I/O errors become StorageFull; busy becomes LibraryBusy; corrupt and "not
    a database" become CatalogDamaged; a broken constraint is the caller's error and stays.
    """
    try:
        yield
    except OSError as exc:
        if refusal := storage_full(exc, path):
            raise refusal from exc
        raise
    except Exception as exc:
        # SQLAlchemy wraps the driver's error as `orig`; naming its class would load it where only SQLite is used.
        below = getattr(exc, "orig", exc)
        raised = _from_sqlite(below, path) if isinstance(below, sqlite3.Error) else None
        if raised is None:
            raise
        raise raised from exc


def _from_sqlite(exc: sqlite3.Error, path: Path) -> LibraryError | None:
    code = getattr(exc, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return StorageFull(f"{path} cannot be written: no space is left", SPACE_HINT)
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN):
        return StorageFull(f"{path} cannot be opened or written: {exc}", ACCESS_HINT)
    if code == sqlite3.SQLITE_IOERR:
        return StorageFull(f"{path}: the disk refused ({exc})", SPACE_HINT)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return LibraryBusy(
            f"{path} is locked by another process", "wait until it is done and run the same command again"
        )
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return CatalogDamaged(f"{path} is not readable as a catalog: {exc}", _DAMAGED_HINT)
    return None
