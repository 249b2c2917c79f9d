"""Whose collection it is: the name it gets, and what its marker must agree with."""

from __future__ import annotations

import hashlib

import numpy as np

from imgsearch.errors import LibraryUnsupported
from imgsearch.index.qdrant.points import BLOCK_BITS, Marker, Points
from imgsearch.index.representatives import SIMILARITY
from imgsearch.records import Int64
from imgsearch.storage import Store, View
from imgsearch.storage.catalog.sqlite_reads import library_row
from imgsearch.storage.snapshots import model_key

RECIPE = f"representatives-{SIMILARITY}"
ANCHORS = 16
FRESH = "imgsearch build --qdrant --fresh makes it anew; the setting qdrant_collection names another one"


def identity_of(store: Store) -> str:
    """The same for as long as a library lives, wherever it lies."""
    with store.catalog.look() as connection:
        row = library_row(connection)
    made = "" if row is None else row.created_at
    return hashlib.sha256(f"{made}/{model_key(store.model)}".encode()).hexdigest()[:16]


def collection_of(store: Store, named: str) -> str:
    """``named``, or the name that a library's collection gets by itself."""
    return named or f"imgsearch-{identity_of(store)}"


def new_marker(store: Store) -> Marker:
    """The marker of a collection that holds nothing yet."""
    model = store.model
    whose = f"{model_key(model)}/{model.query_tokens}x{model.dims}"
    return Marker(identity_of(store), whose, RECIPE, block_bits=BLOCK_BITS)


def anchors_of(store: Store, view: View) -> tuple[tuple[int, int, str], ...]:
    """A few live images: the last ones, and some spread over the others. Copies of one library that went on apart
    differ in the last ones."""
    count = view.count
    places = np.unique(np.concatenate([np.arange(max(0, count - ANCHORS // 2), count), _spread(count, ANCHORS // 2)]))
    slots, ids = view.live_slots[places].tolist(), view.image_ids[places].tolist()
    records = store.images(ids)
    pairs = zip(slots, ids, strict=True)
    return tuple((slot, image, records[image].facts.content_hash) for slot, image in pairs if image in records)


def _spread(count: int, few: int) -> Int64:
    return np.unique(np.linspace(0, max(0, count - 1), min(few, count)).astype(np.int64))


def required_marker(store: Store, view: View, points: Points, payload: dict[str, object] | None) -> Marker:
    """The marker in ``payload``, if it is this library's as it is now. Raises LibraryUnsupported otherwise."""
    marker, own = Marker.of_payload(payload), new_marker(store)
    if marker is None:
        raise LibraryUnsupported(f"{points.name} was not made by imgsearch", FRESH)
    if marker.library != own.library or marker.model != own.model:
        raise LibraryUnsupported(f"{points.name} belongs to another library", FRESH)
    if marker.recipe != own.recipe:
        raise LibraryUnsupported(f"{points.name} was made by another version of imgsearch", FRESH)
    if marker.stop > view.slots or not _agrees(store, view, marker):
        raise LibraryUnsupported(
            f"{points.name} holds another state of this library: a copy or a backup of it was sent there", FRESH
        )
    return marker


def _agrees(store: Store, view: View, marker: Marker) -> bool:
    """Whether the anchors that the library still has are the same images in the same slots."""
    records = store.images([image for _, image, _ in marker.anchors])
    there = view.image_ids_of(np.array([slot for slot, _, _ in marker.anchors], np.int64)).tolist()
    return all(
        now in (-1, image) and (image not in records or records[image].facts.content_hash == content)
        for (_, image, content), now in zip(marker.anchors, there, strict=True)
    )
