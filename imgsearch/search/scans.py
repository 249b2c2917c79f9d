"""One sweep of the open index for the texts that wait at the same time: the vectors are read once for all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from imgsearch.records import Float32
from imgsearch.search.inference.batcher import Batcher
from imgsearch.search.request import Nearest
from imgsearch.search.retrieval import OpenIndex

_TEXTS = 8


@dataclass(frozen=True, slots=True)
class _Scan:
    opened: OpenIndex
    text: Float32
    count: int


class BatchedScans:
    """Scans for many threads, up to eight texts in one sweep. ``unhurried`` says when a sweep may wait until it is
    full. Safe between threads; close it."""

    def __init__(self, unhurried: Callable[[], bool] = lambda: False) -> None:
        self._scans = Batcher("scans", _scan, 1, _TEXTS, unhurried)

    def nearest(self, opened: OpenIndex, text: Float32, count: int) -> Nearest:
        """``opened.nearest`` for one text [1, D]."""
        return self._scans.submit([_Scan(opened, text, count)])[0].result()

    def batched(self) -> tuple[int, int]:
        """(sweeps, texts) so far."""
        return self._scans.batches, self._scans.jobs

    def close(self) -> None:
        """End the thread once the waiting scans are answered."""
        self._scans.close()


def _scan(scans: Sequence[_Scan]) -> list[Nearest]:
    """One sweep for all scans of the same index; each gets the beginning of the longest answer."""
    found: dict[int, Nearest] = {}
    groups: dict[int, list[int]] = {}
    for place, scan in enumerate(scans):
        groups.setdefault(id(scan.opened), []).append(place)
    for places in groups.values():
        texts = np.concatenate([scans[place].text for place in places])
        count = max(scans[place].count for place in places)
        found |= dict(zip(places, scans[places[0]].opened.nearest(texts, count), strict=True))
    return [
        Nearest(one.slots[: scan.count], one.scores[: scan.count], one.background)
        for scan, one in ((scan, found[place]) for place, scan in enumerate(scans))
    ]
