"""Reads of a library for updating and showing facts. Plain SQL (sqlite_reads.py says why)."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from imgsearch.records import Int64, Word
from imgsearch.storage.catalog import facts, rereads
from imgsearch.storage.catalog import sqlite_reads as lookups
from imgsearch.storage.catalog.dialects import dialect_of
from imgsearch.storage.store import Store, place_path

# Files directly in a folder: their paths stand together in the index, between "a/" and "a0".
_IN_FOLDER = """SELECT relative_path, mtime_ns, sidecars, image_id FROM files WHERE root_id = ?
    AND relative_path >= ? AND relative_path < ? AND instr(substr(relative_path, ?), ?) = 0"""
_IN_ROOT = """SELECT relative_path, mtime_ns, sidecars, image_id FROM files WHERE root_id = ?
    AND instr(relative_path, ?) = 0"""
_OF_IMAGES = """SELECT root_id, relative_path, mtime_ns, sidecars, image_id FROM files WHERE image_id IN ({marks})"""


class PlacedFile(NamedTuple):
    """One file row; ``sidecars`` is the digest of those that it was read with, ``path`` its present place."""

    root_id: int
    relative_path: str
    mtime_ns: int
    sidecars: int
    image_id: int
    path: Path


def read_stale_images(store: Store) -> list[tuple[int, bool, bool]]:
    """See `facts.stale_images`."""
    with store.catalog.look() as connection:
        return facts.stale_images(connection)


def read_turned_images(store: Store) -> dict[int, int]:
    """See `rereads.turned_images`."""
    with store.catalog.look() as connection:
        return rereads.turned_images(connection)


def read_told_orientations(store: Store, image_ids: Iterable[int]) -> dict[int, int]:
    """See `rereads.told_orientations`."""
    with store.catalog.look() as connection:
        return rereads.told_orientations(connection, image_ids)


def read_files_in(store: Store, root_id: int, folder: str) -> list[PlacedFile]:
    """The files directly in a folder, by its path under the root ("" for the root itself, or a single-file root)."""
    with store.catalog.look() as connection:
        root = _folders(store)[root_id]
        if folder:
            start = os.fsencode(folder) + b"/"
            stop = start[:-1] + b"0"  # the byte behind "/"
            rows = connection.execute(_IN_FOLDER, (root_id, start, stop, len(start) + 1, b"/")).fetchall()
        else:
            rows = connection.execute(_IN_ROOT, (root_id, b"/")).fetchall()
    return [_placed(root, root_id, *row) for row in rows]


def read_folders_with_sidecars(store: Store, root_id: int) -> set[str]:
    """The folders, under the root, that contain files read with a sidecar."""
    with store.catalog.look() as connection:
        rows = connection.execute("SELECT relative_path FROM files WHERE sidecars <> 0 AND root_id = ?", (root_id,))
        return {os.path.dirname(os.fsdecode(row[0])) for row in rows}  # noqa: PTH120


def read_files_of(store: Store, image_ids: Iterable[int]) -> list[PlacedFile]:
    """Every file of these images."""
    folders = _folders(store)
    with store.catalog.look() as connection:
        rows = [
            row
            for chunk in lookups.chunks(image_ids)
            for row in connection.execute(_OF_IMAGES.format(marks=lookups.marks(chunk)), chunk)
        ]
    return [_placed(folders[root_id], root_id, *row) for root_id, *row in rows]


def read_words(store: Store, image_ids: Iterable[int]) -> dict[int, tuple[Word, ...]]:
    """The words that people wrote about these images; images without words are absent."""
    with store.catalog.look() as connection:
        return facts.words_of_images(connection, image_ids)


def read_word_matches(store: Store, expression: str, most: int) -> Int64:
    """Ids, ascending, of the newest images, at most ``most``, whose words match an FTS5 expression over tags and texts;
    a deleted one may be among them. 0.1 ms if a library has no words."""
    with store.catalog.look() as connection:
        found = dialect_of(connection).newest(connection, "word_search", expression, most)
    return np.array(found[::-1], np.int64)


def _folders(store: Store) -> dict[int, Path]:
    return {root.root_id: root.path for root in store.roots()}


def _placed(root: Path, root_id: int, path: bytes, mtime_ns: int, sidecars: int, image_id: int) -> PlacedFile:
    relative = os.fsdecode(path)
    return PlacedFile(root_id, relative, mtime_ns, sidecars, image_id, place_path(root, relative))
