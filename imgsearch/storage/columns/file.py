"""A file of named arrays (docs/formats.md): mapped when it is opened, each array checked when it is first used."""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from imgsearch.errors import SegmentDamaged

COLUMNS_FORMAT = 1
"""Raise it when a program that knows the former one would read these arrays wrongly: files of others are not read."""

BUILD_HINT = "`imgsearch build` makes new ones; until then the catalog itself is asked, which is slower"
_MAGIC = b"IMGCOLS\n"
_HEAD = struct.Struct("<8sIII")  # magic, format, bytes of the JSON behind it, their crc32
_ALIGNED = 64


def write_arrays(file: IO[bytes], about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> int:
    """Write the arrays with a head that describes them and holds ``about`` (JSON). -> crc32 of the head, by which one
    file is told from another. Raises OSError."""
    described: dict[str, Any] = {}
    place = 0
    for name, array in arrays.items():
        content = np.ascontiguousarray(array)
        place += -place % _ALIGNED
        described[name] = {
            "dtype": content.dtype.str,
            "shape": list(content.shape),
            "place": place,
            "checksum": zlib.crc32(content.tobytes()),
        }
        place += content.nbytes
    text = json.dumps({**about, "bytes": place, "arrays": described}).encode("ascii")
    text += b" " * (-(_HEAD.size + len(text)) % _ALIGNED)
    checksum = zlib.crc32(text)
    file.write(_HEAD.pack(_MAGIC, COLUMNS_FORMAT, len(text), checksum) + text)
    written = 0
    for name, array in arrays.items():
        gap = described[name]["place"] - written
        file.write(b"\0" * gap)
        file.write(np.ascontiguousarray(array).tobytes())
        written += gap + array.nbytes
    return checksum


class ArrayFile:
    """Arrays of a file that `write_arrays` wrote, memory-mapped. Opening reads the head, some kB; ``get`` reads an
    array whole, the first time, to check it: 1 ms for 2 MB. Safe between threads.

    Raises SegmentDamaged for a file that is missing, cut, changed or of another format."""

    def __init__(self, path: Path, checksum: int) -> None:
        """``checksum`` of the head, as `write_arrays` gave it."""
        self.path = path
        try:
            with path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                magic, version, length, found = _HEAD.unpack(file.read(_HEAD.size).ljust(_HEAD.size, b"\0"))
                text = file.read(length) if magic == _MAGIC and length <= size else b""
        except OSError as error:
            raise SegmentDamaged(f"the columns {path.name} cannot be read: {error.strerror}", BUILD_HINT) from error
        if magic == _MAGIC and version != COLUMNS_FORMAT:
            raise SegmentDamaged(
                f"the columns {path.name} have format {version}, this program reads {COLUMNS_FORMAT}", BUILD_HINT
            )
        if zlib.crc32(text) != found or found != checksum:
            raise self._damaged()
        self.about: dict[str, Any] = json.loads(text)
        self._described = self.about["arrays"]
        start = _HEAD.size + length
        if size != start + self.about["bytes"]:
            raise self._damaged()
        content = np.memmap(path, np.uint8, "r") if size else np.empty(0, np.uint8)
        self._content = np.asarray(content)[start:]
        self._known: dict[str, NDArray[Any]] = {}

    def get(self, name: str) -> NDArray[Any]:
        """The array of that name, read-only. Raises SegmentDamaged."""
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = self._checked(name)
        return known

    def check(self) -> None:
        """Read all of it. Raises SegmentDamaged."""
        for name in self._described:
            self.get(name)

    def _checked(self, name: str) -> NDArray[Any]:
        described = self._described.get(name)
        if described is None:
            raise self._damaged()
        dtype, place = np.dtype(described["dtype"]), described["place"]
        count = int(np.prod(described["shape"], dtype=np.int64))
        content = self._content[place : place + count * dtype.itemsize]
        if len(content) != count * dtype.itemsize or zlib.crc32(content.data) != described["checksum"]:
            raise self._damaged()
        array: NDArray[Any] = content.view(dtype).reshape(described["shape"])
        return array

    def _damaged(self) -> SegmentDamaged:
        return SegmentDamaged(f"the columns {self.path.name} are damaged: a checksum does not match", BUILD_HINT)
