"""Finds images of a test set that the training set also holds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from imgsearch.dedup.evidence.records import TIERS, Evidence, Pair
from imgsearch.dedup.groups.star_groups import seen_from_second
from imgsearch.dedup.reports.tables import Row, evidence_cells, path_cells
from imgsearch.records import Int64

LEAKING = ("bytes", "pixels", "perceptual", "near")
"""Tiers that count by default: one shot, whatever was done to it. A burst is another shot, but in a data set of video
frames it is a leak too: then name it as well."""

_SAME = Evidence("bytes", 1.0)
_BATCH = 10_000  # leaks whose paths are looked up at once

FilesOf = Callable[[Sequence[int]], Mapping[int, Sequence[str]]]
"""Image ids -> the paths of their files in one of the two sets."""


@dataclass(frozen=True, slots=True)
class Leak:
    """An image of the test set, the image of the training set of which it is most surely a copy (the same id if both
    sets hold the very file), and the number of its copies in the training set. ``evidence``: the training image is the
    first, the test image the second."""

    test: int
    train: int
    evidence: Evidence
    copies: int = 1


def find_leaks(train: Int64, test: Int64, pairs: Iterable[Pair], tiers: Collection[str] = LEAKING) -> Iterator[Leak]:
    """Every image of ``test`` that has a copy in ``train``, by image id; both are image ids int64 [n], in any order,
    and may overlap. Of several copies the one of the strongest tier, then the highest score, then the lowest id counts.
    Pairs inside one set are ignored. ``pairs`` are read once; memory grows with the two sets and the leaks, not
    with the pairs."""
    known_train, known_test = np.unique(train), np.unique(test)
    best: dict[int, tuple[int, float, int, Evidence]] = {}
    copies: dict[int, set[int]] = {}

    def take(test_id: int, train_id: int, evidence: Evidence) -> None:
        found = (TIERS.index(evidence.tier), -evidence.score, train_id, evidence)
        if test_id not in best or found[:3] < best[test_id][:3]:
            best[test_id] = found
        copies.setdefault(test_id, set()).add(train_id)

    if "bytes" in tiers:
        for number in np.intersect1d(known_train, known_test, assume_unique=True).tolist():
            take(number, number, _SAME)
    for pair in pairs:
        if pair.evidence.tier in tiers:
            if _holds(known_train, pair.first) and _holds(known_test, pair.second):
                take(pair.second, pair.first, pair.evidence)
            if _holds(known_train, pair.second) and _holds(known_test, pair.first):
                take(pair.first, pair.second, seen_from_second(pair.evidence))
    for test_id in sorted(best):
        _, _, train_id, evidence = best[test_id]
        yield Leak(test_id, train_id, evidence, len(copies[test_id]))


def leak_rows(leaks: Iterable[Leak], test_files: FilesOf, train_files: FilesOf) -> Iterator[Row]:
    """Rows of `tables.LEAKS`: one for each file of the test set that leaks, with a file of the training set. Both
    functions are called with many ids at once; an image without a file is skipped."""
    waiting = iter(leaks)
    while batch := list(islice(waiting, _BATCH)):
        tested = test_files([leak.test for leak in batch])
        trained = train_files([leak.train for leak in batch])
        for leak in batch:
            others = trained.get(leak.train) or ()
            for path in tested.get(leak.test) or ():
                yield (
                    {"image_id": leak.test, "other_image_id": leak.train, "copies": leak.copies}
                    | path_cells("", path)
                    | path_cells("other_", others[0] if others else None)
                    | evidence_cells(leak.evidence)
                )


def _holds(ids: Int64, number: int) -> bool:
    at = int(np.searchsorted(ids, number))
    return at < len(ids) and int(ids[at]) == number
