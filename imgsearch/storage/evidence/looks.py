"""The compared pairs of images and the results, as a part of the evidence store."""

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
        """Keep the results of closer looks at pairs of images, by ids, the lower first."""
        with self._connected() as connection, transaction(connection):
            rows = ((first, second, recipe, *said) for (first, second), said in judged.items())
            connection.executemany("INSERT OR REPLACE INTO judged VALUES (?, ?, ?, ?, ?, ?)", rows)

    def judged(self, recipe: str) -> dict[tuple[int, int], Judged]:
        """All results by this recipe; 300 bytes a pair."""
        with self._connected() as connection:
            statement = "SELECT first, second, is_copy, why, altered FROM judged WHERE recipe = ?"
            rows = connection.execute(statement, (recipe,))
            texts: dict[str, str] = {}
            return {
                (first, second): Judged(bool(is_copy), texts.setdefault(why, why), bool(altered))
                for first, second, is_copy, why, altered in rows
            }

    # Looks of a run that is not finished: the pairs found, and all pairs that were compared, with or without a result

    def add_looked(self, recipe: str, pairs: Iterable[tuple[int, int]], found: Iterable[PairRow]) -> None:
        """Keep, in one transaction, that these pairs of images (by ids, the lower first) were compared, and the pairs
        found."""
        with self._connected() as connection, transaction(connection):
            rows = ((first, second, recipe) for first, second in pairs)
            connection.executemany("INSERT OR REPLACE INTO looked VALUES (?, ?, ?)", rows)
            connection.executemany(ADD_PAIR, found)

    def looked(self, recipe: str) -> set[tuple[int, int]]:
        """The pairs that this recipe has compared; 150 bytes each."""
        with self._connected() as connection:
            return set(connection.execute("SELECT first, second FROM looked WHERE recipe = ?", (recipe,)).fetchall())

    def forget_looked(self) -> None:
        """Forget the pairs, because the run is finished: images marked as compared are not compared again."""
        with self._connected() as connection, transaction(connection):
            connection.execute("DELETE FROM looked WHERE 1")
