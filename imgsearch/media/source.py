"""A file on disk, opened once: its bytes are hashed and decoded through the same descriptor."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from imgsearch.errors import MediaError
from imgsearch.media.limits import MIB, DecodeLimits
from imgsearch.media.sniff import HEAD_BYTES

_IN_MEMORY_BYTES = 32 * MIB  # larger files are not read into memory, but in pieces from the descriptor
_PIECE_BYTES = 1 * MIB
_READ_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


@dataclass(frozen=True, slots=True)
class OpenFile:
    """An open regular file. ``stream`` is seekable, ``head`` holds its first bytes."""

    stream: BinaryIO
    head: bytes
    name: str
    size_bytes: int
    mtime_ns: int


class ContentChanged(MediaError):
    """The file no longer has the content that was indexed."""


@contextmanager
def open_source(path: str, limits: DecodeLimits) -> Iterator[OpenFile]:
    """Open a regular file. A FIFO, socket or device in its place is refused without waiting for it. Raises MediaError,
    which is transient if the disk, the permissions or another program is the cause."""
    try:
        with open(os.open(path, _READ_FLAGS), "rb") as stream:  # noqa: PTH123  a descriptor, not a path
            yield _examine(stream, path, limits)
    except MemoryError:
        raise
    except OSError as exc:
        raise MediaError(_plain(exc), stage="read", transient=True) from exc
    except ValueError as exc:  # a NUL character in the name
        raise MediaError(f"the name cannot be opened: {exc}", stage="read") from exc


def _examine(stream: BinaryIO, path: str, limits: DecodeLimits) -> OpenFile:
    status = os.fstat(stream.fileno())
    if not stat.S_ISREG(status.st_mode):
        raise MediaError("not a regular file (a folder, pipe, socket or device)", stage="read")
    if status.st_size == 0:
        raise MediaError("the file is empty (0 bytes)", stage="open")
    if status.st_size > limits.file_bytes:
        size, limit = status.st_size // MIB, limits.file_bytes // MIB
        raise MediaError(f"the file has {size} MiB, more than the limit of {limit} MiB", stage="open")
    head = stream.read(HEAD_BYTES)
    return OpenFile(stream, head, os.path.basename(path), status.st_size, status.st_mtime_ns)  # noqa: PTH119


def read_and_hash(source: OpenFile) -> tuple[str, BinaryIO]:
    """The sha256 of the whole content, and a stream at its start for decoding exactly these bytes. Raises MediaError
    (transient) if another program changed the file in the meantime."""
    source.stream.seek(0)
    if source.size_bytes <= _IN_MEMORY_BYTES:
        data = source.stream.read(source.size_bytes + 1)
        _check_unchanged(source, len(data))
        return hashlib.sha256(data).hexdigest(), io.BytesIO(data)
    digest, count = hashlib.sha256(), 0
    while piece := source.stream.read(_PIECE_BYTES):
        digest.update(piece)
        count += len(piece)
    _check_unchanged(source, count)
    source.stream.seek(0)
    return digest.hexdigest(), source.stream


def read_known(source: OpenFile, content_hash: str) -> BinaryIO:
    """A stream at the start of a file whose bytes have this sha256. Raises ContentChanged if they do not."""
    digest, stream = read_and_hash(source)
    if digest != content_hash:
        raise ContentChanged(f"{source.name} has changed since it was indexed", stage="read")
    return stream


def _check_unchanged(source: OpenFile, count: int) -> None:
    status = os.fstat(source.stream.fileno())
    if (count, status.st_size, status.st_mtime_ns) != (source.size_bytes, source.size_bytes, source.mtime_ns):
        raise MediaError("the file changed while it was read", stage="read", transient=True)


def _plain(exc: OSError) -> str:
    return {
        errno.ENOENT: "the file is gone",
        errno.ENOTDIR: "the file is gone",
        errno.EISDIR: "a folder, expected a picture",
        errno.EACCES: "no permission to read the file",
        errno.EPERM: "no permission to read the file",
        errno.ELOOP: "a symbolic link that leads in a circle",
        errno.EIO: "the disk failed to read the file (input/output error)",
        errno.ENXIO: "not a regular file (a folder, pipe, socket or device)",
        errno.ENAMETOOLONG: "the path is too long for this system",
    }.get(exc.errno or 0, f"the file could not be read: {exc.strerror or exc}")
