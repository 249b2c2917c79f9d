"""Files of archives, put into files of their own for the decoders, which open paths."""

from __future__ import annotations

import contextlib
import os
import tarfile
from collections import OrderedDict
from pathlib import Path

from imgsearch.errors import MediaError, StorageFull
from imgsearch.files import SPACE_HINT, storage_full
from imgsearch.media.limits import LIMITS, MIB
from indexer.jobs.inputs.rows import InputRow

BLOCK = 512
_OPEN_ARCHIVES = 4  # neighbours in a list are neighbours in an archive
_PIECE_BYTES = 8 * MIB
_OCTAL_LIMIT = 8 << 30  # larger sizes are in an extended header, not in the member's own


class Staging:
    """Copies members into ``folder``, one at a time. Close it to close the archives."""

    def __init__(self, folder: Path, roots: tuple[str, ...]) -> None:
        self._folder, self._roots = folder, roots
        self._open: OrderedDict[str, tuple[int, tuple[int, int]]] = OrderedDict()

    def __enter__(self) -> Staging:
        return self

    def __exit__(self, *raised: object) -> None:
        for descriptor, _ in self._open.values():
            os.close(descriptor)
        self._open.clear()

    def put(self, row: InputRow, number: int) -> str:
        """The path of a new file with a member's bytes; it keeps the member's extension, by which a RAW is known.
        Raises MediaError if the archive does not hold what its header says, StorageFull for our own disk."""
        archive = os.path.join(self._roots[row.root], row.archive)  # noqa: PTH118
        try:
            descriptor, stamp = self._archive(archive)
            if stamp != row.archive_stamp:
                raise MediaError("its archive has changed since the job was created", stage="read")
            _check_header(descriptor, row)
        except OSError as exc:
            reason = f"its archive cannot be read: {exc.strerror or exc}"
            raise MediaError(reason, stage="read", transient=True) from exc
        path = self._folder / f"{number}{os.path.splitext(row.path)[1][:16]}"  # noqa: PTH122
        try:
            _copy(descriptor, row, path)
        except OSError as exc:
            if refusal := storage_full(exc, path):
                raise StorageFull(refusal.message, SPACE_HINT) from exc
            raise MediaError(
                f"its archive cannot be read: {exc.strerror or exc}", stage="read", transient=True
            ) from exc
        return os.fspath(path)

    def _archive(self, path: str) -> tuple[int, tuple[int, int]]:
        found = self._open.pop(path, None)
        if found is None:
            if len(self._open) >= _OPEN_ARCHIVES:
                os.close(self._open.popitem(last=False)[1][0])
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            status = os.fstat(descriptor)
            found = descriptor, (status.st_size, status.st_mtime_ns)
        self._open[path] = found
        return found


def _check_header(descriptor: int, row: InputRow) -> None:
    """Raise MediaError unless the block before the member's bytes is a header with its size."""
    try:
        header = tarfile.TarInfo.frombuf(os.pread(descriptor, BLOCK, row.offset - BLOCK), "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError) as exc:
        raise MediaError(f"its header in the archive is damaged: {exc}", stage="read") from exc
    if header.size != row.size_bytes and row.size_bytes < _OCTAL_LIMIT and header.size:
        reason = f"its header in the archive says {header.size} bytes, when the job was created {row.size_bytes}"
        raise MediaError(reason, stage="read")
    if row.size_bytes > LIMITS.file_bytes:
        size, limit = row.size_bytes // MIB, LIMITS.file_bytes // MIB
        raise MediaError(f"the file has {size} MiB, more than the limit of {limit} MiB", stage="open")


def _copy(descriptor: int, row: InputRow, path: Path) -> None:
    offset, left = row.offset, row.size_bytes
    with path.open("wb") as file:
        while left:
            piece = os.pread(descriptor, min(left, _PIECE_BYTES), offset)
            if not piece:
                raise MediaError(
                    f"the archive ends {left} bytes before its end: {row.size_bytes} bytes by its header", stage="read"
                )
            file.write(piece)
            offset, left = offset + len(piece), left - len(piece)


def unstage(path: str) -> None:
    """Remove a staged file."""
    with contextlib.suppress(OSError):
        os.unlink(path)  # noqa: PTH108
