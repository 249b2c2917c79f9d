"""Where the images of a library were taken, for a map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from imgsearch.records import Filters, Float64, Int64
from imgsearch.storage.columns.current import ColumnsAtHand
from imgsearch.storage.store import Store

_PLACES = """SELECT image_id, latitude, longitude FROM images
    WHERE latitude IS NOT NULL AND longitude IS NOT NULL AND image_id NOT IN (SELECT image_id FROM deletions)
    ORDER BY image_id"""


_COLLECTED = (
    "SELECT mark, count(*), max(made_at) FROM image_marks GROUP BY mark ORDER BY mark",
    "SELECT album_id, count(*), max(added_at) FROM album_images GROUP BY album_id ORDER BY album_id",
    "SELECT album_id, name_key, removed_at FROM albums ORDER BY album_id",
)


@dataclass(frozen=True, slots=True)
class Placed:
    """Images whose place is known: int64 [n] ids, float64 [n] degrees north and east, each id once. ``unplaced``: how
    many of those that were asked for say nothing of their place."""

    image_ids: Int64
    latitude: Float64
    longitude: Float64
    unplaced: int

    def __len__(self) -> int:
        return len(self.image_ids)

    def among(self, image_ids: Int64) -> Placed:
        """Those of ``image_ids``."""
        wanted = np.unique(image_ids)
        inside = np.isin(self.image_ids, wanted)
        return Placed(
            self.image_ids[inside],
            self.latitude[inside],
            self.longitude[inside],
            len(wanted) - int(np.count_nonzero(inside)),
        )


def collected_stamp(store: Store) -> int:
    """A number that changes with people's albums and marks, which are no commits: for what is kept of an answer."""
    with store.catalog.look() as connection:
        return hash(tuple(tuple(map(tuple, connection.execute(one).fetchall())) for one in _COLLECTED))


def read_places(store: Store, filters: Filters | None = None) -> Placed:
    """The places of the images that the filters leave. A million with columns (`imgsearch.storage.columns`): 30 ms, and
    what the filters take; without, a scan of the catalog, 1.5 s."""
    wanted = store.shown(filters or Filters())
    found = store.by_columns(lambda at_hand: _by_columns(at_hand, wanted))
    return _by_catalog(store, wanted) if found is None else found


def _by_columns(at_hand: ColumnsAtHand, filters: Filters) -> Placed:
    current = at_hand.current
    mask = at_hand.matching(filters)
    north, east = (np.concatenate([part.get(name) for part in current.parts]) for name in ("latitude", "longitude"))
    placed = mask & ~(np.isnan(north) | np.isnan(east))
    rows = np.flatnonzero(placed)
    return Placed(current.image_ids[rows], north[rows], east[rows], int(np.count_nonzero(mask)) - len(rows))


def _by_catalog(store: Store, filters: Filters) -> Placed:
    with store.catalog.look() as connection:
        rows = connection.execute(_PLACES).fetchall()
    table = np.array(rows, np.float64).reshape(-1, 3)
    placed = Placed(np.array([row[0] for row in rows], np.int64), table[:, 1].copy(), table[:, 2].copy(), 0)
    return placed.among(store.matching_images(filters))
