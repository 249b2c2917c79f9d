"""Groups of a plan that stay in a file: each is parsed when it is needed, and is the one that was checked."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import struct
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, overload

import numpy as np
from numpy.typing import NDArray

from imgsearch.dedup.evidence.records import Group
from imgsearch.dedup.plan.as_json import HINT, group_text, read_group
from imgsearch.errors import UsageError
from imgsearch.storage.disk_errors import disk_errors

_PLACE = np.dtype([("offset", "i8"), ("length", "i8"), ("digest", "V16")])
_ROW = struct.Struct("=qq16s")
_AGAIN = "look at the plan again, then run the command once more"


class Places:
    """The places of groups in a file and digests of their text: 32 bytes a group."""

    def __init__(self) -> None:
        self._rows = bytearray()

    def add(self, offset: int, text: bytes) -> None:
        """Add the next group in order."""
        self._rows += _ROW.pack(offset, len(text), _digest(text))

    def table(self) -> NDArray[np.void]:
        """One row a group."""
        return np.frombuffer(bytes(self._rows), _PLACE)


def _digest(text: bytes) -> bytes:
    return hashlib.blake2b(text, digest_size=16).digest()


class FiledGroups(Sequence[Group]):
    """Holds the file open, so that it may be replaced or removed in the meantime; a group whose text has changed since
    is a UsageError. Iterating parses the groups again, 0.1 ms a group of three."""

    def __init__(self, file: BinaryIO, places: NDArray[np.void], source: str, *, own_layout: bool = False) -> None:
        self._descriptor = os.dup(file.fileno())
        weakref.finalize(self, os.close, self._descriptor)
        self._places = places
        self._source = source
        self.own_layout = own_layout
        """Whether the texts are as `group_text` makes them."""

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> Group: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Group]: ...
    def __getitem__(self, index: int | slice) -> Group | Sequence[Group]:
        if isinstance(index, slice):
            return tuple(self[number] for number in range(*index.indices(len(self))))
        number = range(len(self))[index]
        try:
            return read_group(json.loads(self.text(number)), number)
        except RecursionError as exc:
            raise UsageError(f"{self._source} is not a plan: groups[{number}] is nested too deeply", HINT) from exc

    def __iter__(self) -> Iterator[Group]:
        return (self[number] for number in range(len(self)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(one == two for one, two in zip(self, other, strict=True))

    def text(self, number: int) -> bytes:
        """The JSON of one group, as it lies in the file. Raises UsageError if the file was changed since."""
        place = self._places[number]
        length = int(place["length"])
        try:
            text = _read(self._descriptor, int(place["offset"]), length)
        except OSError as exc:
            raise UsageError(f"the plan {self._source} cannot be read: {exc.strerror or exc}", _AGAIN) from exc
        if len(text) != length or _digest(text) != bytes(place["digest"].item()):
            raise UsageError(f"the plan {self._source} was changed while it was in use", _AGAIN)
        return text

    def reordered(self, order: Sequence[int]) -> FiledGroups:
        """The same groups, the ``order[0]``-th first."""
        with os.fdopen(os.dup(self._descriptor), "rb") as file:
            places = self._places[np.asarray(order, np.int64)]
            return FiledGroups(file, places, self._source, own_layout=self.own_layout)


def spill(groups: Iterable[Group], folder: str | os.PathLike[str] = "") -> FiledGroups:
    """Write groups as they come to a nameless file, in ``folder`` if it is writable, else where the system keeps
    temporary files; sorted by the keeper's path. Holds one group, and the keeper's path and 32 bytes of each. Raises
    StorageFull."""
    places, paths, offset = Places(), list[str](), 0
    with disk_errors(Path(folder or tempfile.gettempdir())), _nameless(folder) as file:
        for group in groups:
            text = group_text(group).encode()
            file.write(text)
            places.add(offset, text)
            paths.append(group.keeper.path)
            offset += len(text)
        file.flush()
        found = FiledGroups(file, places.table(), "that is being made", own_layout=True)
    return found.reordered(sorted(range(len(paths)), key=paths.__getitem__))


def _nameless(folder: str | os.PathLike[str]) -> contextlib.AbstractContextManager[BinaryIO]:
    if folder:
        with contextlib.suppress(OSError):
            return tempfile.TemporaryFile(dir=folder)
    return tempfile.TemporaryFile()


def group_texts(groups: Iterable[Group]) -> Iterator[bytes]:
    """The JSON of each group, as `group_text` lays it out. Spilled groups are copied."""
    if isinstance(groups, FiledGroups) and groups.own_layout:
        yield from (groups.text(number) for number in range(len(groups)))
        return
    for group in groups:
        yield group_text(group).encode()


def _read(descriptor: int, offset: int, length: int) -> bytes:
    """``length`` bytes, or fewer where the file ends."""
    text = os.pread(descriptor, length, offset)
    while len(text) < length and (more := os.pread(descriptor, length - len(text), offset + len(text))):
        text += more
    return text
