"""The catalog's rows of a second model's vectors, which lie beside the library's own until a switch exchanges the two.
Plain SQL on the driver, so that a search that asks whose vectors are the library's loads no SQLAlchemy.

Both kinds of vectors share the numbers of slots and the folder of segments. An image's slot among the library's own
vectors is ``images.slot``, among those beside ``beside_slots.slot``; ``segments`` and ``snapshots`` say whose they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass
from typing import Any

from imgsearch.records import Int64, ModelId
from imgsearch.storage.catalog import sqlite_reads as lookups
from imgsearch.storage.catalog.dialects import SqlConnection
from imgsearch.storage.catalog.rereads import retire_slot

_MODEL = ("model_name", "model_fingerprint", "model_recipe", "model_dtype", "query_tokens", "dims")
_COLUMNS = ", ".join(_MODEL)
_MISSING = """FROM images WHERE image_id NOT IN (SELECT image_id FROM deletions)
    AND image_id NOT IN (SELECT image_id FROM beside_slots)"""
_SWAP_SLOTS = (
    "CREATE TEMPORARY TABLE former_slots AS SELECT image_id, slot FROM images",
    # No two rows ever hold one slot on the way, because a slot's number is used once in a library.
    "UPDATE images SET slot = (SELECT slot FROM beside_slots WHERE beside_slots.image_id = images.image_id)",
    "DELETE FROM beside_slots",
    "INSERT INTO beside_slots (image_id, slot) SELECT image_id, slot FROM former_slots",
    "DROP TABLE former_slots",
    "UPDATE segments SET beside = 1 - beside",
    "UPDATE snapshots SET beside = 1 - beside",
)
_SPANS = """SELECT batches.first_slot, batches."count" FROM batches JOIN segments USING (segment_id) WHERE beside = 0"""


@dataclass(frozen=True, slots=True)
class BesideVectors:
    """Whose vectors lie beside the library's own. ``former``: they were the library's before a switch. ``images``: live
    images that have them, ``missing``: those that do not."""

    model: ModelId
    dtype: str
    made_at: str
    former: bool
    images: int
    missing: int


@dataclass(frozen=True, slots=True)
class Side:
    """The vectors of one model in a library: its own ones or those ``beside``. ``generation`` changes with every commit
    that can change a search in them."""

    beside: bool
    model: ModelId
    dtype: str
    generation: int


def same_vectors(first: ModelId, second: ModelId) -> bool:
    """Whether vectors of both may stand beside each other; one checkpoint has many names."""
    return astuple(first)[1:] == astuple(second)[1:]


def own_side(connection: SqlConnection) -> Side:
    """The library's own vectors. A library that is being made has none yet, which no store is open on."""
    row = lookups.library_row(connection)
    assert row is not None
    return Side(False, row.model, row.vector_dtype, row.generation)


def beside_side(connection: SqlConnection) -> Side | None:
    """The vectors beside, if there are any."""
    row = connection.execute(f"SELECT vector_dtype, generation, {_COLUMNS} FROM beside").fetchone()
    if row is None:
        return None
    return Side(True, ModelId(*row[2:]), row[0], lookups.generation(connection) + row[1])


def side_of(connection: SqlConnection, model: ModelId) -> Side | None:
    """The vectors of ``model``; None if the library has none of it (any more)."""
    own = own_side(connection)
    if same_vectors(own.model, model):
        return own
    other = beside_side(connection)
    return other if other is not None and same_vectors(other.model, model) else None


def read_beside(connection: SqlConnection) -> BesideVectors | None:
    """What lies beside the library's own vectors, counted: 0.2 s a million images."""
    side = beside_side(connection)
    if side is None:
        return None
    made_at, former = connection.execute("SELECT made_at, former FROM beside").fetchone()
    (have,) = connection.execute(
        "SELECT count(*) FROM beside_slots WHERE image_id NOT IN (SELECT image_id FROM deletions)"
    ).fetchone()
    return BesideVectors(side.model, side.dtype, made_at, bool(former), have, count_missing(connection))


def count_missing(connection: SqlConnection) -> int:
    """Live images without a vector beside."""
    return int(connection.execute(f"SELECT count(*) {_MISSING}").fetchone()[0])


def missing_after(connection: SqlConnection, image_id: int, limit: int) -> list[int]:
    """The next live images without a vector beside, by id."""
    rows = connection.execute(
        f"SELECT image_id {_MISSING} AND image_id > ? ORDER BY image_id LIMIT ?", (image_id, limit)
    )
    return [row[0] for row in rows]


def insert_beside(connection: SqlConnection, model: ModelId, dtype: str, now: str) -> None:
    """Note that vectors of ``model`` will lie beside the library's own."""
    names, values = f"id, made_at, former, {_COLUMNS}, vector_dtype, generation", (1, now, 0, *_stored(model), dtype, 0)
    connection.execute(f"INSERT INTO beside ({names}) VALUES ({lookups.marks(values)})", values)


def insert_slots(connection: SqlConnection, slots: Iterable[tuple[int, int]]) -> None:
    """The slots of new vectors, as (image id, slot)."""
    connection.executemany("INSERT INTO beside_slots (image_id, slot) VALUES (?, ?)", slots)


def without_vectors(connection: SqlConnection, image_ids: Iterable[int]) -> set[int]:
    """Those of ``image_ids`` that the library still has and that have no vector beside."""
    found: set[int] = set()
    for chunk in lookups.chunks(image_ids):
        statement = f"SELECT image_id FROM images WHERE image_id IN ({lookups.marks(chunk)})"
        rows = connection.execute(f"{statement} AND image_id NOT IN (SELECT image_id FROM beside_slots)", chunk)
        found |= {row[0] for row in rows}
    return found


def drop_slots(connection: SqlConnection, first: int, stop: int) -> int:
    """Forget the vectors beside in these slots. Returns how many images lose theirs."""
    return connection.execute("DELETE FROM beside_slots WHERE slot >= ? AND slot < ?", (first, stop)).rowcount


def next_beside_generation(connection: SqlConnection) -> None:
    """Mark every view of the vectors beside as possibly out of date; those of the library's own stay current."""
    connection.execute("UPDATE beside SET generation = generation + 1")


def forget_files_of_missing(connection: SqlConnection) -> int:
    """Remove the files of live images without a vector beside, so that the next index run reads them as new ones."""
    return connection.execute(f"DELETE FROM files WHERE image_id IN (SELECT image_id {_MISSING})").rowcount


def deleted_without_vectors(connection: SqlConnection) -> list[int]:
    """Images without a file and without a vector beside: after a switch nothing could bring them back."""
    statement = "SELECT image_id FROM deletions WHERE image_id NOT IN (SELECT image_id FROM beside_slots)"
    return [row[0] for row in connection.execute(f"{statement} ORDER BY image_id")]


def exchange(connection: SqlConnection, former: bool, now: str) -> None:
    """Make the vectors beside the library's own, and the other way round; every image must have both. ``former``: what
    is beside then was the library's before."""
    for statement in _SWAP_SLOTS:
        connection.execute(statement)
    own, other = own_side(connection), beside_side(connection)
    assert other is not None
    calibrated = connection.execute("SELECT data, created_at FROM calibration").fetchone() or (None, None)
    then = connection.execute("SELECT calibration, calibrated_at FROM beside").fetchone()
    places = ", ".join(f"{name} = ?" for name in (*_MODEL, "vector_dtype"))
    # More than either's generation, so that every view notices.
    connection.execute(
        f"UPDATE library SET {places}, generation = ?", (*_stored(other.model), other.dtype, other.generation + 1)
    )
    connection.execute(
        f"UPDATE beside SET {places}, generation = 0, former = ?, made_at = ?, calibration = ?, calibrated_at = ?",
        (*_stored(own.model), own.dtype, int(former), now, *calibrated),
    )
    connection.execute("DELETE FROM calibration")
    if then[0] is not None:
        connection.execute("INSERT INTO calibration (id, data, created_at) VALUES (1, ?, ?)", then)
    _give_slots_owners(connection, now)


def forget_beside(connection: SqlConnection) -> None:
    """Remove every row of the vectors beside."""
    connection.execute("DELETE FROM beside_slots")
    connection.execute("DELETE FROM batches WHERE segment_id IN (SELECT segment_id FROM segments WHERE beside = 1)")
    for table in ("segments", "snapshots"):
        connection.execute(f"DELETE FROM {table} WHERE beside = 1")
    connection.execute("DELETE FROM beside")


def beside_calibration(connection: SqlConnection) -> str | None:
    """The JSON of the calibration that belongs to the vectors beside."""
    row = connection.execute("SELECT calibration FROM beside").fetchone()
    return None if row is None or row[0] is None else str(row[0])


def _give_slots_owners(connection: SqlConnection, now: str) -> None:
    """Each slot of the library's own vectors belongs to an image, if only to a deleted one until a compaction. Those
    whose image left the library while they lay beside have none."""
    import numpy as np

    used = np.fromiter((row[0] for row in connection.execute("SELECT slot FROM images ORDER BY slot")), np.int64)
    for first, count in connection.execute(_SPANS).fetchall():
        low, high = np.searchsorted(used, [first, first + count])
        if high - low < count:
            slots: Int64 = np.setdiff1d(np.arange(first, first + count), used[low:high])
            for slot in slots.tolist():
                retire_slot(connection, slot, now)


def _stored(model: ModelId) -> tuple[Any, ...]:
    return (model.name, model.fingerprint, model.recipe, model.dtype, model.query_tokens, model.dims)
