"""Vectors of a second model of the same pictures, made beside the library's own while these go on being searched.
`imgsearch.storage.upkeep.switching` makes them the library's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgsearch.errors import ModelMismatch, UsageError
from imgsearch.files import reached
from imgsearch.records import ModelId, is_model_free
from imgsearch.storage.catalog import beside as rows
from imgsearch.storage.catalog.beside import BesideVectors
from imgsearch.storage.catalog.database import utc_now
from imgsearch.storage.store import Store
from imgsearch.storage.vectors.segments import VectorShape

_PAGE = 4096
_WAIT_S = 5.0


def store_beside(store: Store) -> Store | None:
    """The same library with the vectors that lie beside its own, for reading and searching; None if there are none.
    Shares the catalog's connections: closing either closes both."""
    with store.catalog.look() as connection:
        side = rows.beside_side(connection)
    return None if side is None else Store(store.layout, store.catalog, side.model, side.dtype)


def is_current(store: Store) -> bool:
    """Whether the store's vectors are the library's own, and not those from before a switch."""
    with store.catalog.look() as connection:
        return rows.same_vectors(rows.own_side(connection).model, store.model)


def vectors_beside(store: Store) -> BesideVectors | None:
    """Whose vectors lie beside the library's own, and of how many images; None if there are none."""
    with store.catalog.look() as connection:
        return rows.read_beside(connection)


def begin_beside(store: Store, model: ModelId, dtype: str = "float16") -> Store:
    """Let vectors of ``model`` be made beside the library's own, or go on with those that are there. Returns the store
    that reads them (`store_beside`). ``dtype``: how they are stored, as in `create_store`.

    Raises UsageError (the library's own model; none), ModelMismatch (those of a third model lie there), LibraryBusy.
    """
    from imgsearch.storage.writer import writing

    if is_model_free(model):
        raise UsageError("a library without a model has no vectors, so there is nothing to make", "name a model")
    VectorShape(dtype, model.query_tokens, model.dims)
    with writing(store, wait_s=_WAIT_S) as writer, writer.catalog.write() as connection:
        from imgsearch.storage.catalog.orm_reads import driver

        below = driver(connection)
        if rows.same_vectors(rows.own_side(below).model, model):
            raise UsageError(
                f"the library's own vectors are of {model.name!r} already", "name another model: --model NEW --beside"
            )
        there = rows.beside_side(below)
        if there is None:
            rows.insert_beside(below, model, dtype, utc_now())
        elif not rows.same_vectors(there.model, model):
            raise ModelMismatch(
                f"vectors of {there.model.name!r} lie beside the library's own; got {model.name!r}",
                f"go on with those (imgsearch index --beside), or remove them first: imgsearch switch --forget "
                f"--library {store.path}",
            )
    found = store_beside(store)
    assert found is not None
    return found


def missing_beside(store: Store) -> Iterator[int]:
    """Ids, ascending, of the live images that have no vector beside, a page at a time; those that are made meanwhile
    drop out."""
    last = 0
    while True:
        with store.catalog.look() as connection:
            page = rows.missing_after(connection, last, _PAGE)
        if not page:
            return
        yield from page
        last = page[-1]


def add_beside(store: Store, vectors: Mapping[int, NDArray[np.floating[Any]]], *, wait_s: float = 0.0) -> int:
    """Commit vectors [T, D], finite, of images by id, beside the library's own: appended and fsynced, then one
    transaction. ``store`` is `store_beside`'s. An image that left the library or has its vector already is passed over.
    Returns how many were added. Holds the writer lock for that moment alone, so that other writers get their turn.

    Raises ModelMismatch (others lie there now), LibraryBusy, StorageFull, ValueError."""
    from imgsearch.storage.catalog.orm_reads import driver
    from imgsearch.storage.catalog.row_writes import write_batches
    from imgsearch.storage.writer import BESIDE_HINT, writing

    with writing(store, wait_s=wait_s) as writer:
        with store.catalog.look() as connection:
            if not store.side(connection).beside:
                raise ModelMismatch(f"the vectors of {store.model.name!r} are the library's own now", BESIDE_HINT)
            wanted = sorted(rows.without_vectors(connection, vectors))
        if not wanted:
            return 0
        stacked = np.stack([vectors[image_id] for image_id in wanted])
        if not np.isfinite(stacked).all():
            raise ValueError("got vectors that are not finite, expected numbers")
        segments = writer.committed_segments(beside=True)
        before = segments.next_slot
        try:
            appended = segments.append(stacked)
            segments.sync()
            with writer.catalog.write() as connection:
                write_batches(connection, [appended], beside=True)
                numbers = range(appended.slots.first, appended.slots.stop)
                rows.insert_slots(driver(connection), zip(wanted, numbers, strict=True))
                rows.next_beside_generation(driver(connection))
                reached("beside-written")
        except BaseException:
            segments.truncate(before)
            raise
        finally:
            segments.close()
        reached("beside-committed")
    return len(wanted)
