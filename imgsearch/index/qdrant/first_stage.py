"""Candidates from a collection: `FirstStage` on Qdrant."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imgsearch.index.qdrant.points import MARKER_ID, Points
from imgsearch.records import Float32, Int64

MOST_IDS = 50_000
"""Ids that one request names, 0.4 MB: a filter is sent as the slots that may answer, or as those that may not,
whichever are fewer. Where both are more, more candidates are asked for and the filter is applied here."""

SPARE = 1.3
"""Candidates asked for in that case: this many times what the filter would leave if it were blind to the text."""


class QdrantFirstStage:
    """`FirstStage` on a collection that covers the slots before ``stop``. The server compares all points (no graph), by
    their representatives as stored; exact scores follow at home."""

    def __init__(self, points: Points, stop: int) -> None:
        self._points = points
        self.stop = stop
        self.asked = 0  # requests so far

    def candidates(self, text: Float32, count: int, allowed: NDArray[np.bool_] | None) -> Int64:
        """See `FirstStage.candidates`. One request where the filter fits into it. Raises IndexServerError."""
        if allowed is None:
            return self._asked(text, count, None, None)[:count]
        inside = np.flatnonzero(allowed).astype(np.int64)
        outside = np.flatnonzero(~allowed).astype(np.int64)
        if min(len(inside), len(outside)) > MOST_IDS:
            return self._sifted(text, count, allowed, len(inside))
        if len(inside) < len(outside):
            found = self._asked(text, count, inside, None)
        else:
            found = self._asked(text, count, None, outside)
        return found[allowed[found]][:count]

    def _sifted(self, text: Float32, count: int, allowed: NDArray[np.bool_], inside: int) -> Int64:
        """The best of ever more points that ``allowed`` lets through. A filter that goes against the text needs
        several rounds, each of twice as many."""
        wanted = min(count, inside)
        limit = int(SPARE * wanted * self.stop / inside)
        while True:
            found = self._asked(text, limit, None, None)
            kept = found[allowed[found]]
            if len(kept) >= wanted or limit >= self.stop:
                return kept[:count]
            limit *= 2

    def _asked(self, text: Float32, count: int, only: Int64 | None, without: Int64 | None) -> Int64:
        """Distinct slots; one more is asked for, since the marker may be among them."""
        self.asked += 1
        found = self._points.nearest(text, count + 1, only, without)
        slots: Int64 = found[(found >= 0) & (found < self.stop) & (found != MARKER_ID)]
        return slots
