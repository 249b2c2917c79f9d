"""The one commit point: vectors appended and fsynced first, then one SQLite transaction that names them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from imgsearch.files import reached
from imgsearch.records import SlotRange
from imgsearch.storage.batch import Committed, EmbeddedBatch, FailedFile, FilePlace
from imgsearch.storage.catalog import orm_reads as queries
from imgsearch.storage.catalog import row_writes
from imgsearch.storage.catalog.collected.handing import collected_at, follow_edits
from imgsearch.storage.catalog.database import utc_now
from imgsearch.storage.catalog.dialects.contract import CatalogAccess
from imgsearch.storage.catalog.facts import FactWrites, images_at, settle
from imgsearch.storage.catalog.image_rows import NewImage, insert_images
from imgsearch.storage.catalog.rereads import Reread, write_rereads
from imgsearch.storage.catalog.row_writes import place_key
from imgsearch.storage.vectors.segment_store import Appended, SegmentStore


class WriteTransaction:
    """Collects writes; ``commit()`` makes all of them durable at once, leaving without it undoes all of them.

    Vectors go to the segment when they are added; rows wait in memory. Not for use from two threads. ``ended`` is
    called once with whether everything was committed; if not, it has to cut the segments back. ``check`` is called
    before vectors are added, and raises if they are not the library's.
    """

    def __init__(
        self,
        catalog: CatalogAccess,
        segments: SegmentStore,
        ended: Callable[[bool], None],
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._catalog = catalog
        self._check = check
        self._segments = segments
        self._ended = ended
        self._appended: list[Appended] = []
        self._images: list[NewImage] = []
        self._placed: list[tuple[FilePlace, str | int]] = []
        self._removed: list[dict[str, Any]] = []
        self._cleared: list[dict[str, Any]] = []
        self._failed: list[FailedFile] = []
        self._events: list[tuple[str, dict[str, Any]]] = []
        self._new_hashes: set[str] = set()
        self.facts = FactWrites()
        self._reread: list[Reread] = []
        self._new_slots: dict[int, int] = {}  # of images that were read again
        self._open = True

    def __enter__(self) -> WriteTransaction:
        return self

    def __exit__(self, *raised: object) -> None:
        self.rollback()

    def add(self, batch: EmbeddedBatch) -> None:
        """Add contents with vectors and files. For a content already known, including deleted ones, the vectors
        are ignored and the files are placed. Raises StorageFull; ValueError for shapes that disagree and for
        vectors that are not finite."""
        _check_batch(batch)
        self._check()
        with self._catalog.read() as connection:
            known = queries.ids_by_hash(connection, [facts.content_hash for facts in batch.facts])
        fresh = []
        for index, facts in enumerate(batch.facts):
            if facts.content_hash not in known and facts.content_hash not in self._new_hashes:
                fresh.append(index)
                self._new_hashes.add(facts.content_hash)
        if fresh:
            appended = self._segments.append(batch.vectors[fresh])
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

    def renew(self, found: Sequence[Reread]) -> None:
        """Write images that were read again, some with new vectors. Raises StorageFull, ValueError."""
        embedded = [each for each in found if each.vectors is not None]
        if embedded:
            self._check()
            stacked = np.stack([each.vectors for each in embedded if each.vectors is not None])
            if not np.isfinite(stacked).all():
                raise ValueError("got vectors that are not finite, expected numbers")
            appended = self._segments.append(stacked)
            self._appended.append(appended)
            slots = range(appended.slots.first, appended.slots.stop)
            self._new_slots |= dict(zip([each.image_id for each in embedded], slots, strict=True))
        self._reread += found

    def place_files(self, placed: Iterable[tuple[FilePlace, str | int]]) -> None:
        """Record that these files hold known contents (by hash or image id): moves, copies, touched files."""
        self._placed += placed

    def remove_files(self, root_id: int, relative_paths: Iterable[str]) -> None:
        """Remove files that are gone (or hold another content now). An image without files leaves the results."""
        self._removed += [place_key(root_id, path) for path in relative_paths]

    def record_failures(self, failed: Iterable[FailedFile]) -> None:
        """Write failure rows; a file has one, the latest. File rows stay as they are."""
        self._failed += failed

    def clear_failures(self, root_id: int, relative_paths: Iterable[str]) -> None:
        """Remove failure rows of files that are gone; placing or removing a file does it too."""
        self._cleared += [place_key(root_id, path) for path in relative_paths]

    def record_event(self, kind: str, data: dict[str, Any]) -> None:
        """Add an event, ordered behind all earlier ones; ``data`` must be JSON."""
        self._events.append((kind, data))

    def commit(self) -> Committed:
        """Make everything durable: first the vectors, then one transaction of the catalog. Raises StorageFull,
        ValueError for a content, image or root that the library does not have; then nothing is kept."""
        if not self._open:
            raise ValueError("the transaction is over")
        broken: tuple[type[Exception], ...] = (IntegrityError, *self._catalog.integrity_errors)
        try:
            if self._appended:
                self._segments.sync()
            with self._catalog.write() as connection:
                self._write_rows(connection)
                reached("catalog-written")
        except broken as exc:
            self.rollback()
            reason = getattr(exc, "orig", exc)
            raise ValueError(f"a row names an image or root that the library does not have: {reason}") from exc
        except BaseException:
            self.rollback()
            raise
        self._end(committed=True)
        slots = None
        if self._appended:
            first = self._appended[0].slots.first
            slots = SlotRange(first, self._appended[-1].slots.stop - first)
        return Committed(len(self._images), len(self._placed), slots)

    def rollback(self) -> None:
        """Undo everything; does nothing after ``commit()``."""
        if self._open:
            self._end(committed=False)

    def _end(self, *, committed: bool) -> None:
        self._open = False
        self._ended(committed)

    def _write_rows(self, connection: Connection) -> None:
        row_writes.write_batches(connection, self._appended)
        by_hash = insert_images(connection, self._images)
        write_rereads(queries.driver(connection), self._reread, self._new_slots, utc_now())
        places = [(row["root_id"], row["relative_path"]) for row in self._removed]
        places += [(place.root_id, os.fsencode(place.relative_path)) for place, _ in self._placed]
        unsettled = images_at(queries.driver(connection), places)  # the images that were there before
        collected = collected_at(queries.driver(connection), places)
        row_writes.remove_files(connection, self._removed)
        unsettled |= row_writes.write_files(connection, self._placed, by_hash)
        follow_edits(queries.driver(connection), collected)
        unsettled |= self.facts.write(queries.driver(connection))
        settle(queries.driver(connection), unsettled)
        placed = [place_key(place.root_id, place.relative_path) for place, _ in self._placed]
        row_writes.clear_failures(connection, self._removed + self._cleared + placed)
        row_writes.write_failures(connection, self._failed)
        row_writes.write_events(connection, self._events)
        if self._appended or self._placed or self._removed or self.facts or self._reread:
            row_writes.next_generation(connection)


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
