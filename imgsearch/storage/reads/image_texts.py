"""What reading, searching and showing ask about the words that were read in a library's images."""

from __future__ import annotations

from collections.abc import Iterable

from imgsearch.storage.catalog.texts import image_texts
from imgsearch.storage.catalog.texts.image_texts import StoredText
from imgsearch.storage.store import Store


def read_texts(store: Store, image_ids: Iterable[int]) -> dict[int, StoredText]:
    """Image id -> what was read in it; images that were never read are absent."""
    with store.catalog.look() as connection:
        return image_texts.read_texts(connection, image_ids)


def read_unread(store: Store, fingerprint: str | None = None) -> list[int]:
    """See `image_texts.unread`. 0.2 s a million."""
    with store.catalog.look() as connection:
        return image_texts.unread(connection, fingerprint)


def read_text_matches(store: Store, expression: str, most: int) -> list[int]:
    """See `image_texts.text_matches`. 0.1 ms where a library has no words read."""
    with store.catalog.look() as connection:
        return image_texts.text_matches(connection, expression, most)
