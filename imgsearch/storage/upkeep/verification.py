"""Checks everything: every checksum, every count, every row against every slot, every file in the folder."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from sqlalchemy import Connection, Table, select, text

from imgsearch.errors import LibraryBusy, LibraryError, StorageFull
from imgsearch.files import writer_lock
from imgsearch.records import Int64
from imgsearch.storage.batch import Problem
from imgsearch.storage.catalog import beside as beside_rows
from imgsearch.storage.catalog import orm_reads as queries
from imgsearch.storage.catalog.beside import Side
from imgsearch.storage.catalog.schema import batches, beside_slots, images, library, segments
from imgsearch.storage.column_files import check_columns
from imgsearch.storage.snapshots import check_body, latest_snapshot, read_seal
from imgsearch.storage.store import Store
from imgsearch.storage.vectors.segments import HEADER_BYTES, VectorShape, check_header

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
            found = [Problem("catalog", store.catalog.name, finding) for finding in store.catalog.check(connection)]
            found += _check_rows(connection)
            sides = _sides(connection)
            checked = [_Checked(store, side, connection) for side in sides]
        vectors = list(_check_segments(checked, progress))
        missing = any(problem.kind == "segment-missing" for problem in vectors)
        with store.catalog.read() as connection:
            unchanged = _sides(connection) == sides
        if not missing or unchanged:  # else a compaction replaced the files
            break
    stores = [Store(store.layout, store.catalog, side.model, side.dtype) for side in sides]
    snapshots = [problem for each in stores for problem in _check_snapshot(each)]
    return found + vectors + snapshots + _check_columns(store) + _check_folder(store)


def _sides(connection: Connection) -> list[Side]:
    """The library's own vectors, and those beside them if there are any."""
    own, other = beside_rows.own_side(queries.driver(connection)), beside_rows.beside_side(queries.driver(connection))
    return [own] if other is None else [own, other]


class _Checked:
    """One model's segments and batches, as they are to be."""

    def __init__(self, store: Store, side: Side, connection: Connection) -> None:
        self.folder = store.layout.segments
        self.shape = VectorShape(side.dtype, side.model.query_tokens, side.model.dims)
        self.infos = queries.segment_rows(connection, side.beside)
        self.batches = [queries.batch_rows(connection, info) for info in self.infos]

    @property
    def total_bytes(self) -> int:
        return sum(info.count for info in self.infos) * self.shape.slot_bytes


def _check_rows(connection: Connection) -> list[Problem]:
    found = []
    for detail, statement in _DANGLING.items():
        found += [Problem("dangling", f"image {row[0]}", detail) for row in connection.execute(text(statement))]
    spans, stops = _spans(connection, None)
    found += [
        Problem("count", f"batch at slot {first}", "it overlaps the batch before it")
        for first in _overlaps(spans, stops)
    ]
    next_slot = int(connection.execute(select(library.c.next_slot)).scalar_one())
    if len(stops) and stops.max() > next_slot:
        found.append(Problem("count", "library", f"the next free slot is {next_slot}, a batch ends at {stops.max()}"))
    found += _check_slots(_slots(connection, images), *_spans(connection, 0), owned=True)
    return found + _check_slots(_slots(connection, beside_slots), *_spans(connection, 1), owned=False)


def _slots(connection: Connection, table: Table) -> Int64:
    return np.fromiter(connection.execute(select(table.c.slot).order_by(table.c.slot)).scalars(), np.int64)


def _spans(connection: Connection, beside: int | None) -> tuple[Int64, Int64]:
    """Batches of one side, or of both: (first slot and count [batches, 2], ends [batches])."""
    statement = select(batches.c.first_slot, batches.c["count"]).order_by(batches.c.first_slot)
    if beside is not None:
        statement = statement.join(segments).where(segments.c.beside == beside)
    spans = np.array(connection.execute(statement).all(), np.int64).reshape(-1, 2)
    return spans, spans[:, 0] + spans[:, 1]


def _overlaps(spans: Int64, stops: Int64) -> list[int]:
    return [int(first) for first in spans[1:, 0][spans[1:, 0] < stops[:-1]]]


def _check_slots(image_slots: Int64, spans: Int64, stops: Int64, *, owned: bool) -> list[Problem]:
    """``owned``: every slot has an image; beside the library's own vectors some may have lost theirs."""
    owner = np.searchsorted(spans[:, 0], image_slots, side="right") - 1
    covered = owner >= 0
    covered[covered] = image_slots[covered] < stops[owner[covered]]
    found = [
        Problem("slot-without-vector", f"slot {slot}", "no batch holds it") for slot in image_slots[~covered].tolist()
    ]
    if not owned:
        return found
    used = np.bincount(owner[covered], minlength=len(spans))
    for (first, count), have in zip(spans.tolist(), used.tolist(), strict=True):
        if have != count:
            detail = f"{count} vectors, but {have} images"
            found.append(Problem("row-without-image", f"batch at slot {first}", detail))
    return found


def _check_segments(sides: Sequence[_Checked], progress: Callable[[int, int], None] | None) -> Iterator[Problem]:
    total = sum(one.total_bytes for one in sides)
    done = 0
    every = ((one, *pair) for one in sides for pair in zip(one.infos, one.batches, strict=True))
    for side, info, mine in every:
        path, shape = side.folder / info.file_name, side.shape
        if (held := sum(row.count for row in mine)) != info.count:
            yield Problem("count", info.file_name, f"its batches hold {held} slots, their ends say {info.count}")
        try:
            with path.open("rb") as file:
                check_header(file.read(HEADER_BYTES), path, shape, info)
                size = os.fstat(file.fileno()).st_size
                length = HEADER_BYTES + info.count * shape.slot_bytes
                if size < length:
                    yield Problem("segment-short", info.file_name, f"{size} bytes, expected {length}")
                for row in mine:
                    file.seek(HEADER_BYTES + (row.first_slot - info.first_slot) * shape.slot_bytes)
                    checksum, left = 0, row.count * shape.slot_bytes
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


def _check_columns(store: Store) -> list[Problem]:
    """Damaged columns cost speed: filters ask the catalog."""
    try:
        check_columns(store)
    except LibraryError as exc:
        return [Problem("columns", "snapshots", f"{exc.message}; `imgsearch build --force` makes new ones")]
    return []


def _check_folder(store: Store) -> list[Problem]:
    """Leftovers of a killed writer; under the lock, since a running one has files that no row names yet. If no lock
    can be held (a read-only disk), nothing is reported."""
    found = []
    try:
        with writer_lock(store.layout.lock):
            with store.catalog.read() as connection:
                sides = [_Checked(store, side, connection) for side in _sides(connection)]
            known = {info.file_name: info.count * side.shape.slot_bytes for side in sides for info in side.infos}
            for path in sorted(store.layout.segments.iterdir()):
                if path.name not in known:
                    found.append(Problem("orphan-file", path.name, "no row of the catalog names it"))
                elif path.stat().st_size > (length := HEADER_BYTES + known[path.name]):
                    detail = f"{path.stat().st_size} bytes, expected {length}; the next `imgsearch index` cuts it"
                    found.append(Problem("segment-long", path.name, detail))
    except (LibraryBusy, StorageFull):
        return []
    return found
