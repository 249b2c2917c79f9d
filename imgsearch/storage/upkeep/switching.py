"""Makes the vectors that lie beside a library's own the library's, and back; removes them."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from itertools import islice

from imgsearch.errors import LibraryError, UsageError
from imgsearch.files import fsync_folder, reached, writer_lock
from imgsearch.records import ModelId
from imgsearch.storage.beside import missing_beside
from imgsearch.storage.catalog import beside as rows
from imgsearch.storage.catalog.beside import BesideVectors
from imgsearch.storage.catalog.database import utc_now
from imgsearch.storage.catalog.orm_reads import driver
from imgsearch.storage.catalog.row_writes import delete_images, next_generation, write_events
from imgsearch.storage.catalog.stats import folder_bytes
from imgsearch.storage.snapshots import remove_unnamed
from imgsearch.storage.store import Store
from imgsearch.storage.writer import BESIDE_HINT, Writer, writing

_NAMED = 3  # missing pictures in a message


@dataclass(frozen=True, slots=True)
class Switched:
    """A library whose vectors were exchanged: from ``before`` to ``now``. ``dropped``: images that had none of ``now``,
    whose files the next index run reads as new ones."""

    before: ModelId
    now: ModelId
    dropped: int


@dataclass(frozen=True, slots=True)
class ForgottenVectors:
    """Vectors beside the library's own that were removed, and the bytes that this freed."""

    model: ModelId
    images: int
    freed_bytes: int


def switch_vectors(store: Store, *, back: bool = False, drop_missing: bool = False, wait_s: float = 0.0) -> Switched:
    """Make the vectors beside the library's own, in one transaction; the former ones then lie beside. ``back``: return
    to the former ones. Searches go on: one that has the former vectors open keeps them.

    Raises UsageError where nothing lies beside, or the library was switched (was not switched) already; LibraryError
    where images have no vector there, unless ``drop_missing`` lets their files leave the library until the next index
    run; LibraryBusy. Cost: a rewrite of every image's row, 25 s a million images."""
    with writing(store, wait_s=wait_s) as writer:
        with store.catalog.look() as connection:
            found = _required(rows.read_beside(connection), store)
            before = rows.own_side(connection).model
        _check_direction(found, before, back=back)
        if found.missing and not drop_missing:
            raise _incomplete(store, found)
        with writer.catalog.write() as connection:
            below = driver(connection)
            dropped = found.missing if drop_missing else 0
            if dropped:
                rows.forget_files_of_missing(below)
            delete_images(connection, rows.deleted_without_vectors(below))
            rows.exchange(below, former=not back, now=utc_now())
            data = {"from": before.name, "to": found.model.name, "back": back, "dropped": dropped}
            write_events(connection, [("vectors-switched", data)])
            reached("switch-written")
        reached("switch-committed")
    return Switched(before, found.model, dropped)


def forget_vectors(store: Store, *, wait_s: float = 0.0) -> ForgottenVectors:
    """Remove the vectors beside the library's own with their search index. A search that has them open keeps them.
    Raises UsageError where there are none, LibraryBusy, StorageFull."""
    with writer_lock(store.layout.lock, wait_s=wait_s):  # not writing(): they may be damaged
        with store.catalog.look() as connection:
            found = _required(rows.read_beside(connection), store)
        before = folder_bytes(store.layout.segments) + folder_bytes(store.layout.snapshots)
        writer = Writer(store)
        names = [info.file_name for info in writer.committed_segments(beside=True).infos]
        with writer.catalog.write() as connection:
            rows.forget_beside(driver(connection))
            next_generation(connection)
            write_events(connection, [("vectors-forgotten", {"model": found.model.name})])
            reached("forget-written")
        reached("forget-committed")
        for name in names:
            (store.layout.segments / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            fsync_folder(store.layout.segments)
        remove_unnamed(store)
        reached("forget-unlinked")
    after = folder_bytes(store.layout.segments) + folder_bytes(store.layout.snapshots)
    return ForgottenVectors(found.model, found.images, max(0, before - after))


def _required(found: BesideVectors | None, store: Store) -> BesideVectors:
    if found is None:
        raise UsageError(f"no vectors lie beside those of the library {store.path}", BESIDE_HINT)
    return found


def _check_direction(found: BesideVectors, now: ModelId, *, back: bool) -> None:
    if found.former and not back:
        raise UsageError(
            f"the library was switched to {now.name!r} already; what lies beside is {found.model.name!r} from before",
            "`imgsearch switch --back` returns to it, `imgsearch switch --forget` removes it",
        )
    if back and not found.former:
        raise UsageError(
            f"the library's vectors are of {now.name!r}, and it was not switched to them from {found.model.name!r}",
            f"`imgsearch switch` (without --back) makes those of {found.model.name!r} the library's",
        )


def _incomplete(store: Store, found: BesideVectors) -> LibraryError:
    total = found.images + found.missing
    paths = store.paths(islice(missing_beside(store), _NAMED))
    named = ", ".join(str(path) for _, path in sorted(paths.items()))
    more = ", ..." if found.missing > len(paths) else ""
    return LibraryError(
        f"{found.missing:,} of {total:,} pictures have no vectors of {found.model.name!r}: {named}{more}",
        "`imgsearch index --beside` makes them; where files cannot be read, --drop-missing lets these pictures leave "
        "the library until `imgsearch index` can read them again",
    )
