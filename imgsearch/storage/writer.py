"""All operations that need the writer lock. What only some of them write with is imported there: a run that finds
nothing new does without."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, insert, select, update

from imgsearch.errors import LibraryError, ModelMismatch, UsageError
from imgsearch.files import reached, writer_lock
from imgsearch.records import Root
from imgsearch.storage.batch import Forgotten
from imgsearch.storage.catalog import beside as beside_rows
from imgsearch.storage.catalog import orm_reads as queries
from imgsearch.storage.catalog import sqlite_reads as lookups
from imgsearch.storage.catalog.database import utc_now
from imgsearch.storage.catalog.row_writes import next_generation, write_events
from imgsearch.storage.catalog.schema import calibration, deletions, failures, files, images, library, roots
from imgsearch.storage.store import Store
from imgsearch.storage.vectors.segment_store import SegmentStore
from imgsearch.storage.vectors.segments import VectorShape

if TYPE_CHECKING:
    from imgsearch.storage.catalog.texts.captions import StoredCaption
    from imgsearch.storage.catalog.texts.image_texts import StoredText
    from imgsearch.storage.transaction import WriteTransaction

BESIDE_HINT = "`imgsearch index --model MODEL --beside` makes them"


@contextlib.contextmanager
def writing(store: Store, *, wait_s: float = 0.0) -> Iterator[Writer]:
    """Hold the writer lock, and mend the leftovers of a killed writer. Raises LibraryBusy, SegmentDamaged."""
    with writer_lock(store.layout.lock, wait_s=wait_s), store.catalog.exclusive(wait_s=wait_s):
        writer = Writer(store)
        try:
            writer.recover()
            yield writer
        finally:
            writer.segments.close()


class Writer:
    """The writing side of a library, while its lock is held; made by `writing`. For one thread at a time."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.catalog = store.catalog
        self.segments = self.committed_segments(beside=False)
        self._in_transaction = False
        self._broken = False

    def committed_segments(self, *, beside: bool) -> SegmentStore:
        """The segments exactly as the catalog has them: the library's own, or those ``beside`` them, whose appends
        become rows by `imgsearch.storage.beside`. Append to one of the two at a time: they number slots together.
        Raises ModelMismatch where nothing lies beside."""
        with self.catalog.read() as connection:
            next_slot = connection.execute(select(library.c.next_slot)).scalar_one()
            infos = queries.segment_rows(connection, beside)
            below = queries.driver(connection)
            side = beside_rows.beside_side(below) if beside else beside_rows.own_side(below)
        if side is None:
            raise ModelMismatch(f"no vectors lie beside those of the library {self.store.path}", BESIDE_HINT)
        shape = VectorShape(side.dtype, side.model.query_tokens, side.model.dims)
        return SegmentStore(self.store.layout.segments, shape, infos, int(next_slot))

    def recover(self) -> None:
        """Cut back the leftovers of a killed writer, and store where moved roots are. Raises SegmentDamaged."""
        with self.catalog.read() as connection:
            others = {info.file_name for info in queries.segment_rows(connection, beside=True)}
        self.segments.recover(spared=others)
        if others:
            own = {info.file_name for info in self.segments.infos}
            self.committed_segments(beside=True).recover(spared=own)
        self._refresh_roots()

    def require_current(self) -> None:
        """Raise ModelMismatch if the library was switched to another model since its store was opened: vectors of the
        one before would come among others."""
        with self.catalog.look() as connection:
            current = beside_rows.same_vectors(beside_rows.own_side(connection).model, self.store.model)
        if not current:
            raise ModelMismatch(
                f"the library {self.store.path} was switched to another model while this ran with "
                f"{self.store.model.name!r}",
                "run the same command again",
            )

    def transaction(self) -> WriteTransaction:
        """A new transaction; one at a time."""
        if self._in_transaction:
            raise ValueError("a transaction is open already, expected one at a time")
        if self._broken:
            raise LibraryError(
                "an earlier write failed and could not be undone in place",
                "run the same command again: taking the lock mends the library",
            )
        from imgsearch.storage.transaction import WriteTransaction

        self._in_transaction = True
        return WriteTransaction(self.catalog, self.segments, self._transaction_ended, self.require_current)

    def cut_back(self) -> None:
        """Bring the segments back to the state that the catalog has committed. If that fails too (the disk is gone),
        the writer refuses further work, and the next holder of the lock mends the library."""
        try:
            self.catalog.require_exclusive()  # else a commit may still arrive from the session that was lost
            with self.catalog.read() as connection:
                next_slot = connection.execute(select(library.c.next_slot)).scalar_one()
            self.segments.truncate(int(next_slot))
        except (LibraryError, OSError):
            self._broken = True

    def add_root(self, path: Path) -> Root:
        """Watch the folder or file ``path``; returns the existing root if there is one."""
        absolute = Path(os.path.abspath(path))  # noqa: PTH100 - symbolic links stay as the person wrote them
        for root in self.store.roots():
            if root.path == absolute:
                return root
        row = self._root_columns(absolute) | {"offline": False, "added_at": utc_now()}
        with self.catalog.write() as connection:
            key = connection.execute(insert(roots).values(row)).inserted_primary_key
        return Root(key[0] if key else 0, absolute)

    def set_root_offline(self, root_id: int, offline: bool) -> None:
        """Record whether a root can be reached; all its rows stay either way."""
        with self.catalog.write() as connection:
            connection.execute(update(roots).where(roots.c.root_id == root_id).values(offline=offline))
            next_generation(connection)

    def forget_root(self, root_id: int) -> Forgotten:
        """Remove a root with its files and failures. Its images leave the results unless another root holds
        them; the image files are not touched. UsageError for an unknown root."""
        root = next((root for root in self.store.roots() if root.root_id == root_id), None)
        if root is None:
            raise UsageError(f"the library has no root {root_id}", "`imgsearch stats` lists its roots")
        with self.catalog.write() as connection:
            count = select(func.count()).select_from(deletions)
            before = connection.execute(count).scalar_one()
            removed = connection.execute(delete(files).where(files.c.root_id == root_id)).rowcount
            connection.execute(delete(failures).where(failures.c.root_id == root_id))
            connection.execute(delete(roots).where(roots.c.root_id == root_id))
            deleted = connection.execute(count).scalar_one() - before
            next_generation(connection)
        return Forgotten(root, removed, deleted)

    def set_calibration(self, data: str | None) -> None:
        """Set the library's own calibration (JSON), or remove it."""
        with self.catalog.write() as connection:
            connection.execute(delete(calibration))
            if data is not None:
                row = {"id": 1, "data": data, "created_at": utc_now()}
                connection.execute(insert(calibration).values(row))

    def add_signatures(self, made: Mapping[int, bytes]) -> int:
        """Set the signatures of images, by id (see records.SIGNATURE_BYTES), at once; missing images are skipped.
        Returns how many were written. Raises ValueError for a signature of another length."""
        from imgsearch.storage.catalog.image_rows import write_signatures

        with self.catalog.write() as connection:
            there: set[int] = set()
            for chunk in lookups.chunks(made):
                there.update(
                    connection.execute(select(images.c.image_id).where(images.c.image_id.in_(chunk))).scalars()
                )
            write_signatures(connection, [(image_id, made[image_id]) for image_id in sorted(there)])
        return len(there)

    def write_captions(self, captions: Sequence[StoredCaption]) -> int:
        """Give images, by id, their captions, at once, in place of what was there; images that are gone are passed
        over. Returns how many were written."""
        from imgsearch.storage.catalog.texts import captions as caption_rows

        with self.catalog.write() as connection:
            written = caption_rows.write_captions(queries.driver(connection), captions, utc_now())
            reached("captions-written")
            next_generation(connection)
        return written

    def forget_captions(self, image_ids: Iterable[int]) -> int:
        """Take the captions of these images away. Returns how many there were."""
        from imgsearch.storage.catalog.texts import captions as caption_rows

        with self.catalog.write() as connection:
            removed = caption_rows.forget_captions(queries.driver(connection), image_ids)
            next_generation(connection)
        return removed

    def write_texts(self, texts: Sequence[StoredText]) -> int:
        """Keep, at once, what was read in images, by id, in place of what was there; images that are gone are passed
        over. Returns how many were written."""
        from imgsearch.storage.catalog.texts import image_texts as text_rows

        with self.catalog.write() as connection:
            written = text_rows.write_texts(queries.driver(connection), texts, utc_now())
            next_generation(connection)
        return written

    def forget_texts(self, image_ids: Iterable[int]) -> int:
        """Take away what was read in these images. Returns how many had been read."""
        from imgsearch.storage.catalog.texts import image_texts as text_rows

        with self.catalog.write() as connection:
            removed = text_rows.forget_texts(queries.driver(connection), image_ids)
            next_generation(connection)
        return removed

    def record_event(self, kind: str, data: dict[str, Any]) -> None:
        """Add one event at once."""
        with self.catalog.write() as connection:
            write_events(connection, [(kind, data)])

    def _transaction_ended(self, committed: bool) -> None:
        self._in_transaction = False
        if not committed:
            self.cut_back()

    def _root_columns(self, absolute: Path) -> dict[str, bytes]:
        relative = os.path.relpath(absolute, self.store.path)
        return {"path": os.fsencode(absolute), "relative_path": os.fsencode(relative)}

    def _refresh_roots(self) -> None:
        with self.catalog.read() as connection:
            stored = {row.root_id: (row.path, row.relative_path) for row in connection.execute(select(roots))}
            found = queries.resolved_roots(connection, self.store.path)
        moved = {root.root_id: self._root_columns(root.path) for root in found}
        moved = {key: row for key, row in moved.items() if tuple(row.values()) != stored[key]}
        if moved:
            with self.catalog.write() as connection:
                for root_id, row in moved.items():
                    connection.execute(update(roots).where(roots.c.root_id == root_id).values(row))
