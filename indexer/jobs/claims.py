"""Locks of a job: who may drive it, and who is making a shard. The kernel drops a lock when its holder ends in any way,
on a shared folder too where the file system has locks (NFS version 4 does)."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from imgsearch.errors import LibraryBusy, StorageFull
from imgsearch.files import WRITE_REFUSALS


def whoami() -> str:
    """This process, as other machines know it."""
    return f"{socket.gethostname()}-{os.getpid()}"


@contextlib.contextmanager
def claimed(path: Path, *, shared: bool = False) -> Iterator[bool]:
    """Try to hold the lock file ``path``, and name this process in it. Yields whether that succeeded; never waits.
    ``shared``: beside other shared holders. Raises StorageFull if the file cannot be made or locked."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as exc:
        reason = WRITE_REFUSALS.get(exc.errno or 0, exc.strerror or str(exc))
        raise StorageFull(f"{path} cannot be written: {reason}", "make the job's folder writable for you") from exc
    try:
        held = _lock(descriptor, path, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        if held and not shared:
            with contextlib.suppress(OSError):  # the name is for people; a full disk takes none
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, whoami().encode(), 0)
        yield held
        if held and not shared:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def holder(path: Path) -> str:
    """The process that a lock file names, for people."""
    with contextlib.suppress(OSError):
        if name := path.read_text("utf-8", "replace").strip():
            host, _, pid = name.rpartition("-")
            return f"process {pid} on {host}"
    return "another process"


@contextlib.contextmanager
def driving(folder: Path, part: tuple[int, int]) -> Iterator[None]:
    """Hold a job, or its ``part`` (i, n): parts of one job may be driven side by side, the whole job only alone. Raises
    LibraryBusy, naming the holder."""
    whole = part[1] == 1
    with contextlib.ExitStack() as held:
        paths = [(folder / "lock", not whole)]
        if not whole:
            paths.append((folder / "claims" / f"driver-{part[0]}-of-{part[1]}.lock", False))
        for path, shared in paths:
            if not held.enter_context(claimed(path, shared=shared)):
                raise _busy(folder, path, whole)
        yield


def _lock(descriptor: int, path: Path, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as exc:
        raise StorageFull(
            f"{path} cannot be locked ({exc.strerror})",
            "put the job's folder on a file system with locks: a local disk, or NFS version 4",
        ) from exc
    return True


def _busy(folder: Path, path: Path, whole: bool) -> LibraryBusy:
    what = "the job" if whole or path.name == "lock" else "this part of the job"
    return LibraryBusy(
        f"{what} {folder} is being run by {holder(path)}",
        "wait until it is done, or end that process and run the same command again: it goes on where it stopped. "
        "Several drivers may run side by side with --shards 1/2, --shards 2/2",
    )
