"""Which of many 64-bit hashes differ in few bits: exact, without comparing all with all.

Multi-index hashing (Norouzi, Punjani and Fleet, "Fast Search in Hamming Space with Multi-Index Hashing", 2012): a hash
is cut into m chunks; of two hashes that differ in at most r bits some chunk differs in at most r / m. So for each chunk
the others are sorted by it, and each hash looks up its chunk with every pattern of that few bits flipped. The patterns
are taken one after the other, for all hashes at once, which is what NumPy is good at.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imgsearch.records import Int64, UInt8

BITS = 64
HammingBlock = tuple[Int64, Int64, UInt8]
"""Rows in the first set int64 [p], rows in the second int64 [p], bits that differ uint8 [p]."""

_UInt64 = NDArray[np.uint64]
_BLOCK = 1 << 18  # candidates compared at a time: 2 MB of hashes, which stays in the cache
_QUERIES = 1 << 20  # hashes of the first set that look up at a time: bounds memory at 100 MB, whatever their number
_MOST_CHUNK_BITS = 22  # a table of 2**22 starts: 16 MB
# Nanoseconds on one core of the build machine (benchmarks/hamming.py), to choose the number of chunks.
_COMPARE_NS = 1.5  # a pair, all with all
_LOOK_NS = 12.0  # a hash and a pattern
_CANDIDATE_NS = 9.0  # a candidate that a pattern names
_TABLE_NS = 150.0  # a hash that is sorted into a chunk's table


@dataclass(frozen=True, slots=True)
class Chunk:
    """``bits`` of a hash from bit ``shift`` on, compared with up to ``radius`` of them flipped."""

    shift: int
    bits: int
    radius: int


def hamming_pairs(hashes: _UInt64, others: _UInt64 | None, radius: int) -> Iterator[HammingBlock]:
    """Every pair of hashes uint64 [N] and ``others`` uint64 [M] that differ in at most ``radius`` bits, each once, in
    blocks, in no particular order; with ``others`` None the pairs within ``hashes``, the first row below the second.

    The same as brute force, equal hashes included: a thousand equal ones are half a million pairs, so whoever expects
    many collapses them first (``distinct_hashes``). At radius 8 a million uniform hashes among themselves take 10 s of
    one core and 150 MB, 100,000 take 0.4 s; at radius 10 two to ten times that (benchmarks/hamming.py).
    Raises ValueError for a radius outside 0..64.
    """
    if not 0 <= radius <= BITS:
        raise ValueError(f"radius is {radius}, expected 0 to {BITS} bits")
    within = others is None
    queries = np.ascontiguousarray(hashes, dtype=np.uint64)
    index = HammingIndex(queries if others is None else others, radius, len(queries))
    yield from index.pairs(queries, within=within)


class HammingIndex:
    """Hashes uint64 [M] made ready to be looked up again and again at one radius; 12 bytes a hash for each of two to
    five tables, and 20 MB for each table's keys at most."""

    def __init__(self, hashes: _UInt64, radius: int, queries: int) -> None:
        """``queries``: how many look-ups are expected in all; what is cheapest depends on it (``plan_chunks``). Raises
        ValueError for a radius outside 0..64."""
        if not 0 <= radius <= BITS:
            raise ValueError(f"radius is {radius}, expected 0 to {BITS} bits")
        self.hashes: _UInt64 = np.ascontiguousarray(hashes, dtype=np.uint64)
        self.radius = radius
        self.chunks = plan_chunks(queries, len(hashes), radius)
        self._tables: dict[Chunk, _Table] = {}

    def pairs(self, queries: _UInt64, *, within: bool = False) -> Iterator[HammingBlock]:
        """Every (row in ``queries`` uint64 [N], row in the index, bits) within the radius, each once, in blocks;
        ``within``: the queries are the index itself, and each two rows are wanted once, the lower first."""
        if not len(queries) or not len(self.hashes):
            return
        if not self.chunks:
            yield from _all_with_all(queries, self.hashes, self.radius, within)
            return
        for number, chunk in enumerate(self.chunks):
            table = self._tables.get(chunk) or self._tables.setdefault(chunk, _Table.of(self.hashes, chunk))
            for at in range(0, len(queries), _QUERIES):
                part = _Queries.of(queries[at : at + _QUERIES], at, chunk)
                for asking, flipped in _rounds(part, chunk, within):
                    for found in _looked_up(asking, table, flipped, within, self.radius):
                        block = _not_met(found, queries, self.hashes, self.chunks[:number])
                        if len(block[0]):
                            yield block


def distinct_hashes(hashes: _UInt64) -> tuple[_UInt64, Int64, Int64]:
    """Equal hashes as one: (values uint64 [V] ascending, rows int64 [N], starts int64 [V + 1]); the rows that have
    ``values[v]`` are ``rows[starts[v]:starts[v + 1]]``, ascending."""
    rows = np.argsort(hashes, kind="stable").astype(np.int64)
    ordered = hashes[rows]
    begins = np.flatnonzero(np.concatenate([np.ones(min(1, len(ordered)), np.bool_), ordered[1:] != ordered[:-1]]))
    return ordered[begins], rows, np.append(begins, len(ordered)).astype(np.int64)


def plan_chunks(count: int, others: int, radius: int) -> tuple[Chunk, ...]:
    """How hashes are cut for ``count`` look-ups among ``others`` at that radius; () where comparing all with all costs
    less. The radii hold the pigeonhole: sum(radius + 1) over the chunks is ``radius + 1``."""
    best: tuple[Chunk, ...] = ()
    least = _COMPARE_NS * count * others
    for m in range(math.ceil(BITS / _MOST_CHUNK_BITS), 17):
        chunks = _cut(m, radius)
        cost = _TABLE_NS * others * len(chunks)
        for chunk in chunks:
            patterns = sum(math.comb(chunk.bits, flips) for flips in range(chunk.radius + 1))
            cost += patterns * count * (_LOOK_NS + _CANDIDATE_NS * others / 2**chunk.bits)
        if cost < least:
            best, least = chunks, cost
    return best


def _cut(m: int, radius: int) -> tuple[Chunk, ...]:
    widths = [BITS // m + (part < BITS % m) for part in range(m)]
    shifts = [sum(widths[:part]) for part in range(m)]
    flips, more = divmod(radius + 1, m)
    radii = [flips - 1 + (part < more) for part in range(m)]  # -1: this chunk need not be looked up
    cut = zip(shifts, widths, radii, strict=True)
    return tuple(Chunk(shift, bits, min(most, bits)) for shift, bits, most in cut if most >= 0)


@dataclass(frozen=True, slots=True)
class _Table:
    """The second set sorted by a chunk: those of key k are ``rows[starts[k]:starts[k + 1]]``, where ``used[k]``."""

    hashes: _UInt64
    rows: NDArray[np.int32]
    starts: NDArray[np.int32]
    used: NDArray[np.bool_]

    @classmethod
    def of(cls, hashes: _UInt64, chunk: Chunk) -> _Table:
        keys = _keys(hashes, chunk)
        rows = np.argsort(keys, kind="stable").astype(np.int32)
        counts = np.bincount(keys, minlength=1 << chunk.bits)
        starts = np.zeros((1 << chunk.bits) + 1, np.int32)
        np.cumsum(counts, out=starts[1:])
        return cls(hashes[rows], rows, starts, counts > 0)


@dataclass(frozen=True, slots=True)
class _Queries:
    """Some of the first set sorted by a chunk, so that look-ups go through a table in order."""

    hashes: _UInt64
    rows: Int64
    keys: NDArray[np.int32]

    @classmethod
    def of(cls, hashes: _UInt64, offset: int, chunk: Chunk) -> _Queries:
        keys = _keys(hashes, chunk)
        order = np.argsort(keys, kind="stable")
        return cls(hashes[order], order + offset, keys[order])

    def without_bit(self, bit: int) -> _Queries:
        """Those whose key has that bit clear."""
        those = np.flatnonzero((self.keys & np.int32(1 << bit)) == 0)
        return _Queries(self.hashes[those], self.rows[those], self.keys[those])


def _keys(hashes: _UInt64, chunk: Chunk) -> NDArray[np.int32]:
    mask = np.uint64((1 << chunk.bits) - 1)
    return ((hashes >> np.uint64(chunk.shift)) & mask).astype(np.int32)


def _rounds(queries: _Queries, chunk: Chunk, within: bool) -> Iterator[tuple[_Queries, int]]:
    """Who looks up with which pattern of flipped bits.

    Within one set a pattern leads from each of two hashes to the other, so only those whose lowest flipped bit is clear
    look up, and each two are met once; without any flipped bit they are met in both orders (``_looked_up``).
    """
    yield queries, 0
    for lowest in range(chunk.bits):
        asking = queries.without_bit(lowest) if within and chunk.radius else queries
        for more in range(chunk.radius):
            for bits in itertools.combinations(range(lowest + 1, chunk.bits), more):
                yield asking, sum(1 << bit for bit in (lowest, *bits))


def _looked_up(queries: _Queries, table: _Table, flipped: int, within: bool, radius: int) -> Iterator[HammingBlock]:
    """Every pair within the radius that one pattern leads to, in blocks; within one set the lower row first."""
    keys = queries.keys ^ np.int32(flipped)
    some = np.flatnonzero(table.used[keys])
    if not len(some):
        return
    keys = keys[some]
    begins = table.starts[keys]
    counts = (table.starts[keys + 1] - begins).astype(np.int64)
    hashes = queries.hashes[some]
    stops = np.cumsum(counts)
    for at in range(0, int(stops[-1]), _BLOCK):
        query, place = _spread(begins, counts, stops, at, min(at + _BLOCK, int(stops[-1])))
        bits = np.bitwise_count(hashes[query] ^ table.hashes[place])
        near = np.flatnonzero(bits <= radius)
        if not len(near):
            continue
        first, second = queries.rows[some[query[near]]], table.rows[place[near]].astype(np.int64)
        if not within:
            yield first, second, bits[near]
            continue
        once = slice(None) if flipped else np.flatnonzero(first < second)
        yield np.minimum(first, second)[once], np.maximum(first, second)[once], bits[near][once]


def _spread(begins: NDArray[np.int32], counts: Int64, stops: Int64, start: int, stop: int) -> tuple[Int64, Int64]:
    """Candidates ``start`` to ``stop`` of all that the queries name: (query [p], place in the table [p]). Query q names
    ``counts[q]`` places from ``begins[q]``; ``stops`` are the running sums of ``counts``."""
    low = int(np.searchsorted(stops, start, side="right"))
    high = int(np.searchsorted(stops, stop, side="left")) + 1
    before = stops[low:high] - counts[low:high]
    taken = np.minimum(stops[low:high], stop) - np.maximum(before, start)
    query = np.repeat(np.arange(low, high), taken)
    places = np.repeat(begins[low:high] - before, taken) + np.arange(start, stop)
    return query, places


def _not_met(block: HammingBlock, hashes: _UInt64, others: _UInt64, earlier: tuple[Chunk, ...]) -> HammingBlock:
    """Those that no earlier chunk has met."""
    first, second, bits = block
    different = hashes[first] ^ others[second]
    fresh = np.ones(len(first), np.bool_)
    for chunk in earlier:
        fresh &= np.bitwise_count(_keys(different, chunk)) > chunk.radius
    return first[fresh], second[fresh], bits[fresh]


def _all_with_all(first: _UInt64, second: _UInt64, radius: int, within: bool) -> Iterator[HammingBlock]:
    rows = max(1, _BLOCK // len(second))
    for at in range(0, len(first), rows):
        for beside in range(0, len(second), _BLOCK):
            bits = np.bitwise_count(first[at : at + rows, None] ^ second[None, beside : beside + _BLOCK])
            i, j = np.nonzero(bits <= radius)
            found = bits[i, j]
            i, j = i + at, j + beside
            if within:
                once = i < j
                i, j, found = i[once], j[once], found[once]
            if len(i):
                yield i, j, found
