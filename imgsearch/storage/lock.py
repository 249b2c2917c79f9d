"""The writer lock: one process (and one thread of it) writes to a library at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from imgsearch.errors import LibraryBusy, StorageFull
from imgsearch.storage.disk_errors import WRITE_REFUSALS, disk_errors

_POLL_S = 0.1
_held: set[int] = set()


def _close_in_child() -> None:
    """A forked child shares the lock's open file and would keep it held after the parent was killed."""
    for descriptor in _held:
        with contextlib.suppress(OSError):
            os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_close_in_child)


@contextlib.contextmanager
def writer_lock(path: Path, *, wait_s: float = 0.0) -> Iterator[None]:
    """Hold the lock file ``path``, which names this process while it is held.

    Waits up to ``wait_s`` seconds. Raises LibraryBusy, naming the holder's pid, and StorageFull where the
    file cannot be made or locked. The kernel drops the lock when the process ends in any way.
    """
    descriptor = _opened(path)
    _held.add(descriptor)
    try:
        _acquire(descriptor, path, time.monotonic() + wait_s)
        with disk_errors(path):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # at once, whatever child was born this instant
    finally:
        if descriptor in _held:  # else this is a forked child, which closed its copy at birth
            _held.discard(descriptor)
            os.close(descriptor)


def _opened(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as exc:
        reason = WRITE_REFUSALS.get(exc.errno or 0, exc.strerror or str(exc))
        raise StorageFull(
            f"the library {path.parent} cannot be written: {reason} ({path.name})",
            "searching it works; to write, make its folder writable for you, or choose another one with --library DIR",
        ) from exc


def _acquire(descriptor: int, path: Path, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as exc:
            if time.monotonic() >= deadline:
                holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
                who = f"process {holder}" if holder else "another process"
                raise LibraryBusy(
                    f"the library {path.parent} is being written to by {who}",
                    "wait until it is done, or end that process and run the same command again; "
                    "searching works meanwhile",
                ) from exc
        except OSError as exc:  # a file system without locks
            raise StorageFull(
                f"the library {path.parent} cannot be written: {path.name} cannot be locked ({exc.strerror})",
                "put the library on a local disk with --library DIR",
            ) from exc
        time.sleep(_POLL_S)
