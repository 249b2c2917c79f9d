"""The interfaces of an index: the vectors it reads and the answers it gives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from imgsearch.records import Candidates, Float32, Int64

Allowed = NDArray[np.bool_] | Int64
"""The slots that may answer: a bool mask [N], or distinct int64 slots in any order."""


class VectorRows(Protocol):
    """The vectors of an index: T rows of D dims a slot, each of L2 norm 1. ``storage.View`` is one. ``slots`` is one
    past the highest slot. A slot may be missing, for example after a compaction; ``stored_blocks`` leaves it out."""

    @property
    def slots(self) -> int: ...

    @property
    def query_tokens(self) -> int: ...

    @property
    def dims(self) -> int: ...

    def stored_blocks(
        self, max_slots: int, first: int = 0, stop: int | None = None
    ) -> Iterator[tuple[int, NDArray[Any], float]]:
        """(first slot, rows [n <= max_slots, T, D], scale) of the slots from ``first`` to before ``stop``, in order,
        for a sweep. Rows are float16, float32, or int8 to be multiplied by ``scale``."""
        ...

    def read_stored(self, slots: Int64) -> Iterator[tuple[slice, NDArray[Any], float]]:
        """(which of ``slots``, their rows [n, T, D] as stored, scale), for a gather. ``slots`` must exist and
        ascend."""
        ...

    def read(self, slots: Int64) -> Float32:
        """The vectors of ``slots`` [n], which must exist, as float32 [n, T, D], for exact scores."""
        ...


class CandidateIndex(Protocol):
    """Finds the images with the best-matching vector. Every implementation passes tests/contracts."""

    def search(self, texts: Float32, k: int, allowed: Allowed | None = None) -> Candidates:
        """The k best images for each of ``texts`` float32 [Q, D].

        An image's score is the maximum inner product over its T rows. Images are ordered by the score rounded to 1e-5,
        descending, then by tie key, ascending. So the first 5 of k = 50 are the answer for k = 5, and neither Q nor the
        block size changes a rank. With fewer than k images the answer is padded with slot -1 and score -inf. A slot
        outside ``allowed`` is never returned. Raises ValueError for a wrong shape, a negative k or a slot that does not
        exist.
        """
        ...
