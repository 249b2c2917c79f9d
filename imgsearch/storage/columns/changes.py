"""Which columns a library has, and which images changed since they were read. Triggers of the catalog note these (see
migration 0010); both tables are empty while there are no columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from imgsearch.records import Int64
from imgsearch.storage.catalog.dialects import SqlConnection

_ROW = """SELECT file_name, checksum, generation, last_image_id, images, size_bytes FROM filter_columns
    WHERE file_name <> ''"""
_CHANGED = "SELECT image_id FROM changed_images WHERE generation >= ? AND image_id <= ? ORDER BY image_id LIMIT ?"
_EVERY_ID = 1 << 62
_NEWER = "SELECT image_id FROM images WHERE image_id > ? ORDER BY image_id LIMIT ?"


@dataclass(frozen=True, slots=True)
class ColumnsRow:
    """The columns that the catalog names: they hold the live images up to ``last_image_id`` as of ``generation``."""

    file_name: str
    checksum: int
    generation: int
    last_image_id: int
    images: int
    size_bytes: int


def columns_row(connection: SqlConnection) -> ColumnsRow | None:
    """The library's columns; None if it has none. Their file may be gone."""
    row = connection.execute(_ROW).fetchone()
    return None if row is None else ColumnsRow(*row)


def changed_since(connection: SqlConnection, row: ColumnsRow, most: int) -> tuple[Int64, Int64] | None:
    """(ids up to ``last_image_id`` of images that changed or are gone, later ids), ascending; None if there are more
    than ``most`` of either."""
    changed = connection.execute(_CHANGED, (row.generation, row.last_image_id, most + 1)).fetchall()
    newer = connection.execute(_NEWER, (row.last_image_id, most + 1)).fetchall()
    if len(changed) > most or len(newer) > most:
        return None
    one, other = (np.array(rows, np.int64).reshape(-1) for rows in (changed, newer))
    return one, other


def note_changes(connection: SqlConnection) -> int:
    """Let the changes of all images be noted from now on: columns will be read. Inside a write transaction. -> what
    `write_row` wants to be given."""
    found = connection.execute("SELECT checksum FROM filter_columns").fetchone()
    if found is None:
        connection.execute(
            "INSERT INTO filter_columns (id, file_name, noted_up_to, checksum, generation, last_image_id, images,"
            " size_bytes) VALUES (1, '', ?, 0, 0, 0, 0, 0)",
            (_EVERY_ID,),
        )
        return 0
    connection.execute("UPDATE filter_columns SET noted_up_to = ?", (_EVERY_ID,))
    return int(found[0])


def write_row(connection: SqlConnection, row: ColumnsRow, before: int) -> bool:
    """Name new columns, and forget what changed before they were read. Inside a write transaction. ``before`` is what
    `note_changes` gave; if others were named since then, nothing is written and the answer is False."""
    values = (row.file_name, row.checksum, row.generation, row.last_image_id, row.last_image_id, row.images)
    written = connection.execute(
        "UPDATE filter_columns SET file_name = ?, checksum = ?, generation = ?, last_image_id = ?, noted_up_to = ?,"
        " images = ?, size_bytes = ? WHERE checksum = ?",
        (*values, row.size_bytes, before),
    ).rowcount
    if written:
        connection.execute("DELETE FROM changed_images WHERE generation < ?", (row.generation,))
    return bool(written)
