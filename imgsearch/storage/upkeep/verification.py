"""Checks everything: every checksum, every count, every row against every slot, every file in the folder."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from sqlalchemy import Connection, select, text

from imgsearch.errors import LibraryBusy, LibraryError, StorageFull
from imgsearch.files import writer_lock
from imgsearch.records import Int64
from imgsearch.storage.batch import BatchInfo, Problem
from imgsearch.storage.catalog import orm_reads as queries
from imgsearch.storage.catalog.database import sqlite_check
from imgsearch.storage.catalog.schema import batches, images, library
from imgsearch.storage.snapshots import check_body, latest_snapshot, read_seal
from imgsearch.storage.store import Store
from imgsearch.storage.vectors.segments import HEADER_BYTES, SegmentInfo, check_header

_READ_BYTES = 8 << 20

_DANGLING = {
    "image without a file that is not marked as deleted": """SELECT image_id FROM images
        WHERE image_id NOT IN (SELECT image_id FROM files) AND image_id NOT IN (SELECT image_id FROM deletions)""",
    "image marked as deleted although a file holds it": """SELECT image_id FROM deletions
        WHERE image_id IN (SELECT image_id FROM files)""",
}


def verify(store: Store, progress: Callable[[int, int], None] | None = None) -> list[Problem]:
    """Every disagreement found; [] is clean. Reads all vectors once: ``progress(done_bytes, total_bytes)``.

    Works beside a writer, on the state at the moment it began. Leftovers of a killed run behind the last batch
    (harmless, removed by the next writer) are reported only while nobody writes.
    """
    for _ in range(10):
        with store.catalog.read() as connection:
            found = [Problem("catalog", "catalog.db", finding) for finding in sqlite_check(connection)]
            found += _check_rows(connection)
            generation = queries.generation(connection)
            infos = queries.segment_rows(connection)
            rows = [queries.batch_rows(connection, info) for info in infos]
        vectors = list(_check_segments(store, infos, rows, progress))
        missing = any(problem.kind == "segment-missing" for problem in vectors)
        if not missing or store.generation() == generation:  # else a compaction replaced the files
            break
    return found + vectors + _check_snapshot(store) + _check_folder(store)


def _check_rows(connection: Connection) -> list[Problem]:
    found = []
    for detail, statement in _DANGLING.items():
        found += [Problem("dangling", f"image {row[0]}", detail) for row in connection.execute(text(statement))]
    image_slots = np.fromiter(connection.execute(select(images.c.slot).order_by(images.c.slot)).scalars(), np.int64)
    rows = connection.execute(select(batches.c.first_slot, batches.c["count"]).order_by(batches.c.first_slot)).all()
    spans = np.array(rows, np.int64).reshape(-1, 2)  # [batches, 2]
    stops = spans[:, 0] + spans[:, 1]
    found += [
        Problem("count", f"batch at slot {first}", "it overlaps the batch before it")
        for first in _overlaps(spans, stops)
    ]
    next_slot = int(connection.execute(select(library.c.next_slot)).scalar_one())
    if len(stops) and stops.max() > next_slot:
        found.append(Problem("count", "library", f"the next free slot is {next_slot}, a batch ends at {stops.max()}"))
    return found + _check_slots(image_slots, spans, stops)


def _overlaps(spans: Int64, stops: Int64) -> list[int]:
    return [int(first) for first in spans[1:, 0][spans[1:, 0] < stops[:-1]]]


def _check_slots(image_slots: Int64, spans: Int64, stops: Int64) -> list[Problem]:
    owner = np.searchsorted(spans[:, 0], image_slots, side="right") - 1
    covered = owner >= 0
    covered[covered] = image_slots[covered] < stops[owner[covered]]
    found = [
        Problem("slot-without-vector", f"slot {slot}", "no batch holds it") for slot in image_slots[~covered].tolist()
    ]
    used = np.bincount(owner[covered], minlength=len(spans))
    for (first, count), have in zip(spans.tolist(), used.tolist(), strict=True):
        if have != count:
            detail = f"{count} vectors, but {have} images"
            found.append(Problem("row-without-image", f"batch at slot {first}", detail))
    return found


def _check_segments(
    store: Store,
    infos: Sequence[SegmentInfo],
    rows: Sequence[Sequence[BatchInfo]],
    progress: Callable[[int, int], None] | None,
) -> Iterator[Problem]:
    total = sum(info.count for info in infos) * store.shape.slot_bytes
    done = 0
    for info, mine in zip(infos, rows, strict=True):
        path = store.layout.segments / info.file_name
        if (held := sum(row.count for row in mine)) != info.count:
            yield Problem("count", info.file_name, f"its batches hold {held} slots, their ends say {info.count}")
        try:
            with path.open("rb") as file:
                check_header(file.read(HEADER_BYTES), path, store.shape, info)
                size = os.fstat(file.fileno()).st_size
                length = HEADER_BYTES + info.count * store.shape.slot_bytes
                if size < length:
                    yield Problem("segment-short", info.file_name, f"{size} bytes, expected {length}")
                for row in mine:
                    file.seek(HEADER_BYTES + (row.first_slot - info.first_slot) * store.shape.slot_bytes)
                    checksum, left = 0, row.count * store.shape.slot_bytes
                    while left and (content := file.read(min(left, _READ_BYTES))):
                        checksum, left = zlib.crc32(content, checksum), left - len(content)
                        done += len(content)
                        if progress is not None:
                            progress(done, total)
                    if checksum != row.checksum or left:
                        yield Problem(
                            "checksum", info.file_name, f"the batch at slot {row.first_slot} is not what was written"
                        )
        except FileNotFoundError:
            yield Problem("segment-missing", info.file_name, f"{info.count} images have their vectors in it")
        except LibraryError as exc:
            yield Problem("segment-header", info.file_name, exc.message)
        except OSError as exc:
            yield Problem("checksum", info.file_name, f"it cannot be read: {exc}")


def _check_snapshot(store: Store) -> list[Problem]:
    """A snapshot that disagrees with its checksum costs speed or candidates, never a score."""
    info = latest_snapshot(store)
    if info is None:
        return []
    try:
        read_seal(info)
        sound = check_body(info)
    except LibraryError as exc:
        return [Problem("snapshot", info.path.name, f"{exc.message}; `imgsearch build --force` makes a new one")]
    except OSError as exc:
        return [Problem("snapshot", info.path.name, f"it cannot be read: {exc}")]
    if sound or latest_snapshot(store) != info:
        return []
    detail = "it is not what was written; `imgsearch build --force` makes a new one"
    return [Problem("snapshot", info.path.name, detail)]


def _check_folder(store: Store) -> list[Problem]:
    """Leftovers of a killed writer; under the lock, since a running one has files that no row names yet. If no lock
    can be held (a read-only disk), nothing is reported."""
    found = []
    try:
        with writer_lock(store.layout.lock):
            with store.catalog.read() as connection:
                known = {info.file_name: info for info in queries.segment_rows(connection)}
            for path in sorted(store.layout.segments.iterdir()):
                info = known.get(path.name)
                if info is None:
                    found.append(Problem("orphan-file", path.name, "no row of the catalog names it"))
                elif path.stat().st_size > (length := HEADER_BYTES + info.count * store.shape.slot_bytes):
                    detail = f"{path.stat().st_size} bytes, expected {length}; the next `imgsearch index` cuts it"
                    found.append(Problem("segment-long", path.name, detail))
    except (LibraryBusy, StorageFull):
        return []
    return found
