"""Candidates from a collection: `FirstStage` on Qdrant."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imgsearch.index.qdrant.points import MARKER_ID, Points
from imgsearch.records import Float32, Int64

MOST_IDS = 50_000
"""Ids that one request names, 0.4 MB: a filter is sent as the slots that may answer, or as those that may not,
whichever are fewer. Where both are more, more candidates are asked for and the filter is applied here."""

MOST_BLOCKS = 50_000
"""Blocks that one request names; a collection of 51 million pictures has as many."""

WORTH_BLOCKS = 0.4
"""Blocks are named where they hold at most this share of all slots. qdrant-edge-py 0.9.0, 100,000 points of three
vectors of 256 numbers, CPU: a tenth in a row 7 ms with blocks, 50 without, 13 by ids; half of all 33 and 27."""

SPARE = 1.3
"""Candidates asked for in that case: this many times what the filter would leave if it were blind to the text."""


class QdrantFirstStage:
    """`FirstStage` on a collection that covers the slots before ``stop``. The server compares all points (no graph), by
    their representatives as stored; exact scores follow at home."""

    def __init__(self, points: Points, stop: int, block_bits: int = 0) -> None:
        self._points, self._block_bits = points, block_bits
        self.stop = stop
        self.asked = 0  # requests so far

    def candidates(self, text: Float32, count: int, allowed: NDArray[np.bool_] | None) -> Int64:
        """See `FirstStage.candidates`. One request where the filter fits into it. Raises IndexServerError."""
        if allowed is None:
            return self._asked(text, count, None, None)[:count]
        inside = np.flatnonzero(allowed).astype(np.int64)
        outside = np.flatnonzero(~allowed).astype(np.int64)
        if min(len(inside), len(outside)) > MOST_IDS:
            return self._sifted(text, count, allowed, inside)
        if len(inside) < len(outside):
            found = self._asked(text, count, inside, None)
        else:
            found = self._asked(text, count, None, outside)
        return found[allowed[found]][:count]

    def _sifted(self, text: Float32, count: int, allowed: NDArray[np.bool_], inside: Int64) -> Int64:
        """The best of ever more points that ``allowed`` lets through, of its blocks where that spares something. A
        filter that goes against the text needs several rounds, each of twice as many."""
        wanted = min(count, len(inside))
        blocks, held = self._blocks(inside)
        limit = int(SPARE * wanted * held / len(inside))
        while True:
            found = self._asked(text, limit, None, None, blocks)
            kept = found[allowed[found]]
            if len(kept) >= wanted or limit >= held:
                return kept[:count]
            limit *= 2

    def _blocks(self, inside: Int64) -> tuple[Int64 | None, int]:
        """The blocks that hold the slots ``inside``, and how many slots they have; None and all where there are no
        blocks, or too many."""
        if self._block_bits:
            blocks = np.unique(inside >> self._block_bits)
            held = min(self.stop, len(blocks) << self._block_bits)
            if len(blocks) <= MOST_BLOCKS and held <= WORTH_BLOCKS * self.stop:
                return blocks, held
        return None, self.stop

    def _asked(
        self, text: Float32, count: int, only: Int64 | None, without: Int64 | None, blocks: Int64 | None = None
    ) -> Int64:
        """Distinct slots; one more is asked for, since the marker may be among them."""
        self.asked += 1
        found = self._points.nearest(text, count + 1, only, without, blocks)
        slots: Int64 = found[(found >= 0) & (found < self.stop) & (found != MARKER_ID)]
        return slots
