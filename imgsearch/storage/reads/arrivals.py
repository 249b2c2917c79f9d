"""Which images came after a page was made. Ids only grow, so that the newest one stands for what a page knows."""

from __future__ import annotations

import numpy as np

from imgsearch.records import Filters
from imgsearch.storage.store import Store

_NEWEST = "SELECT coalesce(max(image_id), 0) FROM images"
_LATER = "SELECT count(*) FROM images WHERE image_id > ? AND image_id NOT IN (SELECT image_id FROM deletions)"


def newest_image_id(store: Store) -> int:
    """The id of the image that came last, 0 for none; one look at an index."""
    with store.catalog.look() as connection:
        return int(connection.execute(_NEWEST).fetchone()[0])


def count_later(store: Store, since: int, filters: Filters) -> int:
    """How many images with ids above ``since`` the filters leave, hidden ones apart. Without filters a count of the new
    rows, else what `Store.matching_images` takes."""
    filters = store.shown(filters)
    if filters:
        return int(np.count_nonzero(store.matching_images(filters) > since))
    with store.catalog.look() as connection:
        return int(connection.execute(_LATER, (since,)).fetchone()[0])
