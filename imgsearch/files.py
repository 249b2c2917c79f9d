"""Files that appear whole or not at all, the writer lock, and the named steps at which a test kills the process."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from imgsearch.errors import LibraryBusy, StorageFull

STEPS = (
    "library-folders",
    "library-migrated",
    "recovery-cut",
    "recovery-unlinked",
    "segment-created",
    "segment-written",
    "segment-fsynced",
    "directory-fsynced",
    "catalog-begun",
    "catalog-written",
    "catalog-committed",
    "captions-written",
    "compact-copied",
    "compact-fsynced",
    "compact-written",
    "compact-committed",
    "compact-unlinked",
    "snapshot-written",
    "snapshot-fsynced",
    "snapshot-renamed",
    "snapshot-named",
    "snapshot-recorded",
    "snapshot-committed",
    "snapshot-unlinked",
    "beside-written",
    "beside-committed",
    "switch-written",
    "switch-committed",
    "forget-written",
    "forget-committed",
    "forget-unlinked",
    "columns-written",
    "columns-named",
    "catalog-move-copied",
    "catalog-move-placed",
    "catalog-move-decided",
    "dedup-run-made",
    "dedup-intent-written",
    "dedup-substitute-made",
    "dedup-moved",
    "dedup-copied",
    "dedup-aside",
    "dedup-placed",
    "dedup-removed",
    "dedup-done-written",
    "dedup-substitute-aside",
    "dedup-copied-back",
    "dedup-returned",
    "dedup-returned-written",
    "dedup-purging",
    "dedup-purged",
    "job-list-written",
    "job-vectors-written",
    "job-shard-fsynced",
    "job-shard-marked",
    "job-shard-committed",
    "job-library-built",
    "job-library-sealed",
    "job-library-placed",
    "training-stepped",
)
"""Steps of every write. Without the environment variable a step costs one comparison.
``IMGSEARCH_CRASH_AT=segment-fsynced:3`` sends SIGKILL to this process when it reaches that step for the third time: no
handler, no ``finally``, no flush."""

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
"""The reasons why a file cannot be written, in words, by errno."""

SPACE_HINT = "free some space, then run the same command again: it goes on where it stopped"
ACCESS_HINT = "make the folder writable for you, or choose another one with --library DIR"

_crash_at, _, _count = os.environ.get("IMGSEARCH_CRASH_AT", "").partition(":")
_remaining = int(_count) if _count.isdigit() else 1

_POLL_S = 0.1
_held: set[int] = set()


def reached(step: str) -> None:
    """Report that ``step`` is done; kills the process with SIGKILL if the environment named it (see `STEPS`)."""
    global _remaining
    if step != _crash_at:
        return
    _remaining -= 1
    if _remaining <= 0:
        os.kill(os.getpid(), signal.SIGKILL)


@contextlib.contextmanager
def replacing(target: Path, *, mode: int = 0o666, durable: bool = True) -> Iterator[BinaryIO]:
    """A new file that replaces ``target`` when the block ends; after an error ``target`` is unchanged.

    Its bytes and its name are on the disk then (two fsyncs), unless ``durable`` is False: a power cut may leave a
    torn file, which the reader has to detect. ``mode`` as for os.open. Raises OSError.
    """
    draft = target.with_name(f".draft-{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            if durable:
                os.fsync(descriptor)
        draft.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise
    if durable:
        fsync_folder(target.parent)


def write_whole(target: Path, content: bytes, *, mode: int = 0o666, durable: bool = True) -> None:
    """Write a small file at once: see `replacing`."""
    with replacing(target, mode=mode, durable=durable) as file:
        file.write(content)


@contextlib.contextmanager
def drafted(target: Path) -> Iterator[Path]:
    """A path for a writer that needs a path, with the suffix of ``target``, which the file replaces when the block
    ends. One writer of a target at a time: the leftover of a killed one is overwritten. Raises OSError."""
    draft = target.with_name(f"{target.stem}.tmp{target.suffix}")
    yield draft
    publish(draft, target)


def publish(draft: Path, target: Path) -> None:
    """Replace ``target`` by a finished file of the same folder: first its bytes become durable, then its name.
    Raises OSError."""
    descriptor = os.open(draft, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    draft.replace(target)
    fsync_folder(target.parent)


def fsync_folder(folder: Path) -> None:
    """Make new, renamed and removed names in ``folder`` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def storage_full(exc: OSError, path: Path) -> StorageFull | None:
    """A refusal of the disk while ``path`` was written, as an error of ours; None for any other error."""
    if exc.errno in _FULL:
        return StorageFull(f"{path} cannot be written: {_FULL[exc.errno]}", SPACE_HINT)
    if exc.errno in _REFUSED:
        return StorageFull(f"{path} cannot be written: {_REFUSED[exc.errno]}", ACCESS_HINT)
    return None


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

    Waits up to ``wait_s`` seconds. Raises LibraryBusy, naming the holder's pid, and StorageFull if the
    file cannot be made or locked. The kernel drops the lock when the process ends in any way.
    """
    descriptor = _opened(path)
    _held.add(descriptor)
    try:
        _acquire(descriptor, path, time.monotonic() + wait_s)
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except OSError as exc:
            if refusal := storage_full(exc, path):
                raise refusal from exc
            raise
        yield
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # at once, even if a child was born this instant
    finally:
        if descriptor in _held:  # otherwise this is a forked child, which closed its copy at birth
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
