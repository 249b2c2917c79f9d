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
    """The vectors of an index: T rows of D dims a slot, each row of L2 norm 1. ``storage.View`` is one.

    ``slots`` is one past the highest slot. A slot may be missing, as after a compaction: ``stored_blocks``
    leaves it out."""

    @property
    def slots(self) -> int: ...

    @property
    def query_tokens(self) -> int: ...

    @property
    def dims(self) -> int: ...

    def stored_blocks(
        self, max_slots: int, first: int = 0, stop: int | None = None
    ) -> Iterator[tuple[int, NDArray[Any], float]]:
        """(first slot, rows [n <= max_slots, T, D], scale) of the slots from ``first`` to before ``stop``, in slot
        order: the sweep. float16, float32, or int8, of which a number times ``scale`` is the vector's."""
        ...

    def read_stored(self, slots: Int64) -> Iterator[tuple[slice, NDArray[Any], float]]:
        """(which of ``slots``, their rows [n, T, D] as stored, scale); ``slots`` exist and ascend: the gather."""
        ...

    def read(self, slots: Int64) -> Float32:
        """The vectors of ``slots`` [n], which exist, as float32 [n, T, D]: the exact score."""
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
