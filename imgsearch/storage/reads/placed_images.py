"""Images of a library together with their files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from imgsearch.records import ImageRecord
from imgsearch.storage.store import Store

_AT_ONCE = 1000


def placed_images(store: Store, image_ids: Sequence[int]) -> Iterator[tuple[ImageRecord, Sequence[Path]]]:
    """Those of ``image_ids`` that have a file, in order, each with its paths; looked up a thousand at a time."""
    for first in range(0, len(image_ids), _AT_ONCE):
        part = [int(image_id) for image_id in image_ids[first : first + _AT_ONCE]]
        records, paths = store.images(part), store.all_paths(part)
        for image_id in part:
            if image_id in records and image_id in paths:
                yield records[image_id], paths[image_id]
