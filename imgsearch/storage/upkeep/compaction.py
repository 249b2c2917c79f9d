"""Removes deleted images for good: their rows at once, their vectors by rewriting the living ones."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection, Table, bindparam, delete, select, update

from imgsearch.errors import SegmentDamaged
from imgsearch.files import reached
from imgsearch.records import Int64
from imgsearch.storage.batch import Compacted
from imgsearch.storage.catalog import beside as beside_rows
from imgsearch.storage.catalog import orm_reads as queries
from imgsearch.storage.catalog.row_writes import delete_images, next_generation, write_batches
from imgsearch.storage.catalog.schema import batches, beside_slots, images, segments
from imgsearch.storage.catalog.stats import folder_bytes
from imgsearch.storage.vectors.segment_store import Appended, SegmentStore
from imgsearch.storage.vectors.segments import DAMAGE_HINT, SegmentInfo, map_segment
from imgsearch.storage.writer import Writer

_COPY_SLOTS = 1024


@dataclass(frozen=True, slots=True)
class _Vectors:
    """What is rewritten: the library's own vectors or those ``beside`` them, and the table that has their slots."""

    writer: Writer
    segments: SegmentStore
    beside: bool

    @property
    def slots(self) -> Table:
        return beside_slots if self.beside else images


def compact_library(writer: Writer, progress: Callable[[int, int], None] | None = None) -> Compacted:
    """Rewrite every segment that holds a slot without a live image, one after the other.

    For each: copy the living rows behind the last slot (fresh numbers), fsync, publish in one SQLite
    transaction, unlink the old file. After a kill at any point the library is whole: before the transaction the copy is
    an orphan, after it the old file is; the next writer removes either. Needs free space for one segment.
    ``progress(done, total)`` counts segments. Raises SegmentDamaged, and keeps everything, if a batch to be
    copied does not match its checksum; StorageFull.
    """
    folder = writer.store.layout.segments
    before = folder_bytes(folder)
    removed, rewritten = _compact(_Vectors(writer, writer.segments, beside=False), progress)
    with writer.catalog.look() as connection:
        other = beside_rows.beside_side(connection) is not None
    if other:
        rewritten += _compact(_Vectors(writer, writer.committed_segments(beside=True), beside=True), progress)[1]
        writer.segments.next_slot = writer.committed_segments(beside=False).next_slot
    return Compacted(removed, rewritten, before, folder_bytes(folder))


def _compact(vectors: _Vectors, progress: Callable[[int, int], None] | None) -> tuple[int, int]:
    """(images removed, segments rewritten)."""
    with vectors.writer.catalog.read() as connection:
        slots, _ = queries.live_rows(connection, vectors.beside)
        infos = queries.segment_rows(connection, vectors.beside)
    doomed = [info for info in infos if len(_inside(slots, info)) < info.count]
    if doomed:
        vectors.segments.start_new_segment()
    removed = 0
    for number, info in enumerate(doomed):
        removed += _rewrite(vectors, info, _inside(slots, info))
        if progress is not None:
            progress(number + 1, len(doomed))
    vectors.segments.close()
    return removed, len(doomed)


def _inside(slots: Int64, info: SegmentInfo) -> Int64:
    first, stop = np.searchsorted(slots, [info.first_slot, info.stop])
    return slots[first:stop]


def _rewrite(vectors: _Vectors, info: SegmentInfo, living: Int64) -> int:
    before = vectors.segments.next_slot
    try:
        _check_batches(vectors, info)
        appended = [_copy(vectors, info, living[at : at + _COPY_SLOTS]) for at in range(0, len(living), _COPY_SLOTS)]
        if appended:
            reached("compact-copied")
            vectors.segments.sync()
        reached("compact-fsynced")
        with vectors.writer.catalog.write() as connection:
            removed = _publish(connection, vectors, info, living, appended)
            reached("compact-written")
        reached("compact-committed")
    except BaseException:
        if vectors.beside:
            vectors.segments.truncate(before)
        else:
            vectors.writer.cut_back()
        raise
    vectors.segments.drop(info.file_name)
    reached("compact-unlinked")
    return removed


def _check_batches(vectors: _Vectors, info: SegmentInfo) -> None:
    """Raise SegmentDamaged if a batch of ``info`` does not match its checksum: damage must not be copied under
    a new, matching one."""
    stored = map_segment(vectors.segments.folder, vectors.segments.shape, info)
    with vectors.writer.catalog.read() as connection:
        rows = queries.batch_rows(connection, info)
    for row in rows:
        start = row.first_slot - info.first_slot
        if zlib.crc32(stored[start : start + row.count].data) != row.checksum:
            raise SegmentDamaged(
                f"{info.file_name}: the batch at slot {row.first_slot} is not what was written", DAMAGE_HINT
            )


def _copy(vectors: _Vectors, info: SegmentInfo, slots: Int64) -> Appended:
    stored = map_segment(vectors.segments.folder, vectors.segments.shape, info)
    return vectors.segments.append_stored(stored[slots - info.first_slot], info.scale)


def _publish(
    connection: Connection, vectors: _Vectors, info: SegmentInfo, living: Int64, appended: list[Appended]
) -> int:
    """One transaction: new batches, new slots of the living, and removal of the dead and of the old file."""
    table = vectors.slots
    write_batches(connection, appended, beside=vectors.beside)
    fresh = [slot for batch in appended for slot in range(batch.slots.first, batch.slots.stop)]
    moves = [{"old_slot": old, "new_slot": new} for old, new in zip(living.tolist(), fresh, strict=True)]
    if moves:
        move = update(table).where(table.c.slot == bindparam("old_slot")).values(slot=bindparam("new_slot"))
        connection.execute(move, moves)
    dead = select(table.c.image_id).where(table.c.slot >= info.first_slot, table.c.slot < info.stop)
    ids = list(connection.execute(dead).scalars())
    delete_images(connection, ids)
    segment = select(segments.c.segment_id).where(segments.c.file_name == info.file_name).scalar_subquery()
    connection.execute(delete(batches).where(batches.c.segment_id == segment))
    connection.execute(delete(segments).where(segments.c.file_name == info.file_name))
    if vectors.beside:
        beside_rows.next_beside_generation(queries.driver(connection))
    else:
        next_generation(connection)
    return len(ids)
