"""Drops data that are damaged beyond reading, so that the library works again and the next index run mends the rest."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, delete, select, update

from imgsearch.errors import LibraryError
from imgsearch.storage.batch import Repaired
from imgsearch.storage.catalog import orm_reads as queries
from imgsearch.storage.catalog import sqlite_reads as lookups
from imgsearch.storage.catalog.row_writes import delete_images, next_generation
from imgsearch.storage.catalog.schema import batches, files, images, segments
from imgsearch.storage.upkeep.compaction import compact_library
from imgsearch.storage.vectors.segments import HEADER_BYTES, SegmentInfo, check_header
from imgsearch.storage.writer import Writer


@dataclass(frozen=True, slots=True)
class _Damage:
    """A batch that cannot be trusted: ``readable`` slots of it exist in the file, with checksum ``found``."""

    batch_id: int
    first_slot: int
    count: int
    readable: int
    found: int


def repair_library(writer: Writer, progress: Callable[[int, int], None] | None = None) -> Repaired:
    """Drop every image of a batch whose bytes are missing or do not match the checksum.

    Their file rows go too, so the next `imgsearch index` sees new files and embeds them again; the image files
    are not touched. Ends with a compaction, which removes the damaged rows from the disk.
    ``progress(done, total)`` counts segments.
    """
    with writer.catalog.read() as connection:
        infos = queries.segment_rows(connection)
    damaged: list[_Damage] = []
    images_dropped = 0
    for number, info in enumerate(infos):
        found = _examine(writer, info)
        with writer.catalog.write() as connection:
            for damage in found:
                images_dropped += _drop_images(connection, damage)
                _shrink_batch(connection, damage)
            _drop_empty_segments(connection)
            if found:
                next_generation(connection)
        damaged += found
        if progress is not None:
            progress(number + 1, len(infos))
    writer.segments.close()
    writer.segments = writer.committed_segments()
    writer.recover()
    compact_library(writer)
    return Repaired(images_dropped, len(damaged))


def _examine(writer: Writer, info: SegmentInfo) -> list[_Damage]:
    """The damaged batches of one segment; all of them if its file or header cannot be used."""
    shape = writer.store.shape
    path = writer.store.layout.segments / info.file_name
    with writer.catalog.read() as connection:
        rows = queries.batch_rows(connection, info)
    try:
        with path.open("rb") as file:
            check_header(file.read(HEADER_BYTES), path, shape, info)
            whole = (os.fstat(file.fileno()).st_size - HEADER_BYTES) // shape.slot_bytes
            found = []
            for row in rows:
                start = row.first_slot - info.first_slot
                file.seek(HEADER_BYTES + start * shape.slot_bytes)
                readable = max(0, min(row.count, whole - start))
                checksum = zlib.crc32(file.read(readable * shape.slot_bytes))
                if readable < row.count or checksum != row.checksum:
                    found.append(_Damage(row.batch_id, row.first_slot, row.count, readable, checksum))
            return found
    except (OSError, LibraryError):
        return [_Damage(row.batch_id, row.first_slot, row.count, 0, 0) for row in rows]


def _drop_images(connection: Connection, damage: _Damage) -> int:
    stop = damage.first_slot + damage.count
    ids = list(
        connection.execute(
            select(images.c.image_id).where(images.c.slot >= damage.first_slot, images.c.slot < stop)
        ).scalars()
    )
    for chunk in lookups.chunks(ids):
        connection.execute(delete(files).where(files.c.image_id.in_(chunk)))
    delete_images(connection, ids)
    return len(ids)


def _shrink_batch(connection: Connection, damage: _Damage) -> None:
    """Keeps the readable part as dead slots with a true checksum, until the compaction."""
    if damage.readable:
        values = {"count": damage.readable, "checksum": damage.found}
        connection.execute(update(batches).where(batches.c.batch_id == damage.batch_id).values(values))
    else:
        connection.execute(delete(batches).where(batches.c.batch_id == damage.batch_id))


def _drop_empty_segments(connection: Connection) -> None:
    used = select(batches.c.segment_id)
    connection.execute(delete(segments).where(segments.c.segment_id.not_in(used)))
