"""Counts and sizes of a library."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Table, func, select

from imgsearch.errors import LibraryMissing
from imgsearch.records import ModelId, Root
from imgsearch.storage.catalog import beside as beside_rows
from imgsearch.storage.catalog import orm_reads as queries
from imgsearch.storage.catalog.beside import BesideVectors
from imgsearch.storage.catalog.dialects.contract import CatalogAccess
from imgsearch.storage.catalog.revisions import HEAD
from imgsearch.storage.catalog.schema import batches, deletions, failures, files, images, segments
from imgsearch.storage.layout import LibraryLayout


@dataclass(frozen=True, slots=True)
class RootStats:
    """One root, with its file and failure rows."""

    root: Root
    files: int
    failures: int


@dataclass(frozen=True, slots=True)
class BesideStats:
    """Vectors of a second model: their ``vector_bytes`` are part of the library's, ``snapshot_bytes`` of the whole."""

    vectors: BesideVectors
    vector_bytes: int
    snapshot_bytes: int


@dataclass(frozen=True, slots=True)
class Stats:
    """``images`` are those that a search can return; ``deleted_images`` wait for ``compact``. Sizes in bytes:
    ``vector_bytes`` of the folder segments, ``catalog_bytes`` of the catalog with its log, ``total_bytes`` of
    the whole library's folder. ``beside``: of the vectors that lie beside the library's own."""

    path: Path
    format_version: int
    revision: str
    created_at: str
    model: ModelId
    dtype: str
    generation: int
    images: int
    deleted_images: int
    files: int
    failures: int
    transient_failures: int
    batches: int
    segments: int
    vector_bytes: int
    catalog_bytes: int
    total_bytes: int
    roots: tuple[RootStats, ...]
    beside: BesideStats | None = None


def read_stats(layout: LibraryLayout, catalog: CatalogAccess) -> Stats:
    """Counts from one consistent snapshot; sizes from the disk at the moment."""
    with catalog.read() as connection:
        row = queries.library_row(connection)
        if row is None:
            raise LibraryMissing(f"{layout.folder} holds no finished library", "make one with `imgsearch index FOLDER`")
        deleted = _count(connection, deletions)
        transient = select(func.count()).select_from(failures).where(failures.c.transient)
        by_root = {table.name: _count_by_root(connection, table) for table in (files, failures)}
        roots = queries.resolved_roots(connection, layout.folder)
        return Stats(
            path=layout.folder,
            format_version=row.format_version,
            revision=HEAD,
            created_at=row.created_at,
            model=row.model,
            dtype=row.vector_dtype,
            generation=row.generation,
            images=_count(connection, images) - deleted,
            deleted_images=deleted,
            files=sum(by_root["files"].values()),
            failures=sum(by_root["failures"].values()),
            transient_failures=int(connection.execute(transient).scalar_one()),
            batches=_count(connection, batches),
            segments=_count(connection, segments),
            vector_bytes=folder_bytes(layout.segments),
            catalog_bytes=catalog.size_bytes(),
            total_bytes=folder_bytes(layout.folder),
            roots=tuple(
                RootStats(root, by_root["files"].get(root.root_id, 0), by_root["failures"].get(root.root_id, 0))
                for root in roots
            ),
            beside=_beside_stats(layout, connection),
        )


def _beside_stats(layout: LibraryLayout, connection: Connection) -> BesideStats | None:
    below = queries.driver(connection)
    found = beside_rows.read_beside(below)
    if found is None:
        return None
    names = [info.file_name for info in queries.segment_rows(connection, beside=True)]
    (snapshots,) = below.execute("SELECT coalesce(sum(size_bytes), 0) FROM snapshots WHERE beside = 1").fetchone()
    return BesideStats(found, sum(_size(layout.segments / name) for name in names), snapshots)


def folder_bytes(folder: Path) -> int:
    """The sum of the sizes of all files below ``folder``; files that vanish in the meantime count nothing."""
    return sum(_size(path) for path in _files_below(folder))


def _files_below(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder):
        yield from (Path(parent) / name for name in names)


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def _count(connection: Connection, table: Table) -> int:
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def _count_by_root(connection: Connection, table: Table) -> dict[int, int]:
    rows = connection.execute(select(table.c.root_id, func.count()).group_by(table.c.root_id))
    return {int(row[0]): int(row[1]) for row in rows}
