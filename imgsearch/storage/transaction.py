"""The one commit point: vectors appended and fsynced first, then one SQLite transaction that names them."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import Connection, insert, select, text, update
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.exc import IntegrityError

from imgsearch.records import SlotRange
from imgsearch.storage import queries
from imgsearch.storage.batch import Committed, EmbeddedBatch, FailedFile, FilePlace
from imgsearch.storage.catalog import utc_now
from imgsearch.storage.facts import FactWrites, images_at, settle
from imgsearch.storage.faults import reached
from imgsearch.storage.image_rows import NewImage, insert_images, stored_text
from imgsearch.storage.schema import batches, events, failures, library, segments
from imgsearch.storage.segment_store import Appended

if TYPE_CHECKING:
    from imgsearch.storage.writer import Writer

_INT64 = np.iinfo(np.int64)
_PATH_PARAMETERS = "root_id = :root_id AND relative_path = :relative_path"
_REMOVE_FILE = text(f"DELETE FROM files WHERE {_PATH_PARAMETERS}")
# What sidecars said goes (see migration 0004): they are read again for what the file holds now.
_SAME_PLACE = """ON CONFLICT (root_id, relative_path) DO UPDATE SET
    size_bytes = excluded.size_bytes, mtime_ns = excluded.mtime_ns, image_id = excluded.image_id,
    dated_at = excluded.dated_at, dated_source = excluded.dated_source, sidecars = 0"""
_CLEAR_FAILURE = text(f"DELETE FROM failures WHERE {_PATH_PARAMETERS}")


class WriteTransaction:
    """Collects writes; ``commit()`` makes all of them durable at once, leaving without it undoes all of them.

    Vectors go to the segment when they are added, rows wait in memory. Not for use from two threads.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._appended: list[Appended] = []
        self._images: list[NewImage] = []
        self._placed: list[tuple[FilePlace, str | int]] = []
        self._removed: list[dict[str, Any]] = []
        self._cleared: list[dict[str, Any]] = []
        self._failed: list[FailedFile] = []
        self._events: list[tuple[str, dict[str, Any]]] = []
        self._new_hashes: set[str] = set()
        self.facts = FactWrites()
        self._open = True

    def __enter__(self) -> WriteTransaction:
        return self

    def __exit__(self, *raised: object) -> None:
        self.rollback()

    def add(self, batch: EmbeddedBatch) -> None:
        """Add contents with vectors and files. Of a content already known, deleted ones included, the vectors
        are ignored and the files are placed. Raises StorageFull; ValueError for shapes that disagree and for
        vectors that are not finite."""
        _check_batch(batch)
        known = self._writer.store.known_contents(facts.content_hash for facts in batch.facts)
        fresh = []
        for index, facts in enumerate(batch.facts):
            if facts.content_hash not in known and facts.content_hash not in self._new_hashes:
                fresh.append(index)
                self._new_hashes.add(facts.content_hash)
        if fresh:
            appended = self._writer.segments.append(batch.vectors[fresh])
            self._appended.append(appended)
            slots = range(appended.slots.first, appended.slots.stop)
            made = batch.signatures or [b""] * len(batch.facts)
            words = batch.words or [()] * len(batch.facts)
            self._images += [
                NewImage(batch.facts[index], slot, made[index], words[index])
                for index, slot in zip(fresh, slots, strict=True)
            ]
        for facts, places in zip(batch.facts, batch.places, strict=True):
            self._placed += [(place, known.get(facts.content_hash, facts.content_hash)) for place in places]

    def place_files(self, placed: Iterable[tuple[FilePlace, str | int]]) -> None:
        """Say that these files hold known contents (by hash or image id): moves, copies, touched files."""
        self._placed += placed

    def remove_files(self, root_id: int, relative_paths: Iterable[str]) -> None:
        """These files are gone (or hold something else now). An image without files leaves the results."""
        self._removed += [_place_key(root_id, path) for path in relative_paths]

    def record_failures(self, failed: Iterable[FailedFile]) -> None:
        """Write failure rows; a file has one, the latest. File rows stay as they are."""
        self._failed += failed

    def clear_failures(self, root_id: int, relative_paths: Iterable[str]) -> None:
        """Remove failure rows, of files that are gone; placing or removing a file does it too."""
        self._cleared += [_place_key(root_id, path) for path in relative_paths]

    def record_event(self, kind: str, data: dict[str, Any]) -> None:
        """Add an event, ordered behind all earlier ones; ``data`` must be JSON."""
        self._events.append((kind, data))

    def commit(self) -> Committed:
        """Make everything durable, in the order: vectors, then one SQLite transaction. Raises StorageFull,
        ValueError for a content, image or root that the library does not have; nothing is kept then."""
        if not self._open:
            raise ValueError("the transaction is over")
        try:
            if self._appended:
                self._writer.segments.sync()
            with self._writer.catalog.write() as connection:
                self._write_rows(connection)
                reached("catalog-written")
        except (IntegrityError, sqlite3.IntegrityError) as exc:
            self.rollback()
            reason = getattr(exc, "orig", exc)
            raise ValueError(f"a row names an image or root that the library does not have: {reason}") from exc
        except BaseException:
            self.rollback()
            raise
        self._end()
        slots = None
        if self._appended:
            first = self._appended[0].slots.first
            slots = SlotRange(first, self._appended[-1].slots.stop - first)
        return Committed(len(self._images), len(self._placed), slots)

    def rollback(self) -> None:
        """Undo everything; nothing happens after ``commit()``."""
        if self._open:
            self._end()
            self._writer.cut_back()

    def _end(self) -> None:
        self._open = False
        self._writer.transaction_over()

    def _write_rows(self, connection: Connection) -> None:
        write_batches(connection, self._appended)
        by_hash = insert_images(connection, self._images)
        places = [(row["root_id"], row["relative_path"]) for row in self._removed]
        places += [(place.root_id, os.fsencode(place.relative_path)) for place, _ in self._placed]
        unsettled = images_at(queries.driver(connection), places)  # the images that were there before
        if self._removed:
            connection.execute(_REMOVE_FILE, self._removed)
        self._write_files(connection, by_hash)
        unsettled |= set(by_hash.values()) | {key for _, key in self._placed if isinstance(key, int)}
        unsettled |= self.facts.write(queries.driver(connection))
        settle(queries.driver(connection), unsettled)
        cleared = self._removed + self._cleared + [_place_key(p.root_id, p.relative_path) for p, _ in self._placed]
        if cleared and connection.execute(select(failures.c.failure_id).limit(1)).first() is not None:
            connection.execute(_CLEAR_FAILURE, cleared)
        _write_failures(connection, self._failed)
        write_events(connection, self._events)
        if self._appended or self._placed or self._removed or self.facts:
            next_generation(connection)

    def _write_files(self, connection: Connection, by_hash: dict[str, int]) -> None:
        if not self._placed:
            return
        unknown = {key for _, key in self._placed if isinstance(key, str) and key not in by_hash}
        by_hash |= queries.ids_by_hash(connection, unknown)
        if absent := [key for key in unknown if key not in by_hash]:
            raise ValueError(f"the library has no content {absent[0]}; add() it with its vectors first")
        rows = [
            _place_key(place.root_id, place.relative_path)
            | {
                "size_bytes": place.size_bytes,
                "mtime_ns": _clamp(place.mtime_ns),
                "image_id": by_hash[key] if isinstance(key, str) else int(key),
                "dated_at": place.dated_at,
                "dated_source": place.dated_source,
            }
            for place, key in self._placed
        ]
        queries.insert_rows(connection, "files", rows, tail=_SAME_PLACE)


def write_batches(connection: Connection, appended: list[Appended]) -> None:
    """The segment and batch rows of vectors that are already durable, and the next free slot."""
    if not appended:
        return
    rows = connection.execute(select(segments.c.file_name, segments.c.segment_id))
    known = {str(row[0]): int(row[1]) for row in rows}
    now = utc_now()
    for batch in appended:
        if batch.file_name not in known:
            row = {"file_name": batch.file_name, "first_slot": batch.slots.first, "scale": batch.scale}
            key = connection.execute(insert(segments).values(row)).inserted_primary_key
            known[batch.file_name] = key[0] if key else 0
    batch_rows = [
        {
            "segment_id": known[batch.file_name],
            "first_slot": batch.slots.first,
            "count": batch.slots.count,
            "checksum": batch.checksum,
            "committed_at": now,
        }
        for batch in appended
    ]
    connection.execute(insert(batches), batch_rows)
    connection.execute(update(library).values(next_slot=appended[-1].slots.stop))


def write_events(connection: Connection, recorded: list[tuple[str, dict[str, Any]]]) -> None:
    """Append to the ordered table of events."""
    if recorded:
        rows = [{"at": utc_now(), "kind": kind, "data": json.dumps(data)} for kind, data in recorded]
        connection.execute(insert(events), rows)


def next_generation(connection: Connection) -> None:
    """Tell every view that it may be out of date."""
    connection.execute(update(library).values(generation=library.c.generation + 1))


def _write_failures(connection: Connection, failed: list[FailedFile]) -> None:
    if not failed:
        return
    now = utc_now()
    rows = [
        _place_key(entry.root_id, entry.relative_path)
        | {
            "stage": stored_text(entry.stage),
            "reason": stored_text(entry.reason),
            "transient": entry.transient,
            "size_bytes": entry.size_bytes,
            "mtime_ns": _clamp(entry.mtime_ns),
            "failed_at": now,
        }
        for entry in failed
    ]
    statement = upsert(failures)
    names = ("stage", "reason", "transient", "size_bytes", "mtime_ns", "failed_at")
    changed = {name: statement.excluded[name] for name in names}
    connection.execute(statement.on_conflict_do_update(index_elements=["root_id", "relative_path"], set_=changed), rows)


def _check_batch(batch: EmbeddedBatch) -> None:
    count = len(batch.facts)
    if not count or len(batch.vectors) != count or len(batch.places) != count:
        raise ValueError(
            f"got {count} facts, {len(batch.vectors)} vectors, {len(batch.places)} places; expected as many of each"
        )
    if len(batch.signatures) not in (0, count):
        raise ValueError(f"got {len(batch.signatures)} signatures for {count} contents, expected none or one each")
    if not all(batch.places):
        raise ValueError("got a content without a file, expected at least one place for each")
    if not np.isfinite(batch.vectors).all():
        raise ValueError("got vectors that are not finite, expected numbers")


def _place_key(root_id: int, relative_path: str) -> dict[str, Any]:
    return {"root_id": root_id, "relative_path": os.fsencode(relative_path)}


def _clamp(value: int) -> int:
    """A file system may hold times that 64 bits of nanoseconds do not (after 2262)."""
    return max(int(_INT64.min), min(int(_INT64.max), value))
