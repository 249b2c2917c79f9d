"""Keeps small images, once each, in a file while pairs are compared."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import numpy as np

from imgsearch.dedup.pixels.registration.planes import PLANE_BYTES
from imgsearch.records import SIGNATURE_BYTES, UInt8
from imgsearch.storage.disk_errors import disk_errors

ROW_BYTES = SIGNATURE_BYTES + PLANE_BYTES
"""A signature, then `small_planes`: 26 KB an image, on disk. Not mapped, because mapped bytes count as memory."""


class Sheets:
    """The file, which is removed afterwards. Rows are numbered from 0. Raises StorageFull."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)

    def __enter__(self) -> Sheets:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            os.close(self._file)
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)

    def put_signature(self, row: int, signature: bytes) -> None:
        """Keep an image's signature."""
        with disk_errors(self.path):
            os.pwrite(self._file, signature, row * ROW_BYTES)

    def put_planes(self, row: int, planes: bytes) -> None:
        """Keep an image's planes."""
        with disk_errors(self.path):
            os.pwrite(self._file, planes, row * ROW_BYTES + SIGNATURE_BYTES)


def read_signatures(path: str, rows: Sequence[int]) -> UInt8:
    """uint8 [n, 1536] of some rows, for another process."""
    return _read(path, rows, 0, SIGNATURE_BYTES)


def read_planes(path: str, rows: Sequence[int]) -> UInt8:
    """uint8 [n, `PLANE_BYTES`] of some rows, for another process."""
    return _read(path, rows, SIGNATURE_BYTES, PLANE_BYTES)


def _read(path: str, rows: Sequence[int], offset: int, size: int) -> UInt8:
    file = os.open(path, os.O_RDONLY)
    try:
        parts = [os.pread(file, size, row * ROW_BYTES + offset) for row in rows]
    finally:
        os.close(file)
    return np.frombuffer(b"".join(parts), np.uint8).reshape(len(rows), size)
