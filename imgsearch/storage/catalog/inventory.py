"""Catalog reads for dedup: every image as a few numbers, signatures, and every file of some images. Plain SQL
(sqlite_reads.py says why)."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imgsearch.records import SIGNATURE_BYTES, SIGNATURE_RECIPE, Int64, MediaFacts, UInt8
from imgsearch.storage.catalog import sqlite_reads as lookups
from imgsearch.storage.catalog.dialects import SqlConnection

_IMAGES = """SELECT image_id, slot, perceptual_hash, width, height FROM images
    WHERE image_id NOT IN (SELECT image_id FROM deletions) ORDER BY image_id"""
_SEVERAL = """SELECT image_id FROM files WHERE image_id > ? GROUP BY image_id HAVING count(*) > 1
    ORDER BY image_id LIMIT ?"""
_SIGNATURES = "SELECT image_id, data FROM signatures WHERE recipe = ? AND image_id IN ({marks})"
_SIGNED = "SELECT image_id FROM signatures WHERE recipe = ? AND image_id IN ({marks})"
_CONTENT = """SELECT image_id FROM images WHERE content_hash = ?
    AND image_id NOT IN (SELECT image_id FROM deletions)"""
_FILES = """SELECT image_id, root_id, files.relative_path, files.size_bytes, files.mtime_ns, offline
    FROM files JOIN roots USING (root_id) WHERE image_id IN ({marks})
    ORDER BY offline, root_id, files.relative_path"""
_PAGE_ROWS = 65_536


@dataclass(frozen=True, slots=True)
class Inventory:
    """Every image that a file holds, by ascending image id; 40 bytes an image. Sizes in pixels, upright."""

    image_ids: Int64  # [N]
    slots: Int64  # [N]
    perceptual_hashes: NDArray[np.uint64]  # [N]
    widths: Int64  # [N]
    heights: Int64  # [N]

    def __len__(self) -> int:
        return len(self.image_ids)

    def take(self, rows: Int64) -> Inventory:
        """Some of its rows, ascending."""
        hashes = self.perceptual_hashes[rows]
        return Inventory(self.image_ids[rows], self.slots[rows], hashes, self.widths[rows], self.heights[rows])

    def rows(self, image_ids: Int64) -> Int64:
        """The positions of these image ids, int64 [n]; -1 for an id that is not here."""
        at = np.searchsorted(self.image_ids, image_ids)
        at[at == len(self)] = 0
        if not len(self):
            return np.full(len(image_ids), -1, np.int64)
        return np.where(self.image_ids[at] == image_ids, at, -1).astype(np.int64)


@dataclass(frozen=True, slots=True)
class HeldFile:
    """One file that holds an image, as indexed. ``offline``: its root cannot be reached."""

    path: str  # absolute; bytes that are not UTF-8 as lone surrogates
    root_id: int
    image_id: int
    size_bytes: int
    mtime_ns: int
    offline: bool
    facts: MediaFacts  # of its content


def read_inventory(connection: SqlConnection) -> Inventory:
    """All live images; 2 s and 40 MB a million."""
    cursor = connection.execute(_IMAGES)
    pages = [np.empty((5, 0), np.int64)]
    while rows := cursor.fetchmany(_PAGE_ROWS):
        pages.append(np.ascontiguousarray(np.array(rows, dtype=np.int64).T))
    ids, slots, hashes, widths, heights = np.concatenate(pages, axis=1)  # [5, N]
    return Inventory(ids, slots, hashes.view(np.uint64), widths, heights)


def read_signatures(connection: SqlConnection, image_ids: Int64) -> tuple[NDArray[np.bool_], UInt8]:
    """(found bool [n], signatures uint8 [n, 1536]) in the order of ``image_ids``; zeros if none of this program's
    recipe is kept. 1.5 KB an image: request a block at a time. 3 us each."""
    wanted, place = np.unique(np.asarray(image_ids, dtype=np.int64), return_inverse=True)  # neighbours on disk in a row
    found = np.zeros(len(wanted), np.bool_)
    signatures = np.zeros((len(wanted), SIGNATURE_BYTES), np.uint8)
    for chunk in lookups.chunks(wanted.tolist()):
        statement = _SIGNATURES.format(marks=lookups.marks(chunk))
        rows = connection.execute(statement, (SIGNATURE_RECIPE, *chunk)).fetchall()
        at = np.searchsorted(wanted, [image_id for image_id, _ in rows])
        found[at] = True
        signatures[at] = np.frombuffer(b"".join(data for _, data in rows), np.uint8).reshape(-1, SIGNATURE_BYTES)
    if np.array_equal(place, np.arange(len(wanted))):
        return found, signatures
    return found[place], signatures[place]


def read_unsigned(connection: SqlConnection, image_ids: Int64) -> Int64:
    """Those of ``image_ids`` that have no signature of this program's recipe, ascending; 3 us each."""
    wanted = np.unique(np.asarray(image_ids, dtype=np.int64))
    signed: list[int] = []
    for chunk in lookups.chunks(wanted.tolist()):
        rows = connection.execute(_SIGNED.format(marks=lookups.marks(chunk)), (SIGNATURE_RECIPE, *chunk))
        signed += [row[0] for row in rows]
    return np.setdiff1d(wanted, np.array(signed, np.int64), assume_unique=True)


def read_image_of(connection: SqlConnection, content_hash: str) -> int | None:
    """The live image of that content (sha256, hex); None if the library does not hold it."""
    row = connection.execute(_CONTENT, (bytes.fromhex(content_hash),)).fetchone()
    return None if row is None else int(row[0])


def read_files(connection: SqlConnection, folder: Path, image_ids: Iterable[int]) -> dict[int, list[HeldFile]]:
    """Every file of these images, the best of each image first (online, by root id, by path); images without a file are
    absent. ``folder`` is the library's. 30 us a file."""
    folders = {root.root_id: str(root.path) for root in lookups.resolved_roots(connection, folder)}
    found: dict[int, list[HeldFile]] = {}
    for chunk in lookups.chunks(int(i) for i in image_ids):
        records = lookups.images_by_id(connection, chunk)
        for image_id, root_id, relative, *place in connection.execute(_FILES.format(marks=lookups.marks(chunk)), chunk):
            size_bytes, mtime_ns, offline = place
            path = _join(folders[root_id], os.fsdecode(relative))
            facts = records[image_id].facts
            found.setdefault(image_id, []).append(
                HeldFile(path, root_id, image_id, size_bytes, mtime_ns, bool(offline), facts)
            )
    return found


def several_files_after(connection: SqlConnection, image_id: int) -> list[int]:
    """The next page of ids, ascending, of images that more than one file holds."""
    return [int(row[0]) for row in connection.execute(_SEVERAL, (image_id, lookups.PAGE_ROWS))]


def _join(folder: str, relative: str) -> str:
    return os.path.join(folder, relative) if relative else folder  # noqa: PTH118  Path costs ten times as much
