"""Opens databases that cannot be opened where they lie: on a read-only disk or snapshot, on a full one, in another
user's folder.

SQLite reads a database with a write-ahead log only if it finds, or may make, the log's index (``-shm``) beside it.
Otherwise there are two ways. A database whose log is empty or absent is read in place, as one that does not change
("immutable"). That would hide every row that is still in the log, so a database with a log is copied with it to a
temporary folder and read there. Both are valid until the files change, which `Aside.current` checks by sizes and times.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from imgsearch.errors import LibraryBusy, StorageFull
from imgsearch.wording import describe_size

_PREFIX = "imgsearch-aside-"
_ATTEMPTS = 8  # a writer that commits in between makes a copy void
_REFUSALS = (
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
)
_MARGIN_BYTES = 4 << 20  # the copy's own log and index

Stamp = tuple[tuple[int, int, int], ...]


def is_refusal(exc: BaseException) -> bool:
    """Whether SQLite could not open a database, or could not make the files that it needs beside it."""
    return isinstance(exc, sqlite3.Error) and getattr(exc, "sqlite_errorcode", 0) & 0xFF in _REFUSALS


def direct_uri(path: Path, mode: str) -> str:
    """The URI that opens the database ``path`` in place."""
    return f"file:{quote(os.fsencode(path.absolute()))}?mode={mode}"


class Aside:
    """One database as it was, for reading where nothing can be written beside it. The maker closes it, which removes
    the copy (at the end of the process at the latest)."""

    def __init__(self, path: Path, *, copy: bool = False) -> None:
        """``copy``: also without a log, because something will be written into the copy. A copy costs a read and a
        write of the whole file: 2.4 KB an image. Raises StorageFull (no temporary folder has room for it), LibraryBusy
        (it changes all the time), OSError (it cannot be read)."""
        self._path = path
        self._stamp: Stamp = ()
        self._remove: weakref.finalize[[Path, int], Aside] | None = None
        self.copy: Path | None = None
        for _ in range(_ATTEMPTS):
            self._stamp = _stamp(path)
            if not copy and not _log_bytes(path):
                return
            self._take_copy()
            if self.current():
                return
            self.close()
        raise LibraryBusy(
            f"{path} cannot be read in place, and changes while it is copied", "run the same command again in a moment"
        )

    @property
    def uri(self) -> str:
        """For sqlite3.connect. Nothing written through it reaches the library."""
        return direct_uri(self._path, "ro&immutable=1") if self.copy is None else direct_uri(self.copy, "rwc")

    def current(self) -> bool:
        """False once the files have changed: two stats."""
        return _stamp(self._path) == self._stamp

    def close(self) -> None:
        """Remove the copy."""
        if self._remove is not None:
            self._remove()
            self._remove = None
        self.copy = None

    def _take_copy(self) -> None:
        files = [Path(f"{self._path}{suffix}") for suffix in ("", "-wal")]
        needed = sum(_size(file) for file in files) + _MARGIN_BYTES
        _remove_orphans()
        fullest: OSError | None = None
        for place in _places(needed):
            try:
                folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=place))
            except OSError as exc:
                fullest = exc
                continue
            self._remove = weakref.finalize(self, _remove_folder, folder, os.getpid())
            self.copy = folder / self._path.name
            try:
                for file in files:
                    with contextlib.suppress(FileNotFoundError):
                        shutil.copyfile(file, folder / file.name)
                return
            except OSError as exc:
                self.close()
                if exc.filename == os.fspath(self._path):
                    raise
                fullest = exc
        raise StorageFull(
            f"{self._path} cannot be read in place, as nothing can be written beside it and its log holds rows; a copy "
            f"takes {describe_size(needed)}, and no temporary folder has room for it",
            f"name one that has: TMPDIR=DIR (tried: {', '.join(map(str, _candidates()))})",
        ) from fullest


_scratches: dict[Path, Aside] = {}
_scratches_lock = threading.Lock()


def scratch_of(path: Path) -> Path:
    """A copy of the database ``path`` (an empty one if it does not exist yet) that takes writes, which are lost when
    the process ends; the same copy at every call until the original changes. Raises like `Aside`."""
    with _scratches_lock:
        known = _scratches.get(path)
        if known is None or not known.current():
            known = _scratches[path] = Aside(path, copy=True)
    assert known.copy is not None
    return known.copy


def _stamp(path: Path) -> Stamp:
    found = []
    for suffix in ("", "-wal"):
        try:
            status = os.stat(f"{path}{suffix}")  # noqa: PTH116
            found.append((status.st_ino, status.st_size, status.st_mtime_ns))
        except OSError:
            found.append((0, 0, 0))
    return tuple(found)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _log_bytes(path: Path) -> int:
    return _size(Path(f"{path}-wal"))


def _candidates() -> list[Path]:
    """Temporary folders. tempfile's own choice writes a file to try each; this only reads the candidates."""
    named = [os.environ.get(name, "") for name in ("TMPDIR", "TEMP", "TMP")]
    named += ["/tmp", "/var/tmp", os.environ.get("XDG_RUNTIME_DIR", ""), "/dev/shm"]
    return list(dict.fromkeys(Path(name) for name in named if name and Path(name).is_dir()))


def _places(needed: int) -> Iterator[Path]:
    for place in _candidates():
        with contextlib.suppress(OSError):
            if shutil.disk_usage(place).free >= needed:
                yield place


def _remove_folder(folder: Path, pid: int) -> None:
    if os.getpid() == pid:  # a forked child has the parent's
        shutil.rmtree(folder, ignore_errors=True)


def _remove_orphans() -> None:
    """Remove copies left by killed processes of this user."""
    for place in _candidates():
        for folder in place.glob(_PREFIX + "*"):
            pid = folder.name.removeprefix(_PREFIX).partition("-")[0]
            with contextlib.suppress(OSError):
                if folder.stat().st_uid == os.getuid() and not _alive(pid):
                    shutil.rmtree(folder, ignore_errors=True)


def _alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except (OSError, ValueError, OverflowError):
        return True
    return True
