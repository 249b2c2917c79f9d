"""The evidence that dedup has found, kept in the library: ``dedup/evidence.db`` (docs/formats.md).

Pairs of images with their evidence, the record of which images were compared with which, and digests of pixels can all
be computed again. A person's statements cannot: *distinct* names two contents that are not duplicates, by their content
hashes, so that it survives an index run from nothing.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

import numpy as np

from imgsearch.errors import CatalogDamaged, LibraryUnsupported, StorageFull
from imgsearch.files import writer_lock
from imgsearch.records import Int64
from imgsearch.storage.aside import scratch_of
from imgsearch.storage.catalog import sqlite_reads as lookups
from imgsearch.storage.disk_errors import disk_errors
from imgsearch.storage.evidence.looks import LookedPairs
from imgsearch.storage.evidence.rows import (
    ADD_PAIR,
    TABLES,
    UPGRADES,
    VERSION,
    PairRow,
    marked_ranges,
    strongest,
    transaction,
    write_marked,
)
from imgsearch.storage.evidence.said import SaidDistinct
from imgsearch.storage.vectors.id_ranges import as_ranges, covered, members, merged, without

FILE_NAME = "evidence.db"

_BUSY_MS = 30_000
_INSERT_ROWS = 10_000  # a transaction: 60 ms
_PAGE_ROWS = 8192


class EvidenceStore(LookedPairs, SaidDistinct):
    """The evidence of one library; every write is a durable transaction of its own, and reads continue beside it, from
    any thread and process. Errors of every method: CatalogDamaged, StorageFull, LibraryBusy (another writer did not
    finish within half a minute)."""

    def __init__(self, folder: Path) -> None:
        """Open the file in ``folder``; both are made if they do not exist. If nothing can be written there, a copy in a
        temporary folder (`aside`) takes new evidence until the process ends, and a person's statements are refused.
        Raises LibraryUnsupported for the file of a newer program."""
        try:
            self._open(folder)
        except StorageFull:
            self._open(scratch_of(folder / FILE_NAME).parent)
            self.stands_in_for = folder / FILE_NAME

    def _open(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / FILE_NAME
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK) or (self.path.exists() and not os.access(self.path, os.W_OK)):
            raise StorageFull(f"{self.path} cannot be written", "make the library's folder writable for you")
        with self._connected() as connection:
            found = int(connection.execute("PRAGMA user_version").fetchone()[0])
            if found > VERSION:
                raise LibraryUnsupported(
                    f"{self.path} has version {found}, this program reads up to {VERSION}", "install a newer imgsearch"
                )
            if found < VERSION:
                connection.execute("PRAGMA journal_mode=WAL")
                upgrades = "".join(UPGRADES[version] for version in range(max(found, 1), VERSION) if found)
                connection.executescript(f"BEGIN IMMEDIATE;{upgrades}{TABLES}PRAGMA user_version={VERSION};COMMIT;")

    def __enter__(self) -> EvidenceStore:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def close(self) -> None:
        """Does nothing, because nothing is held between two calls; it exists for callers that close what they open."""

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Be the only run that compares; a person's decisions can still be written. Raises LibraryBusy."""
        with writer_lock(self.folder / "lock"):
            yield

    # Pairs

    def add_pairs(self, rows: Iterable[PairRow]) -> int:
        """Write pairs, replacing those of the same two images and tier; returns how many. 6 us a pair."""
        count = 0
        for chunk in lookups.chunks(rows, _INSERT_ROWS):  # ``rows`` may be a generator
            with self._connected() as connection, transaction(connection):
                connection.executemany(ADD_PAIR, chunk)
            count += len(chunk)
        return count

    def pairs(self, tiers: Sequence[str]) -> Iterator[PairRow]:
        """Every pair that has evidence of one of ``tiers``, by its two ids, each once: with the tier that comes first
        in ``tiers``. A page at a time, 2 us a pair."""
        rank = {tier: number for number, tier in enumerate(tiers)}
        statement = f"""SELECT * FROM pairs WHERE (first, second) > (?, ?) AND tier IN ({lookups.marks(tiers)})
            ORDER BY first, second LIMIT ?"""
        last = (-1, -1)
        while True:
            with self._connected() as connection:
                rows = [PairRow(*row) for row in connection.execute(statement, (*last, *tiers, _PAGE_ROWS))]
            if len(rows) < _PAGE_ROWS:
                yield from strongest(rows, rank)
                return
            cut = rows[-1][:2]  # its evidence may continue on the next page
            whole = [row for row in rows if row[:2] != cut]
            yield from strongest(whole, rank)
            last = whole[-1][:2]

    def pairs_of(self, image_ids: Iterable[int], tiers: Sequence[str]) -> list[PairRow]:
        """The pairs that one of these images belongs to, by their two ids; otherwise like ``pairs``."""
        rank = {tier: number for number, tier in enumerate(tiers)}
        found: set[PairRow] = set()
        with self._connected() as connection:
            for column in ("first", "second"):
                for chunk in lookups.chunks(int(i) for i in image_ids):
                    statement = f"SELECT * FROM pairs WHERE {column} IN ({lookups.marks(chunk)})"
                    found.update(PairRow(*row) for row in connection.execute(statement, chunk) if row[2] in rank)
        return list(strongest(sorted(found, key=lambda row: row[:3]), rank))

    def count(self, tiers: Sequence[str]) -> int:
        """The number of rows of these tiers."""
        with self._connected() as connection:
            statement = f"SELECT count(*) FROM pairs WHERE tier IN ({lookups.marks(tiers)})"
            return int(connection.execute(statement, tuple(tiers)).fetchone()[0])

    # Marks of compared images

    def renew(self, kind: str, recipe: str, tiers: Sequence[str]) -> bool:
        """Called before a comparison of this kind: if another recipe made the last one, drop its marks and the pairs of
        ``tiers`` that it found. True if there were any."""
        with self._connected() as connection, transaction(connection):
            other = "kind = ? AND recipe <> ?"
            if connection.execute(f"SELECT 1 FROM compared WHERE {other} LIMIT 1", (kind, recipe)).fetchone() is None:
                return False
            connection.execute(f"DELETE FROM compared WHERE {other}", (kind, recipe))
            connection.execute(f"DELETE FROM pairs WHERE tier IN ({lookups.marks(tiers)})", tuple(tiers))
            return True

    def mark_compared(self, kind: str, recipe: str, image_ids: Int64) -> None:
        """Mark that each of these was compared with each other and with all that were marked before. Stored as ranges
        of ids; marks by another recipe are dropped."""
        with self._connected() as connection, transaction(connection):
            before = marked_ranges(connection, kind, recipe)
            after = merged(np.concatenate([before, as_ranges(np.asarray(image_ids, np.int64))]))
            write_marked(connection, kind, recipe, after)

    def not_compared(self, kind: str, recipe: str, image_ids: Int64) -> Int64:
        """Those of ``image_ids`` int64 [n] that are not marked, in their order: int64 [m]."""
        with self._connected() as connection:
            ranges = marked_ranges(connection, kind, recipe)
        return image_ids[~covered(ranges, image_ids)]

    def keep_only(self, image_ids: Int64) -> int:
        """Forget every image but these (the library's live ones), so that an image that is gone now and comes back
        later is compared with those added in between. Call it before a comparison. Returns how many were forgotten."""
        live = np.unique(np.asarray(image_ids, np.int64))
        with self._connected() as connection:
            known = [np.empty(0, np.int64)]
            for kind, recipe in connection.execute("SELECT DISTINCT kind, recipe FROM compared").fetchall():
                known.append(members(marked_ranges(connection, kind, recipe)))
            for table, column in itertools.product(("pairs", "looked"), ("first", "second")):
                statement = f"SELECT DISTINCT {column} FROM {table}"
                known.append(np.fromiter((row[0] for row in connection.execute(statement)), np.int64))
            for statement in ("SELECT image_id FROM pixel_hashes", "SELECT DISTINCT image_id FROM examined"):
                known.append(np.fromiter((row[0] for row in connection.execute(statement)), np.int64))
        gone = np.setdiff1d(np.concatenate(known), live)
        if len(gone):
            self._drop(gone)
        return len(gone)

    # Facts read from single images

    def add_examined(self, kind: str, recipe: str, found: Mapping[int, str]) -> None:
        """Keep texts (JSON) of one kind by image id."""
        with self._connected() as connection, transaction(connection):
            rows = ((int(image_id), kind, recipe, text) for image_id, text in found.items())
            connection.executemany("INSERT OR REPLACE INTO examined VALUES (?, ?, ?, ?)", rows)

    def examined(self, kind: str, recipe: str, image_ids: Iterable[int]) -> dict[int, str]:
        """The texts kept for these images; absent ids are absent."""
        found: dict[int, str] = {}
        with self._connected() as connection:
            for chunk in lookups.chunks(int(i) for i in image_ids):
                statement = f"""SELECT image_id, data FROM examined WHERE kind = ? AND recipe = ?
                    AND image_id IN ({lookups.marks(chunk)})"""
                found |= dict(connection.execute(statement, (kind, recipe, *chunk)).fetchall())
        return found

    # Digests of pixels

    def add_pixel_hashes(self, recipe: str, hashes: Mapping[int, bytes]) -> None:
        """Keep digests of pixels by image id."""
        with self._connected() as connection, transaction(connection):
            rows = ((int(image_id), recipe, digest) for image_id, digest in hashes.items())
            connection.executemany("INSERT OR REPLACE INTO pixel_hashes VALUES (?, ?, ?)", rows)

    def pixel_hashes(self, recipe: str, image_ids: Iterable[int]) -> dict[int, bytes]:
        """The kept digests; absent ids are absent."""
        found: dict[int, bytes] = {}
        with self._connected() as connection:
            for chunk in lookups.chunks(int(i) for i in image_ids):
                statement = f"""SELECT image_id, hash FROM pixel_hashes WHERE recipe = ?
                    AND image_id IN ({lookups.marks(chunk)})"""
                found |= dict(connection.execute(statement, (recipe, *chunk)).fetchall())
        return found

    def _drop(self, gone: Int64) -> None:
        with self._connected() as connection, transaction(connection):
            for chunk in lookups.chunks(gone.tolist()):
                marks = lookups.marks(chunk)
                connection.execute(f"DELETE FROM pairs WHERE first IN ({marks})", chunk)
                connection.execute(f"DELETE FROM pairs WHERE second IN ({marks})", chunk)
                for table in ("judged", "looked"):
                    connection.execute(f"DELETE FROM {table} WHERE first IN ({marks})", chunk)
                    connection.execute(f"DELETE FROM {table} WHERE second IN ({marks})", chunk)
                connection.execute(f"DELETE FROM pixel_hashes WHERE image_id IN ({marks})", chunk)
                connection.execute(f"DELETE FROM examined WHERE image_id IN ({marks})", chunk)
            for kind, recipe in connection.execute("SELECT DISTINCT kind, recipe FROM compared").fetchall():
                write_marked(connection, kind, recipe, without(marked_ranges(connection, kind, recipe), gone))

    @contextlib.contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        """A connection of its own for each call: opening one takes 0.2 ms, and no thread waits for another."""
        uri = f"file:{quote(os.fsencode(self.path.absolute()))}?mode=rwc"
        try:
            with (
                disk_errors(self.path),
                contextlib.closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection,
            ):
                connection.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
                connection.execute("PRAGMA synchronous=FULL")
                yield connection
        except CatalogDamaged as exc:
            raise CatalogDamaged(
                f"{self.path} is not readable as evidence of duplicates: {exc.__cause__ or exc.message}",
                f"move {self.path} away and run `imgsearch dedup find` again: it is computed anew, "
                "only what was marked as not duplicates is lost with it",
            ) from exc
