"""Carries kept features from one library into another of the same model, byte for byte."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence

from imgsearch.files import write_whole
from imgsearch.records import ImageRecord
from imgsearch.storage.caches.features import KEEP_ALL, SUFFIX, FeatureStore
from imgsearch.storage.catalog import sqlite_reads as lookups
from imgsearch.storage.disk_errors import disk_errors
from imgsearch.storage.store import Store

_RECIPES = "SELECT image_id, decode_recipe FROM images WHERE image_id IN ({marks})"


def keeps_all_features(store: Store) -> bool:
    """Whether a library keeps the features of all pictures, as `index --features all` and jobs with --features do."""
    return (store.layout.features / KEEP_ALL).exists()


def kept_features(store: Store) -> tuple[int, int]:
    """How many files of features a library keeps, and their bytes; 5 us each."""
    count = size = 0
    for path in store.layout.features.glob(f"??/*{SUFFIX}"):
        with contextlib.suppress(OSError):
            size += path.stat().st_size
            count += 1
    return count, size


def keep_all_features(store: Store) -> None:
    """No later run thins the features of this library out."""
    FeatureStore(store.layout.features, store.model, None).keep_all(True)


def carry_features(source: Store, target: Store, records: Sequence[ImageRecord]) -> int:
    """Copy what ``source`` keeps of these images to ``target``, which holds their contents. Features that are there
    stay. Those of a picture that was decoded in another way than in ``target`` (turned by a sidecar, or read by an
    older program) would not fit its vectors and are left out, and so are damaged ones. Both libraries must be of one
    model. -> how many were copied. Raises StorageFull. A file's time of last use goes along."""
    theirs, ours = (FeatureStore(store.layout.features, target.model, None) for store in (source, target))
    held = [record for record in records if theirs.holds(record.facts.shown_key)]
    if not held:
        return 0
    here = target.known_contents(record.facts.content_hash for record in held)
    shown = target.images(here.values())
    made, there = _recipes(target, list(here.values())), _recipes(source, [record.image_id for record in held])
    carried = 0
    for record in held:
        image_id, key = here.get(record.facts.content_hash, 0), record.facts.shown_key
        fits = image_id in shown and shown[image_id].facts.shown_key == key
        if fits and made[image_id] == there[record.image_id] and not ours.holds(key):
            carried += _carry(theirs, ours, key)
    return carried


def _carry(theirs: FeatureStore, ours: FeatureStore, key: str) -> bool:
    content = theirs.peek(key)
    if content is None:
        return False
    path = ours.place(key)
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content, mode=0o600, durable=False)
    with contextlib.suppress(OSError):  # without it the oldest may stay and the newest go
        used = theirs.place(key).stat()
        os.utime(path, ns=(used.st_atime_ns, used.st_mtime_ns))
    return True


def _recipes(store: Store, ids: Sequence[int]) -> dict[int, int]:
    found: dict[int, int] = {}
    with store.catalog.look() as connection:
        for chunk in lookups.chunks(ids):
            found.update(connection.execute(_RECIPES.format(marks=lookups.marks(chunk)), chunk))
    return found
