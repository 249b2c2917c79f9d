"""What captioning, showing and exporting ask of a library's captions."""

from __future__ import annotations

from collections.abc import Iterable

from imgsearch.storage.catalog.texts import captions
from imgsearch.storage.catalog.texts.captions import StoredCaption
from imgsearch.storage.store import Store


def read_captions(store: Store, image_ids: Iterable[int]) -> dict[int, StoredCaption]:
    """Image id -> its caption; images without one are absent."""
    with store.catalog.look() as connection:
        return captions.read_captions(connection, image_ids)


def read_caption_matches(store: Store, expression: str, most: int) -> list[int]:
    """See `captions.caption_matches`. 0.1 ms where a library has no captions."""
    with store.catalog.look() as connection:
        return captions.caption_matches(connection, expression, most)


def read_uncaptioned(store: Store, like: StoredCaption | None = None) -> list[int]:
    """See `captions.uncaptioned`. 0.2 s a million."""
    with store.catalog.look() as connection:
        return captions.uncaptioned(connection, like)
