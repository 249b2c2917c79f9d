"""A library's columns as of its present commit: the file, and what changed since, read from the catalog."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from imgsearch.errors import LibraryError, SegmentDamaged
from imgsearch.records import Filters, Int64, Root
from imgsearch.storage.catalog import sqlite_reads as lookups
from imgsearch.storage.catalog.dialects import SqlConnection
from imgsearch.storage.columns.changes import ColumnsRow, changed_since, columns_row
from imgsearch.storage.columns.conditions import CatalogIds, Mask, matching
from imgsearch.storage.columns.file import ArrayFile
from imgsearch.storage.columns.tables import Columns, read_columns

T = TypeVar("T")
MOST_CHANGES = 50_000
"""Images, changed and new ones each, that are read anew after a commit: 10 us an image. With more of them the catalog
itself is asked, and the next `imgsearch index` or `build` makes new columns."""


@dataclass(frozen=True)
class CurrentColumns:
    """All live images at one commit: those in the file that did not change since (``kept`` bool [N]), and ``added``,
    the changed and the new ones. Rows are numbered through both, N + M. Immutable; safe between threads."""

    generation: int
    base: Columns
    kept: NDArray[np.bool_]
    added: Columns

    @cached_property
    def image_ids(self) -> Int64:
        """int64 [N + M]: the id of each row. Not ascending where older images changed."""
        return np.concatenate([self.base.image_ids, self.added.image_ids])

    @property
    def parts(self) -> tuple[Columns, Columns]:
        """Those of the file, and those read since."""
        return self.base, self.added

    def ids_of(self, rows: Mask) -> Int64:
        """int64 [n], ascending: the ids of the rows of a mask."""
        ids = self.image_ids[rows]
        ids.sort(kind="stable")  # nearly sorted: 2 ms a million
        return ids

    @cached_property
    def dated(self) -> NDArray[np.int32]:
        """int32: the rows of dated images by date, then by id. 20 ms a million, once a commit."""
        ordered = self.base.get("ordered")
        if len(self.added.image_ids) or not self.kept.all():
            inside = self.kept[ordered]
            ordered = ordered[inside]
        late = self.added.get("ordered")
        if not len(late):
            return ordered
        taken = self.base.get("taken")[inside]
        dates = self.added.get("taken")
        places = np.searchsorted(taken, dates)
        for at in range(len(late)):  # among images of one date the id decides
            stop = int(np.searchsorted(taken, dates[at], side="right"))
            if stop > places[at]:
                ids = self.base.image_ids[ordered[places[at] : stop]]
                places[at] += int(np.searchsorted(ids, self.added.image_ids[late[at]]))
        return np.insert(ordered, places, late + np.int32(len(self.kept)))

    @cached_property
    def undated(self) -> NDArray[np.int32]:
        """int32: the rows of all other images, by id."""
        open_rows = np.concatenate([self.kept, np.ones(len(self.added.image_ids), np.bool_)])
        open_rows[self.dated] = False
        rows = np.flatnonzero(open_rows).astype(np.int32)
        order = np.argsort(self.image_ids[rows], kind="stable")
        return rows[order]


@dataclass(frozen=True)
class ColumnsAtHand:
    """A library's columns, and the transaction that reads the same commit for what no column covers."""

    current: CurrentColumns
    connection: SqlConnection
    roots: Sequence[Root]

    @cached_property
    def asked(self) -> CatalogIds:
        """What the catalog itself was asked meanwhile."""
        return CatalogIds(self.connection, self.roots)

    def matching(self, filters: Filters) -> Mask:
        """bool [N + M]: the rows of ``current`` that the filters leave."""
        inside = matching(self.current.base, filters, self.asked)
        inside &= self.current.kept
        return np.concatenate([inside, matching(self.current.added, filters, self.asked)])


class ColumnReader:
    """Keeps a library's columns open, and up to date when they are asked for. Safe between threads."""

    def __init__(self, folder: Path) -> None:
        """``folder`` holds the file that the catalog names."""
        self._folder = folder
        self._lock = threading.Lock()
        self._current: CurrentColumns | None = None
        self._opened: tuple[ColumnsRow, Columns] | None = None
        self._useless: object = None  # the row, or the generation, for which there are no columns

    def answer(self, connection: SqlConnection, roots: Sequence[Root], work: Callable[[ColumnsAtHand], T]) -> T | None:
        """What ``work`` makes of the columns at the commit that ``connection``, in a transaction, reads; None where
        there are none, see `current`, or where they turn out to be damaged."""
        current = self.current(connection)
        if current is None:
            return None
        try:
            return work(ColumnsAtHand(current, connection, roots))
        except SegmentDamaged:
            self._forget(current)
            return None

    def current(self, connection: SqlConnection) -> CurrentColumns | None:
        """The columns at the commit that ``connection``, in a transaction, reads. None if the library has none, if too
        much changed since, or if their file is gone, damaged or of another version: then the catalog has to be asked.
        After a commit 10 us for each image that changed, else nothing."""
        row = columns_row(connection)
        if row is None:
            return None
        generation = lookups.generation(connection)
        with self._lock:
            if (row, generation) == self._useless:
                return None
            if self._current is None or (self._current.generation, self._row) != (generation, row):
                self._current = None  # of two commits only one is held
                self._current = self._brought_up(connection, row, generation)
                if self._current is None:
                    self._useless = (row, generation)
            return self._current

    def _forget(self, damaged: CurrentColumns) -> None:
        """The catalog is asked until there are new ones, or at least a new commit."""
        with self._lock:
            if self._current is damaged:
                self._useless = (self._row, damaged.generation)
                self._current = self._opened = None

    @property
    def _row(self) -> ColumnsRow | None:
        return None if self._opened is None else self._opened[0]

    def _brought_up(self, connection: SqlConnection, row: ColumnsRow, generation: int) -> CurrentColumns | None:
        changes = changed_since(connection, row, MOST_CHANGES)
        if changes is None:
            return None
        try:
            if self._row != row:
                self._opened = row, _opened(self._folder, row)
            assert self._opened is not None
            base = self._opened[1]
            kept = np.ones(len(base.image_ids), np.bool_)
            kept[base.rows_of(changes[0])] = False
        except LibraryError:
            self._opened = None
            return None
        arrays = read_columns(connection, np.concatenate(changes))
        return CurrentColumns(generation, base, kept, Columns(arrays.__getitem__))


def _opened(folder: Path, row: ColumnsRow) -> Columns:
    file = ArrayFile(folder / row.file_name, row.checksum)
    return Columns(file.get)
