"""What an index reads and what it answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from imgsearch.records import Candidates, Float32, Int64

Allowed = NDArray[np.bool_] | Int64
"""Which slots may answer: a bool mask [N], or distinct int64 slots in any order."""


class VectorRows(Protocol):
    """The vectors of slots 0..N-1, T rows of D dims each, every row of L2 norm 1 (or 0 for a slot never
    filled).

    ``blocks`` gives them as they are stored, for the sweep; ``read`` gives chosen slots as float32, for the
    exact score. A stored value times ``scale`` is the true value (1.0 unless the rows are int8).
    """

    @property
    def slots(self) -> int: ...

    @property
    def query_tokens(self) -> int: ...

    @property
    def dims(self) -> int: ...

    @property
    def scale(self) -> float: ...

    def blocks(self, max_slots: int) -> Iterator[tuple[int, NDArray[Any]]]:
        """(first slot, rows [n <= max_slots, T, D] float16, float32 or int8), in slot order, no gaps."""
        ...

    def read(self, slots: Int64) -> Float32:
        """The vectors of ``slots`` [n] as float32 [n, T, D], scale applied."""
        ...


class CandidateIndex(Protocol):
    """Finds the images with the best-matching vector. Every implementation passes tests/contracts."""

    def search(self, texts: Float32, k: int, allowed: Allowed | None = None) -> Candidates:
        """The k best images for each of ``texts`` float32 [Q, D].

        An image's score is the maximum inner product over its T rows. Order: score rounded to 1e-5,
        descending, then tie key, ascending; so the first 5 of k = 50 are the answer for k = 5, and neither
        Q nor the size of a block changes a place. Fewer than k images: padded with slot -1 and score -inf.
        A slot outside ``allowed`` is never returned. ValueError on a wrong shape, a negative k or a slot
        that does not exist."""
        ...
