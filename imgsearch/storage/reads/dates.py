"""When each image of a library was taken, for orders over all of it."""

from __future__ import annotations

import numpy as np

from imgsearch.records import Int64
from imgsearch.storage.store import Store

_DATED = """SELECT image_id FROM images
    WHERE taken_at IS NOT NULL AND (taken_source IS NULL OR taken_source <> 'file')
    ORDER BY taken_at, image_id"""


def dated_ids(store: Store) -> Int64:
    """Ids of the images that say when they were taken, the oldest first. The time of a file is no shot's. A scan and a
    sort in the catalog: 1 s for a million images."""
    with store.catalog.look() as connection:
        rows = connection.execute(_DATED).fetchall()
    return np.array([row[0] for row in rows], np.int64)
