"""Reads of a library for its pages: an image with its places, failures, recent events. Plain SQL (sqlite_reads.py says
why); nothing here grows with the library except the failures, which come by the page."""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from imgsearch.records import Event, ImageRecord, Word
from imgsearch.storage.catalog import sqlite_reads as lookups
from imgsearch.storage.catalog.facts import words_of_images
from imgsearch.storage.store import Store, place_path

_PLACES = """SELECT root_id, files.relative_path, files.size_bytes, files.mtime_ns, offline
    FROM files JOIN roots USING (root_id) WHERE image_id = ? ORDER BY offline, root_id, files.relative_path"""
_FAILURES = """SELECT root_id, relative_path, stage, reason, transient, size_bytes, failed_at FROM failures
    WHERE (root_id, relative_path) > (?, ?) ORDER BY root_id, relative_path LIMIT ?"""
_EVENTS = "SELECT event_id, at, kind, data FROM events WHERE event_id > ? ORDER BY event_id LIMIT ?"

BEGINNING = (-1, b"")
"""The key before every failure."""


@dataclass(frozen=True, slots=True)
class ImagePlace:
    """One file of an image, as indexed. ``offline``: its root cannot be reached."""

    root_id: int
    root: Path
    path: Path
    size_bytes: int
    mtime_ns: int
    offline: bool


@dataclass(frozen=True, slots=True)
class ImageDetails:
    """An image of the library and every place that holds it, the best first."""

    record: ImageRecord
    places: tuple[ImagePlace, ...]
    words: tuple[Word, ...] = ()  # that people wrote about it


@dataclass(frozen=True, slots=True)
class FailedPlace:
    """One file that could not be indexed. The next page begins after its ``key``."""

    path: Path
    stage: str
    reason: str
    transient: bool
    size_bytes: int
    failed_at: str  # ISO 8601, UTC
    key: tuple[int, bytes]


def read_picture(store: Store, image_id: int) -> ImageDetails | None:
    """The image of that id; None if the library does not have it or no file of it is left."""
    with store.catalog.look() as connection:
        record = lookups.images_by_id(connection, [image_id]).get(image_id)
        rows = connection.execute(_PLACES, (image_id,)).fetchall()
        if record is None or not rows:
            return None
        folders = {root.root_id: root.path for root in lookups.resolved_roots(connection, store.path)}
        words = words_of_images(connection, [image_id]).get(image_id, ())
    places = [
        ImagePlace(
            root_id, folders[root_id], place_path(folders[root_id], os.fsdecode(path)), size, mtime_ns, bool(offline)
        )
        for root_id, path, size, mtime_ns, offline in rows
    ]
    return ImageDetails(record, tuple(places), words)


def read_failures(store: Store, limit: int, after: tuple[int, bytes] = BEGINNING) -> list[FailedPlace]:
    """The next ``limit`` files that could not be indexed, by root and path; see `FailedPlace.key`."""
    with store.catalog.look() as connection:
        rows = connection.execute(_FAILURES, (*after, limit)).fetchall()
        folders = {root.root_id: root.path for root in lookups.resolved_roots(connection, store.path)}
    return [
        FailedPlace(
            place_path(folders[root_id], os.fsdecode(path)), stage, reason, bool(transient), size, at, (root_id, path)
        )
        for root_id, path, stage, reason, transient, size, at in rows
    ]


def read_events(store: Store, after_id: int = 0, limit: int = 1000) -> list[Event]:
    """The next events behind ``after_id``, oldest first."""
    with store.catalog.look() as connection:
        rows = connection.execute(_EVENTS, (after_id, limit)).fetchall()
    return [Event(event_id, at, kind, json.loads(data)) for event_id, at, kind, data in rows]


def newest_event_id(store: Store) -> int:
    """The id after which new events will come; 0 if there is none yet."""
    with store.catalog.look() as connection:
        return int(connection.execute("SELECT coalesce(max(event_id), 0) FROM events").fetchone()[0])


def paths_of_contents(store: Store, contents: Collection[bytes]) -> dict[bytes, Path]:
    """The best file of each of these contents (sha256) that the library holds now."""
    ids = store.known_contents(content.hex() for content in contents)
    paths = store.paths(ids.values())
    return {bytes.fromhex(content): paths[image_id] for content, image_id in ids.items() if image_id in paths}
