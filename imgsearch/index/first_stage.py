"""A published snapshot, opened: which few images may hold the row that best matches a text. faiss is loaded here and
when a snapshot is built, and nowhere else."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from imgsearch.records import Float32, Int64

ROWS_A_CANDIDATE = 3
"""Rows that FAISS returns for each candidate wanted: 4,000 rows belong to 2,400 of 100,000 images, or to 3,500 of a
million. Twice as many gave the same recall."""

PROBES = 64
"""Inverted lists that are scanned if every image may answer; proportionally more if a filter leaves fewer images.
100,000 images in 858 lists, 600 candidates: recall@10 .9945 with 32 lists (1.7 ms), .997 with 64 (2.7 ms)."""


class FirstStage(Protocol):
    """What `SnapshotIndex` asks for candidates."""

    @property
    def stop(self) -> int:
        """The slots before this one are covered."""
        ...

    def candidates(self, text: Float32, count: int, allowed: NDArray[np.bool_] | None) -> Int64:
        """Up to ``count`` distinct slots for ``text`` [D], the likeliest first, among those that ``allowed`` bool
        [stop] permits (None: all). Deterministic."""
        ...


class FaissFirstStage:
    """`FirstStage` on an IVF-PQ of FAISS whose ids are slots. The file is memory-mapped: opening takes about a
    millisecond, and pages are read as lists are scanned. It uses one thread, so the order is always the same: 3 ms for
    100,000 images, 12 for a million."""

    def __init__(self, path: Path, stop: int) -> None:
        """Raises RuntimeError if FAISS cannot read the file."""
        faiss: Any = import_module("faiss")
        self._faiss = faiss
        if hasattr(faiss, "IO_FLAG_MMAP_IFC"):
            self._index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC | faiss.IO_FLAG_READ_ONLY)
        else:  # before faiss 1.11
            self._index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY)
            faiss.downcast_InvertedLists(self._index.invlists).prefetch_nthread = 0  # threads cost 2 ms a search
        self.stop = stop

    def candidates(self, text: Float32, count: int, allowed: NDArray[np.bool_] | None) -> Int64:
        """See `FirstStage.candidates`. Cost is proportional to the lists scanned."""
        index, probes, selector = self._index, PROBES, None
        if allowed is not None:
            share = float(np.count_nonzero(allowed)) / max(1, len(allowed))
            probes = min(index.nlist, int(np.ceil(PROBES / max(share, 1e-9))))
            bits = np.packbits(allowed, bitorder="little")
            selector = self._faiss.IDSelectorBitmap(bits)
        parameters: Any = self._faiss.IVFPQSearchParameters(sel=selector, nprobe=min(index.nlist, probes))
        _, found = index.search(text[None], min(ROWS_A_CANDIDATE * count, max(1, index.ntotal)), params=parameters)
        slots = found[0][(found[0] >= 0) & (found[0] < self.stop)]
        _, first_seen = np.unique(slots, return_index=True)
        distinct: Int64 = slots[np.sort(first_seen)][:count]
        return distinct if allowed is None else distinct[allowed[distinct]]
