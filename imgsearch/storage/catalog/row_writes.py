"""Writes catalog rows for every writer of a library; each function takes an open write transaction."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from sqlalchemy import Connection, delete, insert, select, text, update

from imgsearch.storage.batch import FailedFile, FilePlace
from imgsearch.storage.catalog import orm_reads as queries
from imgsearch.storage.catalog import sqlite_reads as lookups
from imgsearch.storage.catalog.database import utc_now
from imgsearch.storage.catalog.dialects import dialect_of
from imgsearch.storage.catalog.image_rows import stored_text
from imgsearch.storage.catalog.schema import batches, deletions, events, failures, images, library, segments
from imgsearch.storage.vectors.segment_store import Appended

_INT64 = np.iinfo(np.int64)
_PATH_PARAMETERS = "root_id = :root_id AND relative_path = :relative_path"
_REMOVE_FILE = text(f"DELETE FROM files WHERE {_PATH_PARAMETERS}")
# Facts from sidecars are dropped (see migration 0004): they are read again for the file's present content.
_SAME_PLACE = """ON CONFLICT (root_id, relative_path) DO UPDATE SET
    size_bytes = excluded.size_bytes, mtime_ns = excluded.mtime_ns, image_id = excluded.image_id,
    dated_at = excluded.dated_at, dated_source = excluded.dated_source, sidecars = 0"""
_FAILED_AGAIN = """ON CONFLICT (root_id, relative_path) DO UPDATE SET
    stage = excluded.stage, reason = excluded.reason, transient = excluded.transient, size_bytes = excluded.size_bytes,
    mtime_ns = excluded.mtime_ns, failed_at = excluded.failed_at, decode_recipe = excluded.decode_recipe"""
_CLEAR_FAILURE = text(f"DELETE FROM failures WHERE {_PATH_PARAMETERS}")


def write_batches(connection: Connection, appended: Sequence[Appended], *, beside: bool = False) -> None:
    """The segment and batch rows of vectors that are already durable, and the next free slot. ``beside``: they are of
    the model beside the library's own."""
    if not appended:
        return
    rows = connection.execute(select(segments.c.file_name, segments.c.segment_id))
    known = {str(row[0]): int(row[1]) for row in rows}
    now = utc_now()
    for batch in appended:
        if batch.file_name not in known:
            row = {"file_name": batch.file_name, "first_slot": batch.slots.first, "scale": batch.scale}
            row["beside"] = int(beside)
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


def write_files(
    connection: Connection, placed: Sequence[tuple[FilePlace, str | int]], by_hash: Mapping[str, int]
) -> set[int]:
    """Rows of files that hold contents, named by hash or image id; ``by_hash`` are those written just now. Replaces
    existing rows. Returns the ids of the images. Raises ValueError for a content that the library does not have."""
    if not placed:
        return set()
    unknown = {key for _, key in placed if isinstance(key, str) and key not in by_hash}
    known = {**by_hash, **queries.ids_by_hash(connection, unknown)}
    if absent := [key for key in unknown if key not in known]:
        raise ValueError(f"the library has no content {absent[0]}; add() it with its vectors first")
    rows = [
        place_key(place.root_id, place.relative_path)
        | {
            "size_bytes": place.size_bytes,
            "mtime_ns": _clamp(place.mtime_ns),
            "image_id": known[key] if isinstance(key, str) else int(key),
            "dated_at": place.dated_at,
            "dated_source": place.dated_source,
        }
        for place, key in placed
    ]
    queries.insert_rows(connection, "files", rows, tail=_SAME_PLACE)
    below = queries.driver(connection)
    dialect_of(below).index_files(below, [(row["root_id"], row["relative_path"]) for row in rows])
    return {row["image_id"] for row in rows}


def remove_files(connection: Connection, keys: Sequence[Mapping[str, Any]]) -> None:
    """Delete the file rows at these places (see `place_key`); absent ones are skipped."""
    if keys:
        connection.execute(_REMOVE_FILE, keys)


def delete_images(connection: Connection, image_ids: Iterable[int]) -> None:
    """Delete images for good, with their deletion marks. No file row may name them any more."""
    for chunk in lookups.chunks(image_ids):
        connection.execute(delete(deletions).where(deletions.c.image_id.in_(chunk)))
        connection.execute(delete(images).where(images.c.image_id.in_(chunk)))


def write_failures(connection: Connection, failed: Sequence[FailedFile]) -> None:
    """Rows of files that could not be indexed; a file has one, the latest."""
    if not failed:
        return
    now = utc_now()
    rows = [
        place_key(entry.root_id, entry.relative_path)
        | {
            "stage": stored_text(entry.stage),
            "reason": stored_text(entry.reason),
            "transient": entry.transient,
            "size_bytes": entry.size_bytes,
            "mtime_ns": _clamp(entry.mtime_ns),
            "failed_at": now,
            "decode_recipe": entry.decode_recipe,
        }
        for entry in failed
    ]
    queries.insert_rows(connection, "failures", rows, tail=_FAILED_AGAIN)


def clear_failures(connection: Connection, keys: Sequence[Mapping[str, Any]]) -> None:
    """Delete the failure rows at these places (see `place_key`), if there are any."""
    if keys and connection.execute(select(failures.c.failure_id).limit(1)).first() is not None:
        connection.execute(_CLEAR_FAILURE, keys)


def write_events(connection: Connection, recorded: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
    """Append to the ordered table of events."""
    if recorded:
        rows = [{"at": utc_now(), "kind": kind, "data": json.dumps(data)} for kind, data in recorded]
        connection.execute(insert(events), rows)


def next_generation(connection: Connection) -> None:
    """Mark every view as possibly out of date."""
    connection.execute(update(library).values(generation=library.c.generation + 1))


def place_key(root_id: int, relative_path: str) -> dict[str, Any]:
    """The columns that identify the file of a row."""
    return {"root_id": root_id, "relative_path": os.fsencode(relative_path)}


def _clamp(value: int) -> int:
    """Limits file times that do not fit into 64 bits of nanoseconds (after 2262)."""
    return max(int(_INT64.min), min(int(_INT64.max), value))
