"""Finds pairs of 64-bit hashes that differ in few bits: exactly, without comparing all with all.

Hashes are sorted by the bits of one mask after another (``covering``). Any two within the radius agree in all bits of
some mask, and those that agree are compared (``agreeing``). Multi-index hashing instead looks up every pattern of
flipped bits (Norouzi, Punjani and Fleet, "Fast Search in Hamming Space with Multi-Index Hashing", 2012). For a million
hashes at radius 10 that takes 1,800 look-ups a hash; here there are 92 masks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imgsearch.index.agreeing import WordPairs, pairs_between, pairs_within
from imgsearch.index.covering import BITS, BitField, moved, parts_of, spread_bits
from imgsearch.records import Int64

HammingBlock = WordPairs
"""Rows in the first set int64 [p], rows in the second int64 [p], number of differing bits uint8 [p]."""

_UInt64 = NDArray[np.uint64]
_BLOCK = 1 << 14  # pairs compared at a time in brute force: 128 KB, which stay in the cache
_MOST_PARTS = 6
_SAMPLE = 4096
# Nanoseconds on one core of the build machine (benchmarks/hamming.py), for choosing how to divide the bits.
_COMPARE_NS = 1.0  # a pair in brute force
_SORT_NS = 20.0  # sorting a hash by a mask
_LOOK_NS = 8.0  # looking up a hash by a mask
_WITHIN_NS = 2.0  # a pair within one set that agrees in a mask
_BETWEEN_NS = 8.0  # a pair between two sets that agrees in a mask
_MASK_NS = 150_000.0  # fixed cost of a mask
_PLANNED_NS = 2e7  # if brute force is cheaper than this, nothing else is considered, since planning takes 10 ms


def hamming_pairs(hashes: _UInt64, others: _UInt64 | None, radius: int) -> Iterator[HammingBlock]:
    """Every pair of hashes uint64 [N] and ``others`` uint64 [M] that differ in at most ``radius`` bits, each once, in
    blocks, in no particular order. If ``others`` is None, the pairs within ``hashes``, the lower row first.

    The result equals brute force, including equal hashes. A thousand equal hashes are half a million pairs, so collapse
    them first if many are expected (`distinct_hashes`). At radius 10 a million uniform hashes take 6 s of one core and
    110 MB, 100,000 take 0.5 s; at radius 8 half of that (benchmarks/hamming.py). Raises ValueError for a radius outside
    0..64.
    """
    within = others is None
    queries = np.ascontiguousarray(hashes, dtype=np.uint64)
    index = HammingIndex(queries if others is None else others, radius, len(queries))
    yield from index.pairs(queries, within=within)


class HammingIndex:
    """Hashes uint64 [M] prepared for repeated look-ups at one radius. Each look-up sorts them, or the queries if those
    are fewer, by every mask again: keeping a million hashes in the order of 92 masks would take 400 MB."""

    def __init__(self, hashes: _UInt64, radius: int, queries: int) -> None:
        """``queries``: the number of look-ups expected in all; if they are few, nothing is prepared. Raises ValueError
        for a radius outside 0..64."""
        if not 0 <= radius <= BITS:
            raise ValueError(f"radius is {radius}, expected 0 to {BITS} bits")
        self.hashes: _UInt64 = np.ascontiguousarray(hashes, dtype=np.uint64)
        self.radius = radius
        many = _COMPARE_NS * queries * len(hashes) > _PLANNED_NS
        self.plans = plans_for(self.hashes, radius) if many else []

    def pairs(self, queries: _UInt64, *, within: bool = False) -> Iterator[HammingBlock]:
        """Every (row in ``queries`` uint64 [N], row in the index, bits) within the radius, each once, in blocks.
        ``within``: the queries are the index itself, and each pair is given once, the lower row first."""
        queries = np.ascontiguousarray(queries, dtype=np.uint64)
        if not len(queries) or not len(self.hashes):
            return
        plan = cheapest(self.plans, len(queries), len(self.hashes), within)
        if plan is None:
            yield from _all_with_all(queries, self.hashes, self.radius, within)
            return
        words = moved(self.hashes, plan.places)
        if within:
            yield from pairs_within(words, plan.parts, self.radius)
        else:
            yield from pairs_between(moved(queries, plan.places), words, plan.parts, self.radius)


def distinct_hashes(hashes: _UInt64) -> tuple[_UInt64, Int64, Int64]:
    """Equal hashes grouped: (values uint64 [V] ascending, rows int64 [N], starts int64 [V + 1]). The rows with
    ``values[v]`` are ``rows[starts[v]:starts[v + 1]]``, ascending."""
    rows = np.argsort(hashes, kind="stable").astype(np.int64)
    ordered = hashes[rows]
    begins = np.flatnonzero(np.concatenate([np.ones(min(1, len(ordered)), np.bool_), ordered[1:] != ordered[:-1]]))
    return ordered[begins], rows, np.append(begins, len(ordered)).astype(np.int64)


@dataclass(frozen=True, slots=True)
class HashPartition:
    """A way to divide the bits of hashes into parts. ``places`` are those of `spread_bits`. ``agreeing``: for each part
    the share of all pairs that agree in one of its masks."""

    parts: tuple[BitField, ...]
    places: _UInt64
    agreeing: tuple[float, ...]

    def cost_ns(self, count: int, others: int, within: bool) -> float:
        """Estimated nanoseconds on one core for so many hashes and others."""
        fewer, more = sorted((count, others))
        cost = 0.0
        for part, share in zip(self.parts, self.agreeing, strict=True):
            if within:
                a_mask = _SORT_NS * count + _WITHIN_NS * share * count * count / 2
            else:
                a_mask = _SORT_NS * fewer + _LOOK_NS * more + _BETWEEN_NS * share * fewer * more
            cost += len(part.masks) * (_MASK_NS + a_mask)
        return cost


def plans_for(hashes: _UInt64, radius: int) -> list[HashPartition]:
    """The ways to divide the bits for a radius, with shares measured on a sample of the hashes. 10 ms."""
    found = []
    for count in range(2, _MOST_PARTS + 1):
        parts = parts_of(radius, count)
        if parts:
            places = spread_bits(hashes, count)
            sample = moved(hashes[:: max(1, len(hashes) // _SAMPLE)], places)
            found.append(HashPartition(parts, places, tuple(_share_agreeing(sample, part) for part in parts)))
    return found


def cheapest(plans: list[HashPartition], count: int, others: int, within: bool) -> HashPartition | None:
    """The cheapest plan for so many hashes and others; None if brute force costs less."""
    best, least = None, _COMPARE_NS * count * others / (2 if within else 1)
    for plan in plans:
        cost = plan.cost_ns(count, others, within)
        if cost < least:
            best, least = plan, cost
    return best


def _share_agreeing(words: _UInt64, part: BitField) -> float:
    """The share of all pairs that agree in a mask, averaged over some masks of the part."""
    masks = part.masks[:: max(1, len(part.masks) // 4)]
    agreeing = 0.0
    for mask in masks:
        counts = np.unique(words & np.uint64(mask), return_counts=True)[1].astype(np.float64)
        agreeing += float((counts * (counts - 1)).sum())
    return agreeing / len(masks) / max(1, len(words) * (len(words) - 1))


def _all_with_all(first: _UInt64, second: _UInt64, radius: int, within: bool) -> Iterator[HammingBlock]:
    rows = max(1, _BLOCK // len(second))
    for at in range(0, len(first), rows):
        for beside in range(at + 1 if within else 0, len(second), _BLOCK):
            bits = np.bitwise_count(first[at : at + rows, None] ^ second[None, beside : beside + _BLOCK])
            if int(bits.min()) > radius:
                continue
            i, j = np.nonzero(bits <= radius)
            found = bits[i, j]
            i, j = i + at, j + beside
            if within:
                once = i < j
                i, j, found = i[once], j[once], found[once]
            if len(i):
                yield i, j, found
