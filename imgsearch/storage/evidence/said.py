"""A person's statements about images, as a part of `store.EvidenceStore`."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from imgsearch.errors import StorageFull
from imgsearch.storage.catalog import sqlite_reads as lookups
from imgsearch.storage.catalog.database import utc_now
from imgsearch.storage.evidence.rows import transaction

_PAGE_ROWS = 8192


class SaidDistinct:
    """Contents that are not duplicates, identified by their hashes."""

    stands_in_for: Path | None = None
    """The file that could not be written, if this is a copy of it."""

    if TYPE_CHECKING:

        def _connected(self) -> AbstractContextManager[sqlite3.Connection]: ...

    def remember_distinct(self, pairs: Iterable[tuple[str, str]]) -> int:
        """Record pairs of contents (sha256, hex) that are not duplicates; a content paired with itself means that all
        its files are wanted. Returns how many were new. Raises StorageFull if they could not be kept."""
        self._require_writable()
        with self._connected() as connection, transaction(connection):
            before = connection.total_changes
            rows = [(*key, utc_now()) for key in map(_content_key, pairs)]
            connection.executemany("INSERT OR IGNORE INTO distinct_contents VALUES (?, ?, ?)", rows)
            return connection.total_changes - before

    def forget_distinct(self, pairs: Iterable[tuple[str, str]] | None = None) -> int:
        """Remove these pairs, or (None) all; returns how many there were. Raises StorageFull if the change could not be
        kept."""
        self._require_writable()
        with self._connected() as connection, transaction(connection):
            before = connection.total_changes
            if pairs is None:
                connection.execute("DELETE FROM distinct_contents WHERE 1")
            else:
                rows = list(map(_content_key, pairs))
                connection.executemany("DELETE FROM distinct_contents WHERE first = ? AND second = ?", rows)
            return connection.total_changes - before

    def distinct(self) -> Iterator[tuple[str, str, str]]:
        """Every pair declared not to be duplicates, with the time (ISO 8601, UTC), a page at a time."""
        statement = "SELECT * FROM distinct_contents WHERE (first, second) > (?, ?) ORDER BY first, second LIMIT ?"
        last = (b"", b"")
        while True:
            with self._connected() as connection:
                rows = connection.execute(statement, (*last, _PAGE_ROWS)).fetchall()
            yield from ((first.hex(), second.hex(), at) for first, second, at in rows)
            if len(rows) < _PAGE_ROWS:
                return
            last = rows[-1][:2]

    def distinct_among(self, hashes: Iterable[str]) -> set[frozenset[str]]:
        """The pairs of these contents (sha256, hex) that are not duplicates, as sets of two hashes."""
        wanted = {bytes.fromhex(text) for text in hashes}
        found: set[frozenset[str]] = set()
        with self._connected() as connection:
            for chunk in lookups.chunks(wanted):
                statement = f"SELECT first, second FROM distinct_contents WHERE first IN ({lookups.marks(chunk)})"
                rows = connection.execute(statement, chunk)
                found |= {frozenset((first.hex(), second.hex())) for first, second in rows if second in wanted}
        return found

    def _require_writable(self) -> None:
        if self.stands_in_for is not None:
            raise StorageFull(
                f"{self.stands_in_for} cannot be written, so that it would not be remembered",
                "make the library's folder writable for you",
            )


def _content_key(pair: tuple[str, str]) -> tuple[bytes, bytes]:
    first, second = sorted(bytes.fromhex(text) for text in pair)
    return first, second
