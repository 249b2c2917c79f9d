"""A published snapshot, opened: which few images may hold the row that best matches a text. faiss is loaded here and
when a snapshot is built, and nowhere else."""

from __future__ import annotations

import math
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
"""Inverted lists that are scanned if every image may answer. 100,000 images in 858 lists, 600 candidates: recall@10
.9945 with 32 lists (1.7 ms), .997 with 64 (2.7 ms). A filter begins with sqrt(2 / its share) times as many, 128 where
it leaves half, and goes on as `FaissFirstStage` says."""

NEARLY_ALL = 0.9
"""From this share on a filter changes little: one scan, of proportionally more lists."""

DEPTH = 50
"""The image whose score says how far to look: searches re-rank about so many."""

ROWS_TO_DEPTH = 20
"""Rows for each of them. Where an image has more rows than that, lists are scanned that would not be needed."""


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
    100,000 images, 12 for a million.

    What a filter leaves may lie in other lists than the nearest: where it goes against the text ("beach" among the
    pictures of an office), or leaves little. A search of all images looks in its `PROBES` nearest lists, which reach
    down to some distance below the score of its 50th image. A filtered one looks as far below its own 50th. Of a
    million made-up images the half that is least like the text: recall@10 1.0 in 28 ms of CPU, and .93 (.5 at worst) in
    17 with lists in proportion to the share alone. A tenth at random: 1.0 with both, 18 and 32 ms.
    """

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
        rows = ROWS_A_CANDIDATE * count
        if allowed is None:
            return self._nearest(text, rows, PROBES)[0][:count]
        share = max(float(np.count_nonzero(allowed)) / max(1, len(allowed)), 1e-9)
        bits = np.packbits(allowed, bitorder="little")
        selector = self._faiss.IDSelectorBitmap(bits)
        lists = int(self._index.nlist)
        if share >= NEARLY_ALL:
            slots, _ = self._nearest(text, rows, math.ceil(PROBES / share), selector)
        else:
            probes = math.ceil(PROBES * math.sqrt(2 / share))
            probes = lists if probes > lists / 2 else probes
            slots, scores = self._nearest(text, rows, probes, selector)
            if probes < lists and (wanted := self._lists_to(text, scores)) > probes:
                slots, _ = self._nearest(text, rows, wanted, selector)
        named = slots[:count]
        return named[allowed[named]]

    def _lists_to(self, text: Float32, scores: Float32) -> int:
        """How many lists a filtered search scans whose images, as found so far, have ``scores``, descending."""
        lists = int(self._index.nlist)
        few = len(scores) < DEPTH
        of_all = scores[:0] if few else self._nearest(text, ROWS_TO_DEPTH * DEPTH, PROBES)[1][:DEPTH]
        if not len(of_all):
            return lists
        nearness = self._index.quantizer.search(text[None], lists)[0][0]  # of all lists, descending
        reach = of_all[-1] - nearness[min(PROBES, lists) - 1]
        return int(np.count_nonzero(nearness >= scores[DEPTH - 1] - reach))

    def _nearest(self, text: Float32, rows: int, probes: int, selector: Any = None) -> tuple[Int64, Float32]:
        """(distinct slots, their scores as quantised), both [n], of the best ``rows`` rows of so many lists, the
        likeliest first."""
        index = self._index
        parameters: Any = self._faiss.IVFPQSearchParameters(sel=selector, nprobe=min(index.nlist, probes))
        scores, found = index.search(text[None], min(rows, max(1, index.ntotal)), params=parameters)
        known = (found[0] >= 0) & (found[0] < self.stop)
        slots = found[0][known]
        _, first_seen = np.unique(slots, return_index=True)
        first_seen.sort()
        return slots[first_seen], scores[0][known][first_seen]
