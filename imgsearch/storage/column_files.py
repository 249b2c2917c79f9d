"""Makes the columns that answer filters (`imgsearch.storage.columns`), published so that a reader sees either the old
ones or the new ones whole."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from imgsearch.errors import LibraryError, SegmentDamaged
from imgsearch.files import fsync_folder, reached
from imgsearch.storage.catalog import sqlite_reads as lookups
from imgsearch.storage.columns.changes import ColumnsRow, changed_since, columns_row, note_changes, write_row
from imgsearch.storage.columns.file import BUILD_HINT, ArrayFile, write_arrays
from imgsearch.storage.disk_errors import disk_errors
from imgsearch.storage.snapshots import is_alive
from imgsearch.storage.store import Store

COLUMNS_SUFFIX = ".columns"
_BUILDING = ".columns-"


@dataclass(frozen=True, slots=True)
class ColumnsOutlook:
    """What the library's columns are worth: ``images`` in the catalog, whether there are columns that can be read, and
    how many images changed or came since they were; None: more than `columns_outlook` was to count."""

    images: int
    sound: bool
    changed: int | None


def columns_outlook(store: Store, most: Callable[[int], int]) -> ColumnsOutlook:
    """How well the present columns serve the library; changes are counted up to ``most(images)`` of either kind. Reads
    the head of their file, and counts the images: 30 ms a million."""
    with store.catalog.look() as connection:
        images = int(connection.execute("SELECT count(*) FROM images").fetchone()[0])
        row = columns_row(connection)
        changes = None if row is None else changed_since(connection, row, most(images))
    sound = row is not None and _is_sound(store, row)
    return ColumnsOutlook(images, sound, None if changes is None else sum(map(len, changes)))


def build_columns(store: Store, *, wait_s: float = 0.0) -> ColumnsRow | None:
    """Read the columns anew and publish them: 10 s and 0.8 GB for a million images. Searches and writers continue
    meanwhile; the writer lock is held at the beginning and the end, for a moment. None if another process published
    some meanwhile. If it is killed or fails, the old ones stay. Raises LibraryBusy, StorageFull."""
    from imgsearch.storage.catalog.orm_reads import driver
    from imgsearch.storage.writer import writing

    with writing(store, wait_s=wait_s) as writer, writer.catalog.write() as connection:
        before = note_changes(driver(connection))
    path = store.layout.snapshots / f"{_BUILDING}{os.getpid()}-{secrets.token_hex(4)}"
    try:
        row = _written(store, path)
        with writing(store, wait_s=wait_s) as writer:
            with disk_errors(path):
                path.replace(path.with_name(row.file_name))
                fsync_folder(path.parent)
            reached("columns-named")
            with writer.catalog.write() as connection:
                published = write_row(driver(connection), row, before)
                named = columns_row(driver(connection))
            if named is not None:
                _remove_others(path.parent, named.file_name)
    finally:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
    return row if published else None


def check_columns(store: Store) -> None:
    """Read all columns that the library has. Raises SegmentDamaged."""
    with store.catalog.look() as connection:
        row = columns_row(connection)
    if row is not None:
        _open(store, row).check()


def _written(store: Store, path: Path) -> ColumnsRow:
    """Read the columns and write them, durably, to ``path``."""
    from imgsearch.storage.columns.tables import read_columns

    with store.catalog.look() as connection:
        generation = lookups.generation(connection)
        arrays = read_columns(connection)
        last = int(connection.execute("SELECT coalesce(max(image_id), 0) FROM images").fetchone()[0])
    about = {"generation": generation, "last_image_id": last, "images": len(arrays["image_id"])}
    with disk_errors(path):
        path.parent.mkdir(exist_ok=True)
        with path.open("wb") as file:
            checksum = write_arrays(file, about, arrays)
            file.flush()
            reached("columns-written")
            os.fsync(file.fileno())
            size = file.tell()
    name = f"{last:012d}-{generation}-{checksum:08x}{COLUMNS_SUFFIX}"
    return ColumnsRow(name, checksum, generation, last, about["images"], size)


def _open(store: Store, row: ColumnsRow) -> ArrayFile:
    path = store.layout.snapshots / row.file_name
    file = ArrayFile(path, row.checksum)
    if (file.about["generation"], file.about["last_image_id"]) != (row.generation, row.last_image_id):
        raise SegmentDamaged(f"the columns {path.name} are others than the catalog says", BUILD_HINT)
    return file


def _is_sound(store: Store, row: ColumnsRow) -> bool:
    try:
        _open(store, row)
    except LibraryError:
        return False
    return True


def _remove_others(folder: Path, kept: str) -> None:
    """Other columns, and leftovers of killed builds; a reader keeps its map of an unlinked file."""
    for path in folder.iterdir():
        builder = path.name.removeprefix(_BUILDING).partition("-")[0]
        stale = path.name.startswith(_BUILDING) and not is_alive(builder)
        if path.name != kept and (path.suffix == COLUMNS_SUFFIX or stale):
            with contextlib.suppress(OSError):
                path.unlink()
