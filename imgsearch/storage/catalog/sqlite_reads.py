"""Catalog reads of a search, in plain SQL on SQLite's own driver: importing SQLAlchemy takes a third of the time of a
fresh search, and these few reads do not need it. `imgsearch.storage.catalog.orm_reads` holds the rest.

Every function takes an open connection of the driver, and none holds more than a page of rows.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from imgsearch.records import FILE_SOURCES, ImageRecord, Int64, MediaFacts, ModelId, Root
from imgsearch.storage.catalog.dialects import SqlConnection
from imgsearch.storage.vectors.segments import SegmentInfo

PAGE_ROWS = 8192
_CHUNK = 900  # bound parameters a statement; old SQLite builds stop at 999
T = TypeVar("T")

_LIBRARY = """SELECT format_version, created_at, vector_dtype, generation,
    model_name, model_fingerprint, model_recipe, model_dtype, query_tokens, dims FROM library"""
_SEGMENTS = """SELECT file_name, segments.first_slot, max(batches.first_slot + batches."count"), scale
    FROM segments JOIN batches USING (segment_id) WHERE beside = ?
    GROUP BY segments.segment_id ORDER BY segments.first_slot"""
_SLOTS = "SELECT slot, image_id FROM {table} ORDER BY slot"
_IMAGES = """SELECT image_id, slot, taken_at, taken_source, content_hash, perceptual_hash, width, height, format,
    size_bytes, taken_at, camera, latitude, longitude, orientation, taken_source, place_source, rating, rating_source,
    orientation_source FROM images"""
_PLACES = """SELECT image_id, root_id, files.relative_path FROM files JOIN roots USING (root_id)
    WHERE image_id IN ({marks}) ORDER BY offline, root_id, files.relative_path"""

_AFTER_HASHES = [field.name for field in fields(MediaFacts)][2:]
_TAKEN_AT, _TAKEN_SOURCE = (_AFTER_HASHES.index(name) for name in ("taken_at", "taken_source"))


@dataclass(frozen=True, slots=True)
class LibraryRow:
    """The one row of ``library``."""

    format_version: int
    created_at: str
    vector_dtype: str
    generation: int
    model: ModelId


def chunks(values: Iterable[T], size: int = _CHUNK) -> Iterator[list[T]]:
    """Lists of at most ``size``, in order."""
    iterator = iter(values)
    while chunk := list(itertools.islice(iterator, size)):
        yield chunk


def conditions_at(places: Iterable[tuple[int, bytes]]) -> Iterator[tuple[str, list[Any]]]:
    """Conditions on ``files`` and their values, which together ask for these places (root, path). A root at a time:
    SQLite finds no pairs of a list in its index, (a, b) IN (VALUES ...) reads the whole table."""
    by_root: dict[int, list[bytes]] = {}
    for root_id, path in places:
        by_root.setdefault(root_id, []).append(path)
    for root_id, paths in by_root.items():
        for chunk in chunks(paths):
            yield f"root_id = ? AND relative_path IN ({marks(chunk)})", [root_id, *chunk]


def revision(connection: SqlConnection) -> str | None:
    """The schema's revision; None for a catalog whose creation never finished."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone():
        return None
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return None if row is None else str(row[0])


def library_row(connection: SqlConnection) -> LibraryRow | None:
    """The one row of ``library``; None before the library's creation is finished."""
    row = connection.execute(_LIBRARY).fetchone()
    if row is None:
        return None
    version, created_at, vector_dtype, number, *model = row
    return LibraryRow(version, created_at, vector_dtype, number, ModelId(*model))


def generation(connection: SqlConnection) -> int:
    """Grows with every commit that can change a search."""
    return int(connection.execute("SELECT generation FROM library").fetchone()[0])


def calibration(connection: SqlConnection) -> str | None:
    """The JSON of the library's own calibration, if it has one."""
    row = connection.execute("SELECT data FROM calibration").fetchone()
    return None if row is None else str(row[0])


def segment_rows(connection: SqlConnection, beside: bool = False) -> list[SegmentInfo]:
    """Every segment of the library's own vectors, or of those beside them, with its committed slots, ascending."""
    rows = connection.execute(_SEGMENTS, (int(beside),))
    return [SegmentInfo(name, first, int(stop) - first, scale) for name, first, stop, scale in rows]


def live_rows(connection: SqlConnection, beside: bool = False) -> tuple[Int64, Int64]:
    """(slots ascending, image ids) of every image that a file holds; 0.6 s a million. Of vectors ``beside`` the
    library's own, those that are made."""
    cursor = connection.execute(_SLOTS.format(table="beside_slots" if beside else "images"))
    pages = [np.empty((0, 2), np.int64)]
    while rows := cursor.fetchmany(65_536):
        pages.append(np.array(rows, dtype=np.int64))
    table = np.concatenate(pages)  # [N, 2]
    gone = np.fromiter((row[0] for row in connection.execute("SELECT image_id FROM deletions")), np.int64)
    if len(gone):
        table = table[~np.isin(table[:, 1], gone)]
    return table[:, 0].copy(), table[:, 1].copy()


def dead_slots(connection: SqlConnection, beside: bool = False) -> Int64:
    """Slots, ascending, of images that no file holds now; a new file brings them back until a compaction."""
    table = "beside_slots" if beside else "images"
    rows = connection.execute(f"SELECT slot FROM deletions JOIN {table} USING (image_id) ORDER BY slot")
    return np.fromiter((row[0] for row in rows), np.int64)


def images_by_id(connection: SqlConnection, image_ids: Iterable[int]) -> dict[int, ImageRecord]:
    """Records by image id; unknown ids are absent."""
    found: dict[int, ImageRecord] = {}
    for chunk in chunks(int(i) for i in image_ids):
        rows = connection.execute(f"{_IMAGES} WHERE image_id IN ({marks(chunk)})", chunk)
        found |= {row[0]: _image_record(row) for row in rows}
    return found


def images_after(connection: SqlConnection, image_id: int) -> list[ImageRecord]:
    """The next page of live images by id."""
    live = "image_id NOT IN (SELECT image_id FROM deletions)"
    rows = connection.execute(
        f"{_IMAGES} WHERE image_id > ? AND {live} ORDER BY image_id LIMIT ?", (image_id, PAGE_ROWS)
    )
    return [_image_record(row) for row in rows]


def places_of(connection: SqlConnection, image_ids: Iterable[int]) -> Iterator[tuple[int, int, str]]:
    """(image id, root id, relative path) of every file of these images; the best file of an image first."""
    for chunk in chunks(int(i) for i in image_ids):
        for image_id, root_id, path in connection.execute(_PLACES.format(marks=marks(chunk)), chunk):
            yield image_id, root_id, os.fsdecode(path)


def resolved_roots(connection: SqlConnection, folder: Path) -> list[Root]:
    """Every root at its present place: at its absolute path; if nothing is there, at its path relative to the
    library's folder, if something is there (the library was moved together with its images)."""
    rows = connection.execute("SELECT root_id, path, relative_path, offline FROM roots ORDER BY root_id")
    return [Root(root_id, _root_path(path, relative, folder), bool(off)) for root_id, path, relative, off in rows]


def marks(values: Sequence[Any]) -> str:
    """As many question marks, for an IN (...)."""
    return ", ".join("?" * len(values))


def _image_record(row: Sequence[Any]) -> ImageRecord:
    image_id, slot, dated_at, dated_source, content_hash, perceptual_hash, *rest = row
    if dated_source in FILE_SOURCES:  # not a date of the content's own
        rest[_TAKEN_AT] = rest[_TAKEN_SOURCE] = None
    facts = MediaFacts(content_hash.hex(), perceptual_hash & (2**64 - 1), *rest)
    return ImageRecord(image_id, slot, facts, dated_at, dated_source or ("exif" if dated_at else None))


def _root_path(path: bytes, relative_path: bytes, folder: Path) -> Path:
    absolute = Path(os.fsdecode(path))
    if absolute.exists():
        return absolute
    moved = Path(os.path.normpath(folder / os.fsdecode(relative_path)))
    return moved if moved.exists() else absolute
