"""Foreign errors become the library's own, in this one place."""

from __future__ import annotations

import contextlib
import errno
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from imgsearch.errors import CatalogDamaged, LibraryBusy, LibraryError, StorageFull

_FULL = {
    errno.ENOSPC: "no space is left",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file is too large",
}
_REFUSED = {
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission was denied",
    errno.EPERM: "permission was denied",
}
WRITE_REFUSALS = _FULL | _REFUSED
"""Why a file cannot be written, in words, by errno."""

_SPACE_HINT = "free some space, then run the same command again: it goes on where it stopped"
_ACCESS_HINT = "make the folder writable for you, or choose another one with --library DIR"
_DAMAGED_HINT = (
    "restore catalog.db from a backup; without one, move the library's folder away "
    "and index again with `imgsearch index`"
)


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Translate what the disk or SQLite refuses while ``path`` is written or read.

    OSError: ENOSPC, EDQUOT, EFBIG, EROFS, EACCES and EPERM become StorageFull, other codes stay. SQLite:
    full, read-only, cannot open and I/O errors become StorageFull; busy becomes LibraryBusy; corrupt and "not
    a database" become CatalogDamaged; a broken constraint is an error of the caller and stays.
    """
    try:
        yield
    except OSError as exc:
        raised = _from_os_error(exc, path)
        if raised is None:
            raise
        raise raised from exc
    except Exception as exc:
        # SQLAlchemy wraps the driver's error as `orig`; naming its class would load it where only SQLite is used.
        below = getattr(exc, "orig", exc)
        raised = _from_sqlite(below, path) if isinstance(below, sqlite3.Error) else None
        if raised is None:
            raise
        raise raised from exc


def _from_os_error(exc: OSError, path: Path) -> LibraryError | None:
    if exc.errno in _FULL:
        return StorageFull(f"{path} cannot be written: {_FULL[exc.errno]}", _SPACE_HINT)
    if exc.errno in _REFUSED:
        return StorageFull(f"{path} cannot be written: {_REFUSED[exc.errno]}", _ACCESS_HINT)
    return None


def _from_sqlite(exc: sqlite3.Error, path: Path) -> LibraryError | None:
    code = getattr(exc, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return StorageFull(f"{path} cannot be written: no space is left", _SPACE_HINT)
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN):
        return StorageFull(f"{path} cannot be opened or written: {exc}", _ACCESS_HINT)
    if code == sqlite3.SQLITE_IOERR:
        return StorageFull(f"{path}: the disk refused ({exc})", _SPACE_HINT)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return LibraryBusy(
            f"{path} is locked by another process", "wait until it is done and run the same command again"
        )
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return CatalogDamaged(f"{path} is not readable as a catalog: {exc}", _DAMAGED_HINT)
    return None
