"""Two compact tables of a scan: the files of the catalog (25 bytes each), and the files to be read (about 100 each)."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imgsearch.media.facts.names import date_of_file
from imgsearch.media.walking.walk import FileEntry
from imgsearch.records import Int64
from imgsearch.storage import FilePlace, FileState


class PendingFile(NamedTuple):
    """A file to be read: it is new, or has a row (``changed``) from which it differs in size or time, unless it is read
    only to compare the content (``recheck``)."""

    root_id: int
    path: str
    relative_path: str
    size_bytes: int
    mtime_ns: int
    changed: bool
    recheck: bool = False


class PendingFiles:
    """An append-only list of the pending files under one root."""

    def __init__(self, root_id: int, folder: str) -> None:
        self._root_id = root_id
        self._folder = folder
        self._names = bytearray()
        self._ends = array("q", [0])
        self._sizes = array("q")
        self._times = array("q")
        self._marks = bytearray()  # 1: changed, 2: recheck

    def __len__(self) -> int:
        return len(self._sizes)

    @property
    def sizes(self) -> Int64:
        """Sizes in bytes, int64 [N]."""
        return np.array(self._sizes, dtype=np.int64)

    def counts(self) -> tuple[int, int, int]:
        """(new, changed, read only to compare the content)."""
        rechecked = sum(self._marks.count(mark) for mark in (2, 3))
        return self._marks.count(0), self._marks.count(1), rechecked

    def append(
        self, relative_path: str, size_bytes: int, mtime_ns: int, *, changed: bool, recheck: bool = False
    ) -> None:
        self._names += os.fsencode(relative_path)
        self._ends.append(len(self._names))
        self._sizes.append(size_bytes)
        self._times.append(mtime_ns)
        self._marks.append(changed + 2 * recheck)

    def at(self, index: int) -> PendingFile:
        relative = os.fsdecode(bytes(self._names[self._ends[index] : self._ends[index + 1]]))
        path = os.path.join(self._folder, relative) if relative else self._folder  # noqa: PTH118
        return PendingFile(
            self._root_id,
            path,
            relative,
            self._sizes[index],
            self._times[index],
            bool(self._marks[index] & 1),
            bool(self._marks[index] & 2),
        )


class KnownFiles:
    """The catalog's files of one target, compared with a walk a chunk at a time.

    Paths are kept as 64-bit hashes: that two of a million files collide has a probability of 3e-8, and would
    matter only if size and time agreed too.
    """

    def __init__(self, states: Iterable[FileState]) -> None:
        keys, sizes, times = array("q"), array("q"), array("q")
        for state in states:
            keys.append(hash(state.relative_path))
            sizes.append(state.size_bytes)
            times.append(state.mtime_ns)
        order = np.argsort(np.array(keys, dtype=np.int64), kind="stable")
        self._keys: Int64 = np.array(keys, dtype=np.int64)[order]
        self._sizes: Int64 = np.array(sizes, dtype=np.int64)[order]
        self._times: Int64 = np.array(times, dtype=np.int64)[order]
        self._met = np.zeros(len(order), dtype=np.bool_)

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def met(self) -> int:
        """The number of files that the walk has met, changed or not."""
        return int(self._met.sum())

    def compare(
        self, paths: Sequence[str], entries: Sequence[FileEntry]
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """(known, unchanged), bool [N] each, for a chunk of walked files; they count as met from now on."""
        count = len(paths)
        if not len(self._keys):
            return np.zeros(count, np.bool_), np.zeros(count, np.bool_)
        wanted = np.fromiter(map(hash, paths), np.int64, count)
        at = np.searchsorted(self._keys, wanted)
        at[at == len(self._keys)] = 0
        known = self._keys[at] == wanted
        sizes = np.fromiter((entry.size_bytes for entry in entries), np.int64, count)
        try:
            times = np.fromiter((entry.mtime_ns for entry in entries), np.int64, count)
        except OverflowError:
            times = np.fromiter((clamp(entry.mtime_ns) for entry in entries), np.int64, count)
        self._met[at[known]] = True
        return known, known & (self._sizes[at] == sizes) & (self._times[at] == times)

    def unmet(self, states: Iterable[FileState]) -> Iterator[FileState]:
        """Those of ``states`` (the same listing again) that the walk has not met."""
        for state in states:
            at = int(np.searchsorted(self._keys, hash(state.relative_path)))
            if at < len(self._keys) and not self._met[at]:
                yield state


def clamp(mtime_ns: int) -> int:
    """The nearest time that the catalog can hold: some file systems give times of the year 30,000,000,000."""
    return max(-(2**63), min(mtime_ns, 2**63 - 1))


def place_of(file: PendingFile, size_bytes: int, mtime_ns: int) -> FilePlace:
    """The place of a content, with the date from the file's name or its time."""
    date = date_of_file(os.path.basename(file.path), mtime_ns)  # noqa: PTH119
    return FilePlace(file.root_id, file.relative_path, size_bytes, clamp(mtime_ns), *date)
