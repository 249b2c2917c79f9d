"""Which pairs of pictures were looked at, and what was said of them: a part of the evidence store."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from imgsearch.storage.evidence.rows import ADD_PAIR, Judged, PairRow, transaction


class LookedPairs:
    """Every write is a durable transaction of its own."""

    if TYPE_CHECKING:

        def _connected(self) -> AbstractContextManager[sqlite3.Connection]: ...

    # The last look at pairs

    def add_judged(self, recipe: str, judged: Mapping[tuple[int, int], Judged]) -> None:
        """Keep what a closer look said of pairs of images, by ids, the lower first."""
        with self._connected() as connection, transaction(connection):
            rows = ((first, second, recipe, *said) for (first, second), said in judged.items())
            connection.executemany("INSERT OR REPLACE INTO judged VALUES (?, ?, ?, ?, ?, ?)", rows)

    def judged(self, recipe: str) -> dict[tuple[int, int], Judged]:
        """All that was looked at by this recipe; 300 bytes a pair."""
        with self._connected() as connection:
            statement = "SELECT first, second, is_copy, why, altered FROM judged WHERE recipe = ?"
            rows = connection.execute(statement, (recipe,))
            texts: dict[str, str] = {}
            return {
                (first, second): Judged(bool(is_copy), texts.setdefault(why, why), bool(altered))
                for first, second, is_copy, why, altered in rows
            }

    # Looks of a run that is not done: the pairs that came of them, and that those that came to nothing were looked at

    def add_looked(self, recipe: str, pairs: Iterable[tuple[int, int]], found: Iterable[PairRow]) -> None:
        """Keep, together, that these pairs of images (by ids, the lower first) were looked at and what was found."""
        with self._connected() as connection, transaction(connection):
            rows = ((first, second, recipe) for first, second in pairs)
            connection.executemany("INSERT OR REPLACE INTO looked VALUES (?, ?, ?)", rows)
            connection.executemany(ADD_PAIR, found)

    def looked(self, recipe: str) -> set[tuple[int, int]]:
        """The pairs that were looked at by this recipe; 150 bytes each."""
        with self._connected() as connection:
            return set(connection.execute("SELECT first, second FROM looked WHERE recipe = ?", (recipe,)).fetchall())

    def forget_looked(self) -> None:
        """The run is done: what is marked as compared is not looked at again."""
        with self._connected() as connection, transaction(connection):
            connection.execute("DELETE FROM looked WHERE 1")
