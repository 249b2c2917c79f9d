"""Searches for many clients at once: one model, one library, limits instead of a slow death."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from imgsearch.records import Float32, Results
from imgsearch.search.query import Query

if TYPE_CHECKING:
    from imgsearch.search.searcher import Searcher
    from imgsearch.storage import Store


class SearchService:
    """What the views ask."""

    def __init__(self, searcher: Searcher) -> None:
        self.searcher = searcher

    @property
    def store(self) -> Store:
        return self.searcher.store

    def search(self, query: Query, picture: Float32 | None = None) -> Results:
        """The answer to ``query``."""
        return self.searcher.search(query)

    def stream(self, query: Query, picture: Float32 | None = None) -> Iterator[Results]:
        """The answer by vectors alone, then the answer of ``search``."""
        return self.searcher.stream(query)

    def close(self) -> None:
        """Let go of the library."""
        self.searcher.close()
