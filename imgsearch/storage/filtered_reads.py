"""Which images of an open library fit filters and are shown."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from imgsearch.records import Filters, Int64
from imgsearch.storage.catalog import sqlite_reads as lookups
from imgsearch.storage.catalog.collected import marks
from imgsearch.storage.catalog.dialects.contract import CatalogAccess
from imgsearch.storage.layout import LibraryLayout

if TYPE_CHECKING:
    from imgsearch.storage.columns.current import ColumnReader, ColumnsAtHand

T = TypeVar("T")


class FilteredReads:
    """The part of a `Store` that answers filters; from any thread."""

    layout: LibraryLayout
    catalog: CatalogAccess

    def matching_images(self, filters: Filters) -> Int64:
        """Ids, ascending, of the live images that match and are `shown`; see `filters.matching_image_ids`. By columns
        where the library has them: 5 to 15 ms for a million images, and a scan of the catalog without."""
        from imgsearch.storage.catalog.filters import matching_image_ids

        filters = self.shown(filters)
        found = self.by_columns(lambda at_hand: at_hand.current.ids_of(at_hand.matching(filters)))
        if found is None:
            with self.catalog.look() as connection:
                found = matching_image_ids(connection, filters, lookups.resolved_roots(connection, self.layout.folder))
        return found

    def shown(self, filters: Filters) -> Filters:
        """``filters`` without hidden images, unless they ask for these: what every list of images is made by."""
        with self.catalog.look() as connection:
            return marks.shown(connection, filters)

    def hidden_images(self) -> Int64:
        """Ids, ascending, of the images that people do not want to see."""
        with self.catalog.look() as connection:
            return np.array(marks.marked_ids(connection, marks.HIDDEN), np.int64)

    @cached_property
    def _columns(self) -> ColumnReader:
        from imgsearch.storage.columns.current import ColumnReader

        return ColumnReader(self.layout.snapshots)

    def by_columns(self, work: Callable[[ColumnsAtHand], T]) -> T | None:
        """What ``work`` makes of the library's columns as of its present commit; None where there are none that can be
        used: then the catalog has to be asked. See `imgsearch.storage.columns.current`."""
        with self.catalog.look() as connection:
            return self._columns.answer(connection, lookups.resolved_roots(connection, self.layout.folder), work)
