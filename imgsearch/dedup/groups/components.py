"""Pairs of images as a table, and the connected components that they form."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imgsearch.dedup.evidence.records import TIERS, Evidence, Pair
from imgsearch.records import Int64

AT_ONCE = 2_000
"""Images whose copies are fetched at a time; a larger component is fetched whole."""

_NO_HAMMING = -1
_ROW = np.dtype(
    [("first", "i8"), ("second", "i8"), ("tier", "u1"), ("orientation", "u1"), ("hamming", "i2"), ("why", "i4")]
    + [(name, "f8") for name in ("score", "difference", "overlap", "similarity", "seconds")]
)


def pair_rows(pairs: Iterable[Pair]) -> tuple[NDArray[np.void], list[str]]:
    """One row for each two images, and the texts that ``why`` numbers."""
    order = {tier: number for number, tier in enumerate(TIERS)}
    reasons: dict[str, int] = {}

    def row(pair: Pair) -> tuple[float, ...]:
        evidence = pair.evidence
        hamming = _NO_HAMMING if evidence.hamming is None else evidence.hamming
        rest = (evidence.difference, evidence.overlap, evidence.similarity, evidence.seconds)
        numbers = (np.nan if value is None else value for value in rest)
        why = reasons.setdefault(evidence.why, len(reasons))
        return (
            pair.first,
            pair.second,
            order[evidence.tier],
            evidence.orientation,
            hamming,
            why,
            evidence.score,
            *numbers,
        )

    table = np.fromiter((row(pair) for pair in pairs), _ROW)
    # Of several rows of one pair the strongest stays; sorting by ids makes the order of arrival irrelevant.
    table = table[np.lexsort((-table["score"], table["tier"], table["second"], table["first"]))]
    again = (table["first"][1:] == table["first"][:-1]) & (table["second"][1:] == table["second"][:-1])
    return (table[np.concatenate(([True], ~again))] if len(table) else table), list(reasons)


def row_evidence(row: np.void, reasons: Sequence[str]) -> Evidence:
    """The evidence of one row; ``reasons``: the texts that `pair_rows` gave."""
    _, _, tier, orientation, hamming, why, score, *rest = row.tolist()
    difference, overlap, similarity, seconds = (None if value != value else value for value in rest)
    known_hamming = None if hamming == _NO_HAMMING else hamming
    return Evidence(
        TIERS[tier], score, orientation, known_hamming, difference, overlap, similarity, seconds, why=reasons[why]
    )


def components(one: Int64, other: Int64, single: Sequence[int] | Int64 = ()) -> tuple[Int64, Int64]:
    """(component of each image, images ascending) of the pairs of ``one`` [n] and ``other`` [n]: connected images share
    the smallest index among them.

    Every index points at a smaller or equal one. Both ends of a pair are hooked to the smaller of their roots, then
    paths are shortened, until nothing changes: usually O(log n) rounds (Shiloach and Vishkin, 1982)."""
    images = np.unique(np.concatenate([one, other, np.asarray(single, np.int64)])).astype(np.int64)
    first, second = np.searchsorted(images, one), np.searchsorted(images, other)
    root = np.arange(len(images))
    while True:
        ends = root[first], root[second]
        if np.array_equal(*ends):
            return root, images
        low = np.minimum(*ends)
        for end in ends:
            np.minimum.at(root, end, low)
        while not np.array_equal(shorter := root[root], root):
            root = shorter


@dataclass(frozen=True, slots=True)
class ComponentBatch:
    """Whole components: the image ids of each, its rows, and the texts that ``why`` numbers in them."""

    ids: list[Int64]
    rows: list[NDArray[np.void]]
    reasons: Sequence[str]

    @property
    def images(self) -> list[int]:
        """The ids of all."""
        return [int(number) for number in np.concatenate(self.ids)]


def component_batches(pairs: Iterable[Pair], several: Iterable[int] = ()) -> Iterator[ComponentBatch]:
    """The components of ``pairs`` and of the images ``several``, which may be in none, by smallest image id, about
    `AT_ONCE` images at a time. The order of ``pairs`` makes no difference. 60 bytes a pair; n log n."""
    rows, reasons = pair_rows(pairs)
    component_of, images = components(rows["first"], rows["second"], np.fromiter(several, np.int64))
    order, row_component = np.argsort(component_of, kind="stable"), component_of[np.searchsorted(images, rows["first"])]
    row_order = np.argsort(row_component, kind="stable")
    sorted_ids, sorted_components = images[order], component_of[order]
    starts = np.flatnonzero(np.diff(sorted_components, prepend=-1))
    row_starts = np.searchsorted(row_component[row_order], sorted_components[starts])
    stops, row_stops = (*starts[1:].tolist(), len(images)), (*row_starts[1:].tolist(), len(rows))
    ids: list[Int64] = []
    own_rows: list[NDArray[np.void]] = []
    count = 0
    for start, stop, row_start, row_stop in zip(starts.tolist(), stops, row_starts.tolist(), row_stops, strict=False):
        ids.append(sorted_ids[start:stop])
        own_rows.append(rows[row_order[row_start:row_stop]])
        count += stop - start
        if count >= AT_ONCE:
            yield ComponentBatch(ids, own_rows, reasons)
            ids, own_rows, count = [], [], 0
    if ids:
        yield ComponentBatch(ids, own_rows, reasons)
