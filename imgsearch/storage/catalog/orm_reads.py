"""Catalog reads for an index run and for upkeep, as records of imgsearch.records. Every function takes an open
connection, and none holds more than a page of rows. The reads of a search are in
`imgsearch.storage.catalog.sqlite_reads`, in plain SQL; here the same run inside a SQLAlchemy transaction."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Connection, bindparam, select, tuple_

from imgsearch.records import Int64, Root
from imgsearch.storage.batch import BatchInfo, FailedFile, FileState
from imgsearch.storage.catalog import sqlite_reads as lookups
from imgsearch.storage.catalog.dialects import SqlConnection, dialect_of
from imgsearch.storage.catalog.schema import batches, failures, files
from imgsearch.storage.catalog.sqlite_reads import PAGE_ROWS, chunks
from imgsearch.storage.vectors.segments import SegmentInfo

_BY_HASH = "SELECT content_hash, image_id FROM images WHERE content_hash IN ({marks})"
_STATE = (files.c.relative_path, files.c.size_bytes, files.c.mtime_ns, files.c.image_id)
_STATES_AT = select(*_STATE).where(
    files.c.root_id == bindparam("root_id"), files.c.relative_path.in_(bindparam("keys", expanding=True))
)
# A re-scan reads every file row: rows straight from the driver take a third of the time of SQLAlchemy's.
_STATES_AFTER = """SELECT relative_path, size_bytes, mtime_ns, image_id FROM files
    WHERE root_id = ? {beyond} ORDER BY relative_path LIMIT {limit}"""


def driver(connection: Connection) -> SqlConnection:
    """The driver's own connection below SQLAlchemy's, inside the same transaction, for `sqlite_reads`."""
    below = connection.connection.driver_connection
    assert below is not None
    if connection.dialect.name == "sqlite":
        return cast("SqlConnection", below)
    from imgsearch.storage.catalog.postgres.connection import PostgresConnection

    return PostgresConnection(below)


def library_row(connection: Connection) -> lookups.LibraryRow | None:
    """See `sqlite_reads.library_row`."""
    return lookups.library_row(driver(connection))


def segment_rows(connection: Connection, beside: bool = False) -> list[SegmentInfo]:
    """See `sqlite_reads.segment_rows`."""
    return lookups.segment_rows(driver(connection), beside)


def live_rows(connection: Connection, beside: bool = False) -> tuple[Int64, Int64]:
    """See `sqlite_reads.live_rows`."""
    return lookups.live_rows(driver(connection), beside)


def resolved_roots(connection: Connection, folder: Path) -> list[Root]:
    """See `sqlite_reads.resolved_roots`."""
    return lookups.resolved_roots(driver(connection), folder)


def generation(connection: Connection) -> int:
    """See `sqlite_reads.generation`."""
    return lookups.generation(driver(connection))


def batch_rows(connection: Connection, info: SegmentInfo) -> list[BatchInfo]:
    """The batches of one segment, ascending."""
    table = batches
    columns = (table.c.batch_id, table.c.first_slot, table.c["count"], table.c.checksum)
    inside = (table.c.first_slot >= info.first_slot) & (table.c.first_slot < info.stop)
    return [BatchInfo(*row) for row in connection.execute(select(*columns).where(inside).order_by(table.c.first_slot))]


def ids_by_hash(connection: Connection, content_hashes: Iterable[str]) -> dict[str, int]:
    """Content hash -> image id, including deleted images. ValueError for anything but 64 hex digits."""
    found: dict[str, int] = {}
    below = driver(connection)
    for chunk in chunks(hash_bytes(value) for value in content_hashes):
        rows = below.execute(_BY_HASH.format(marks=lookups.marks(chunk)), chunk)
        found |= {key.hex(): image_id for key, image_id in rows}
    return found


def insert_rows(connection: Connection, table: str, rows: Sequence[Mapping[str, Any]], *, tail: str = "") -> None:
    """Insert many rows of the same columns on the driver, which takes a third of the time that SQLAlchemy takes.
    ``tail`` may be an ON CONFLICT clause. Raises the driver's IntegrityError."""
    below = driver(connection)
    dialect_of(below).insert(below, table, rows, tail)


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
    rows = driver(connection).execute(_STATES_AFTER.format(beyond=beyond, limit=PAGE_ROWS), parameters)
    return list(map(_state, rows.fetchall()))


def _state(row: Any) -> FileState:
    path, size_bytes, mtime_ns, image_id = row
    return FileState(os.fsdecode(path), size_bytes, mtime_ns, image_id)


def failed_after(connection: Connection, root_id: int | None, after: tuple[int, bytes] | None) -> list[FailedFile]:
    """The next page of failures, by root and path."""
    columns = [failures.c[name] for name in FailedFile.__dataclass_fields__]
    statement = select(*columns).order_by(failures.c.root_id, failures.c.relative_path).limit(PAGE_ROWS)
    if root_id is not None:
        statement = statement.where(failures.c.root_id == root_id)
    if after is not None:
        statement = statement.where(tuple_(failures.c.root_id, failures.c.relative_path) > after)
    return [FailedFile(row[0], os.fsdecode(row[1]), *row[2:]) for row in connection.execute(statement)]
