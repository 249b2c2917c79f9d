"""Drops data that are damaged beyond reading, so that the library works again and the next index run mends the rest."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, delete, select, update

from imgsearch.errors import LibraryError
from imgsearch.storage.batch import Repaired
from imgsearch.storage.catalog import beside as beside_rows
from imgsearch.storage.catalog import orm_reads as queries
from imgsearch.storage.catalog import sqlite_reads as lookups
from imgsearch.storage.catalog.row_writes import delete_images, next_generation
from imgsearch.storage.catalog.schema import batches, files, images, segments
from imgsearch.storage.upkeep.compaction import compact_library
from imgsearch.storage.vectors.segment_store import SegmentStore
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
    """Drop every image of a batch whose bytes are missing or do not match the checksum. Of vectors that lie beside the
    library's own only those are dropped; the next `imgsearch index --beside` makes them again.

    Their file rows go too, so the next `imgsearch index` sees new files and embeds them again; the image files
    are not touched. Ends with a compaction, which removes the damaged rows from the disk.
    ``progress(done, total)`` counts segments.
    """
    kinds = [False]
    with writer.catalog.look() as connection:
        if beside_rows.beside_side(connection) is not None:
            kinds.append(True)
    damaged: list[_Damage] = []
    images_dropped = 0
    for beside in kinds:
        segments = writer.committed_segments(beside=beside)
        for number, info in enumerate(segments.infos):
            found = _examine(writer, segments, info)
            images_dropped += _drop(writer, found, beside=beside)
            damaged += found
            if progress is not None:
                progress(number + 1, len(segments.infos))
    writer.segments.close()
    writer.segments = writer.committed_segments(beside=False)
    writer.recover()
    compact_library(writer)
    return Repaired(images_dropped, len(damaged))


def _drop(writer: Writer, found: list[_Damage], *, beside: bool) -> int:
    """Drop them; returns how many images lost their vectors."""
    dropped = 0
    with writer.catalog.write() as connection:
        below = queries.driver(connection)
        for damage in found:
            if beside:
                dropped += beside_rows.drop_slots(below, damage.first_slot, damage.first_slot + damage.count)
            else:
                dropped += _drop_images(connection, damage)
            _shrink_batch(connection, damage)
        _drop_empty_segments(connection)
        if found and beside:
            beside_rows.next_beside_generation(below)
        elif found:
            next_generation(connection)
    return dropped


def _examine(writer: Writer, segments: SegmentStore, info: SegmentInfo) -> list[_Damage]:
    """The damaged batches of one segment; all of them if its file or header cannot be used."""
    shape = segments.shape
    path = segments.folder / info.file_name
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
