"""What readers ask the catalog: rows become the records of imgsearch.records. Every function takes an open
connection, and none holds more than a page of rows."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from sqlalchemy import Connection, Row, bindparam, func, select, tuple_

from imgsearch.records import ImageRecord, Int64, MediaFacts, ModelId, Root
from imgsearch.storage.batch import BatchInfo, FailedFile, FileState
from imgsearch.storage.schema import batches, deletions, failures, files, images, library, roots, segments
from imgsearch.storage.segments import SegmentInfo

PAGE_ROWS = 8192
_CHUNK = 900  # bound parameters a statement; old SQLite builds stop at 999
T = TypeVar("T")

_BY_ID = select(images).where(images.c.image_id.in_(bindparam("keys", expanding=True)))
_BY_HASH = select(images.c.content_hash, images.c.image_id).where(
    images.c.content_hash.in_(bindparam("keys", expanding=True))
)
_STATE = (files.c.relative_path, files.c.size_bytes, files.c.mtime_ns, files.c.image_id)
_STATES_AT = select(*_STATE).where(
    files.c.root_id == bindparam("root_id"), files.c.relative_path.in_(bindparam("keys", expanding=True))
)
# A re-scan reads every file row: rows straight from the driver take a third of the time of SQLAlchemy's.
_STATES_AFTER = """SELECT relative_path, size_bytes, mtime_ns, image_id FROM files
    WHERE root_id = ? {beyond} ORDER BY relative_path LIMIT {limit}"""
_PLACES_OF = (
    select(files.c.image_id, files.c.root_id, files.c.relative_path)
    .join(roots, roots.c.root_id == files.c.root_id)
    .where(files.c.image_id.in_(bindparam("keys", expanding=True)))
    .order_by(roots.c.offline, files.c.root_id, files.c.relative_path)
)


def chunks(values: Iterable[T], size: int = _CHUNK) -> Iterator[list[T]]:
    """Lists of at most ``size``, in order."""
    iterator = iter(values)
    while chunk := list(itertools.islice(iterator, size)):
        yield chunk


def model_of(row: Row[Any]) -> ModelId:
    """The ModelId that the library row names."""
    return ModelId(
        name=row.model_name,
        fingerprint=row.model_fingerprint,
        recipe=row.model_recipe,
        dtype=row.model_dtype,
        query_tokens=row.query_tokens,
        dims=row.dims,
    )


def library_row(connection: Connection) -> Row[Any] | None:
    """The one row of ``library``; None before the library's creation is finished."""
    return connection.execute(select(library)).first()


def generation(connection: Connection) -> int:
    """Grows with every commit that can change a search."""
    return int(connection.exec_driver_sql("SELECT generation FROM library").scalar_one())


def segment_rows(connection: Connection) -> list[SegmentInfo]:
    """Every segment with its committed slots, ascending."""
    stop = func.max(batches.c.first_slot + batches.c["count"])
    statement = (
        select(segments.c.file_name, segments.c.first_slot, stop, segments.c.scale)
        .join(batches, batches.c.segment_id == segments.c.segment_id)
        .group_by(segments.c.segment_id)
        .order_by(segments.c.first_slot)
    )
    return [
        SegmentInfo(name, first, int(stop) - first, scale) for name, first, stop, scale in connection.execute(statement)
    ]


def batch_rows(connection: Connection, info: SegmentInfo) -> list[BatchInfo]:
    """The batches of one segment, ascending."""
    table = batches
    columns = (table.c.batch_id, table.c.first_slot, table.c["count"], table.c.checksum)
    inside = (table.c.first_slot >= info.first_slot) & (table.c.first_slot < info.stop)
    return [BatchInfo(*row) for row in connection.execute(select(*columns).where(inside).order_by(table.c.first_slot))]


def live_rows(connection: Connection) -> tuple[Int64, Int64]:
    """(slots ascending, image ids) of every image that a file holds; 0.6 s a million."""
    cursor = connection.exec_driver_sql("SELECT slot, image_id FROM images ORDER BY slot").cursor
    pages = [np.empty((0, 2), np.int64)]
    while rows := cursor.fetchmany(65_536) if cursor is not None else []:
        pages.append(np.array(rows, dtype=np.int64))
    table = np.concatenate(pages)  # [N, 2]
    gone = np.fromiter(connection.execute(select(deletions.c.image_id)).scalars(), np.int64)
    if len(gone):
        table = table[~np.isin(table[:, 1], gone)]
    return table[:, 0].copy(), table[:, 1].copy()


def image_record(row: Row[Any]) -> ImageRecord:
    """One row of ``images`` as it travels."""
    facts = MediaFacts(
        content_hash=row.content_hash.hex(),
        perceptual_hash=row.perceptual_hash & (2**64 - 1),
        width=row.width,
        height=row.height,
        format=row.format,
        size_bytes=row.size_bytes,
        taken_at=row.taken_at,
        camera=row.camera,
        latitude=row.latitude,
        longitude=row.longitude,
        orientation=row.orientation,
    )
    return ImageRecord(row.image_id, row.slot, facts)


def images_by_id(connection: Connection, image_ids: Iterable[int]) -> dict[int, ImageRecord]:
    """Absent ids are absent."""
    found: dict[int, ImageRecord] = {}
    for chunk in chunks(int(i) for i in image_ids):
        found |= {row.image_id: image_record(row) for row in connection.execute(_BY_ID, {"keys": chunk})}
    return found


def images_after(connection: Connection, image_id: int) -> list[ImageRecord]:
    """The next page of live images by id."""
    statement = select(images).where(
        images.c.image_id > image_id, images.c.image_id.not_in(select(deletions.c.image_id))
    )
    rows = connection.execute(statement.order_by(images.c.image_id).limit(PAGE_ROWS))
    return [image_record(row) for row in rows]


def ids_by_hash(connection: Connection, content_hashes: Iterable[str]) -> dict[str, int]:
    """Content hash -> image id, deleted images too. ValueError for what is not 64 hex digits."""
    found: dict[str, int] = {}
    for chunk in chunks(hash_bytes(value) for value in content_hashes):
        found |= {key.hex(): image_id for key, image_id in connection.execute(_BY_HASH, {"keys": chunk})}
    return found


def hash_bytes(content_hash: str) -> bytes:
    """The 32 bytes of a sha256 in hex; ValueError for anything else."""
    value = bytes.fromhex(content_hash)
    if len(value) != 32:
        raise ValueError(f"content hash {content_hash!r} has {len(value)} bytes, expected 32 (sha256)")
    return value


def states_at(connection: Connection, root_id: int, relative_paths: Iterable[str]) -> dict[str, FileState]:
    """The file rows at these places; absent paths are absent."""
    found: dict[str, FileState] = {}
    for chunk in chunks(os.fsencode(path) for path in relative_paths):
        rows = connection.execute(_STATES_AT, {"root_id": root_id, "keys": chunk})
        found |= {state.relative_path: state for state in map(_state, rows)}
    return found


def states_after(connection: Connection, root_id: int, after: bytes | None) -> list[FileState]:
    """The next page of a root's files, by the bytes of the relative path; ``after`` None is the beginning."""
    beyond = "" if after is None else "AND relative_path > ?"  # '' itself is a path: that of a single-file root
    parameters = (root_id,) if after is None else (root_id, after)
    cursor = connection.exec_driver_sql(_STATES_AFTER.format(beyond=beyond, limit=PAGE_ROWS), parameters).cursor
    return [] if cursor is None else list(map(_state, cursor.fetchall()))


def _state(row: Any) -> FileState:
    path, size_bytes, mtime_ns, image_id = row
    return FileState(os.fsdecode(path), size_bytes, mtime_ns, image_id)


def places_of(connection: Connection, image_ids: Iterable[int]) -> Iterator[tuple[int, int, str]]:
    """(image id, root id, relative path) of every file of these images; of one image the best file first."""
    for chunk in chunks(int(i) for i in image_ids):
        for image_id, root_id, path in connection.execute(_PLACES_OF, {"keys": chunk}):
            yield image_id, root_id, os.fsdecode(path)


def failed_after(connection: Connection, root_id: int | None, after: tuple[int, bytes] | None) -> list[FailedFile]:
    """The next page of failures, by root and path."""
    columns = [failures.c[name] for name in FailedFile.__dataclass_fields__]
    statement = select(*columns).order_by(failures.c.root_id, failures.c.relative_path).limit(PAGE_ROWS)
    if root_id is not None:
        statement = statement.where(failures.c.root_id == root_id)
    if after is not None:
        statement = statement.where(tuple_(failures.c.root_id, failures.c.relative_path) > after)
    return [FailedFile(row[0], os.fsdecode(row[1]), *row[2:]) for row in connection.execute(statement)]


def resolved_roots(connection: Connection, folder: Path) -> list[Root]:
    """Every root where it is now: at its absolute path; if nothing is there, at its path relative to the
    library's folder, if something is there (the library was moved together with its pictures)."""
    rows: Sequence[Row[Any]] = connection.execute(select(roots).order_by(roots.c.root_id)).all()
    return [Root(row.root_id, _root_path(row, folder), row.offline) for row in rows]


def _root_path(row: Row[Any], folder: Path) -> Path:
    absolute = Path(os.fsdecode(row.path))
    if absolute.exists():
        return absolute
    moved = Path(os.path.normpath(folder / os.fsdecode(row.relative_path)))
    return moved if moved.exists() else absolute
