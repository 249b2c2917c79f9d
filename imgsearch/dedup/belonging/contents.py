"""Compares the contents of two companions and reads the length of a film. Nothing raises: unreadable means unequal."""

from __future__ import annotations

import json
import os
import stat
import struct
from typing import Any, BinaryIO

_STEP_BYTES = 1 << 20
_MOST_JSON_BYTES = 64 << 20
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
# What differs from one export of Google Photos to the next; "formatted" is the time again, in the account's language.
_VOLATILE = frozenset(
    {
        "url",
        "imageViews",
        "creationTime",
        "modificationTime",
        "photoLastModifiedTime",
        "localFolderName",
        "formatted",
    }
)
_MOST_BOXES = 256


def same_companion(first_path: str, second_path: str) -> bool:
    """True if two files have equal bytes, or are notes of Google Takeout that differ only in what every export changes:
    the address, the number of views, times of the export. Films are compared while they are read; costs their size."""
    try:
        with _opened(first_path) as first, _opened(second_path) as second:
            if _equal(first, second):
                return True
            if not (first_path.lower().endswith(".json") and second_path.lower().endswith(".json")):
                return False
            one, other = _notes(first), _notes(second)
            return one is not None and one == other
    except (OSError, ValueError, RecursionError, MemoryError):
        return False


def film_seconds(path: str) -> float | None:
    """The length that a MOV or MP4 states (ISO 14496-12, ``mvhd``); None for any other or unreadable file. Reads a few
    hundred bytes."""
    try:
        with _opened(path) as file:
            moov = _box(file, b"moov", 0, os.fstat(file.fileno()).st_size)
            mvhd = moov and _box(file, b"mvhd", *moov)
            if not mvhd:
                return None
            file.seek(mvhd[0])
            head = file.read(32)
        scale, duration = struct.unpack(">IQ", head[20:32]) if head[0] == 1 else struct.unpack(">II", head[12:20])
        return float(duration / scale) if scale else None
    except (OSError, ValueError, IndexError, struct.error):
        return None


def _opened(path: str) -> BinaryIO:
    """Opens a regular file; raises OSError for a pipe or a folder, without waiting for one."""
    descriptor = os.open(path, _FLAGS)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("not a regular file")
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def _equal(first: BinaryIO, second: BinaryIO) -> bool:
    if os.fstat(first.fileno()).st_size != os.fstat(second.fileno()).st_size:
        return False
    while block := first.read(_STEP_BYTES):
        if second.read(len(block)) != block:
            return False
    return not second.read(1)


def _notes(file: BinaryIO) -> Any:
    """The notes without what every export changes; None for other JSON."""
    file.seek(0)
    data = file.read(_MOST_JSON_BYTES + 1)
    if len(data) > _MOST_JSON_BYTES:
        return None
    notes = json.loads(data.decode("utf-8-sig"))
    if not isinstance(notes, dict) or "title" not in notes or not {"photoTakenTime", "googlePhotosOrigin"} & set(notes):
        return None
    return _lasting(notes)


def _lasting(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _lasting(item) for key, item in value.items() if key not in _VOLATILE}
    return [_lasting(item) for item in value] if isinstance(value, list) else value


def _box(file: BinaryIO, kind: bytes, start: int, end: int) -> tuple[int, int] | None:
    """The range (start, end) of the content of the first box of that kind between two offsets of the file."""
    for _ in range(_MOST_BOXES):
        if start + 8 > end:
            return None
        file.seek(start)
        size, found = struct.unpack(">I4s", file.read(8))
        head = 8
        if size == 1:
            (size,), head = struct.unpack(">Q", file.read(8)), 16
        size = size or end - start
        if size < head:
            return None
        if found == kind:
            return start + head, min(start + size, end)
        start += size
    return None
