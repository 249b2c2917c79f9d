"""Finds pairs of 64-bit words within a radius, among those that agree in all bits of one of the masks of
``covering``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from imgsearch.index.covering import BITS, BitField, owned
from imgsearch.records import Int64, UInt8

WordPairs = tuple[Int64, Int64, UInt8]
"""Indices in the first words int64 [p], indices in the second int64 [p], number of differing bits uint8 [p]."""

_UInt64 = NDArray[np.uint64]
_BLOCK = 1 << 13  # words compared at a time, a power of two: 64 KB, which stay in the cache
_STREAM = 1 << 14  # words looked up at a time
_SEGMENT = 1 << 16  # words sorted at a time: 0.5 MB, 11 ns a word; a million at once take 20 ns a word
_HELD = 1 << 17  # pairs held at a time, roughly
_KEY_BITS = 16  # bits of a mask that form the key of a look-up table
_MOST_STEPS = 64
# From this share of agreeing words on, all are compared at 1 ns each; below it only those that agree, at 10 ns each
# (benchmarks/hamming.py).
_MANY_WITHIN = 0.12
_MANY_BETWEEN = 0.3


def pairs_within(words: _UInt64, parts: tuple[BitField, ...], radius: int) -> Iterator[WordPairs]:
    """Every pair of words uint64 [n] that differ in at most ``radius`` bits, once, with the lower index first.
    ``parts`` must cover the radius. Memory: 33 bytes a word besides the words, 49 if there is more than one segment."""
    room = _Room(len(words))
    for number, part in enumerate(parts):
        first_mask = 0
        for shared, masks in part.groups:
            for rows, segment in _segments(words, shared):
                for mask in range(first_mask, first_mask + len(masks)):
                    for i, j in _together(_agreeing(segment, part, part.masks[mask], radius, room)):
                        different = room.words[i] ^ room.words[j]
                        those = owned(parts, number, mask, different)
                        if len(those):
                            a, b = room.rows[i[those]], room.rows[j[those]]
                            a, b = (a, b) if rows is None else (rows[a], rows[b])
                            yield np.minimum(a, b), np.maximum(a, b), np.bitwise_count(different[those])
            first_mask += len(masks)


def pairs_between(first: _UInt64, second: _UInt64, parts: tuple[BitField, ...], radius: int) -> Iterator[WordPairs]:
    """Every pair of a word of ``first`` uint64 [n] and one of ``second`` uint64 [m] that differ in at most ``radius``
    bits, once. ``parts`` must cover the radius. The smaller set is sorted, at 24 bytes a word; the words of the larger
    one are looked up in it."""
    if len(first) < len(second):
        for j, i, bits in pairs_between(second, first, parts, radius):
            yield i, j, bits
        return
    for number, part in enumerate(parts):
        for mask in range(len(part.masks)):
            table = _Table(second, part.masks[mask])
            for at in range(0, len(first), _STREAM):
                words = first[at : at + _STREAM]
                for i, j in _together(table.near(words, radius)):
                    different = words[i] ^ table.words[j]
                    those = owned(parts, number, mask, different)
                    if len(those):
                        yield at + i[those], table.rows[j[those]], np.bitwise_count(different[those])


class _Room:
    """Arrays that are reused. Asking the system for new ones takes longer than filling them."""

    def __init__(self, count: int) -> None:
        self.numbers = np.arange(count, dtype=np.uint64)
        self.packed = np.empty(count, np.uint64)
        self.rows = np.empty(count, np.int64)
        self.words = np.empty(count, np.uint64)
        self.differs = np.empty(count, np.bool_)
        self.different = np.empty(_BLOCK, np.uint64)
        self.bits = np.empty(_MOST_STEPS * _BLOCK, np.uint8)


def _segments(words: _UInt64, shared: int) -> Iterator[tuple[Int64 | None, _UInt64]]:
    """(rows, words) of words that agree in some of the ``shared`` bits, as many as let a segment stay in the cache.
    Rows is None for all words in their order."""
    wanted = min(8, (len(words) // _SEGMENT).bit_length())
    bits = [bit for bit in range(BITS) if shared >> bit & 1][:wanted]
    if not bits:
        yield None, words
        return
    key = np.zeros(len(words), np.uint8)
    for at in range(0, len(words), _BLOCK):
        some, part = words[at : at + _BLOCK], key[at : at + _BLOCK]
        for place, bit in enumerate(bits):
            part |= ((some >> np.uint64(bit)) & np.uint64(1)).astype(np.uint8) << np.uint8(place)
    rows = np.argsort(key, kind="stable")
    ordered = words.take(rows)
    stops = np.cumsum(np.bincount(key, minlength=1 << len(bits))).tolist()
    for start, stop in zip([0, *stops[:-1]], stops, strict=True):
        if stop - start > 1:
            yield rows[start:stop], ordered[start:stop]


def _agreeing(words: _UInt64, part: BitField, mask: int, radius: int, room: _Room) -> Iterator[tuple[Int64, Int64]]:
    """Pairs within the radius among words that agree in ``mask``, and some others, as indices into ``room.words``. That
    array holds the words sorted by the mask, and ``room.rows`` their rows."""
    count = len(words)
    packed, rows, ordered = room.packed[:count], room.rows[:count], room.words[:count]
    up = np.uint64(BITS - part.shift - part.width)  # 32 bits of the part above, 32 bits of the index below
    np.left_shift(words, up, out=packed)
    packed &= np.uint64(mask) << up
    packed |= room.numbers[:count]
    packed.sort()
    np.bitwise_and(packed, np.uint64(0xFFFFFFFF), out=rows.view(np.uint64))
    words.take(rows, out=ordered, mode="clip")
    packed >>= np.uint64(32)
    np.not_equal(packed[1:], packed[:-1], out=room.differs[: count - 1])
    room.differs[count - 1] = True
    ends = np.flatnonzero(room.differs[:count]) + 1
    sizes = np.diff(ends, prepend=0)
    steps = _steps(sizes)
    yield from _next(ordered, steps, radius, room)
    large = np.flatnonzero(sizes > steps + 1)
    if not len(large):
        return
    counts = sizes[large] - steps - 1
    firsts = np.repeat(ends[large] - sizes[large] - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
    behind = np.repeat(ends[large], counts) - firsts - steps - 1
    for i, j in _candidates(firsts, firsts + steps + 1, behind):
        near = np.flatnonzero(np.bitwise_count(ordered[i] ^ ordered[j]) <= radius)
        if len(near):
            yield i[near], j[near]


def _steps(sizes: Int64) -> int:
    """The largest distance in sorted order at which all words are compared: at least `_MANY_WITHIN` of them must agree
    with the word that far away. ``sizes`` are the lengths of the runs of agreeing words."""
    counts = np.bincount(np.minimum(sizes[:4096], _MOST_STEPS)).astype(np.float64)
    longer = np.cumsum(counts[::-1])[::-1]  # [s]: number of runs of s words or more
    with_one = np.cumsum(longer[::-1])[::-1]  # [s + 1]: number of words with another one s places on in their run
    return int(np.count_nonzero(with_one[2:] > _MANY_WITHIN * with_one[1]))


def _next(words: _UInt64, steps: int, radius: int, room: _Room) -> Iterator[tuple[Int64, Int64]]:
    """Pairs of indices at most ``steps`` apart whose words are within the radius."""
    if not steps:
        return
    bits = room.bits[: steps * _BLOCK].reshape(steps, _BLOCK)
    for at in range(0, len(words), _BLOCK):
        for step in range(1, steps + 1):
            stop = max(at, min(at + _BLOCK, len(words) - step))
            different = room.different[: stop - at]
            np.bitwise_xor(words[at:stop], words[at + step : stop + step], out=different)
            np.bitwise_count(different, out=bits[step - 1, : stop - at])
            bits[step - 1, stop - at :] = BITS + 1
        if int(bits.min()) <= radius:
            hits = np.flatnonzero(bits.ravel() <= radius)
            first = at + (hits & _BLOCK - 1)
            yield first, first + 1 + (hits >> _BLOCK.bit_length() - 1)


class _Table:
    """Words sorted by a key, which is up to sixteen bits of the mask. ``_entries`` holds where the words of each key
    begin and how many there are, in 32 bits each."""

    def __init__(self, words: _UInt64, mask: int) -> None:
        self._lanes = _key_lanes(mask)
        keys = np.concatenate([self._keys(words[at : at + _STREAM]) for at in range(0, len(words), _STREAM)])
        self.rows = np.argsort(keys, kind="stable")
        self.words = words.take(self.rows)
        counts = np.bincount(keys, minlength=1 << _KEY_BITS)
        self._used = counts > 0
        self._few = 2 * int(np.count_nonzero(self._used)) < len(counts)
        self._entries = (np.cumsum(counts) - counts << 32) + counts

    def near(self, words: _UInt64, radius: int) -> Iterator[tuple[Int64, Int64]]:
        """Pairs (index in ``words``, index in the table's words) within the radius that share a key."""
        keys = self._keys(words)
        if not self._few:
            yield from self._looked_up(words, keys, radius)
            return
        asking = np.flatnonzero(self._used.take(keys))
        for i, j in self._looked_up(words.take(asking), keys.take(asking), radius):
            yield asking[i], j

    def _looked_up(self, words: _UInt64, keys: NDArray[np.uint16], radius: int) -> Iterator[tuple[Int64, Int64]]:
        entries = self._entries.take(keys)
        begins, left = entries >> 32, entries & 0xFFFFFFFF
        while np.count_nonzero(left > 0) > _MANY_BETWEEN * len(words):
            bits = np.bitwise_count(self.words.take(begins, mode="clip") ^ words)
            if int(bits.min()) <= radius:
                near = np.flatnonzero((bits <= radius) & (left > 0))
                yield near, begins[near]
            begins += 1
            left -= 1
        beyond = np.flatnonzero(left > 0)
        for i, j in _candidates(beyond, begins[beyond], left[beyond]):
            near = np.flatnonzero(np.bitwise_count(words.take(i) ^ self.words.take(j)) <= radius)
            if len(near):
                yield i[near], j[near]

    def _keys(self, words: _UInt64) -> NDArray[np.uint16]:
        lanes = words.view(np.uint16).reshape(-1, 4)
        keys = np.zeros(len(words), np.uint16)
        for lane, table in self._lanes:
            keys |= table.take(lanes[:, lane])
        return keys


def _key_lanes(mask: int) -> list[tuple[int, NDArray[np.uint16]]]:
    """For each 16-bit lane of a word that the mask uses: what it adds to the word's key, uint16 [65536]. The key
    consists of the first sixteen bits of the mask."""
    lanes = []
    values, place = np.arange(256), 0
    for lane in range(BITS // 16):
        octets = np.zeros((2, 256), np.uint16)
        for bit in range(16):
            if mask >> 16 * lane + bit & 1 and place < _KEY_BITS:
                octets[bit // 8] |= ((values >> bit % 8 & 1) << place).astype(np.uint16)
                place += 1
        if octets.any():
            lanes.append((lane, (octets[1][:, None] | octets[0][None, :]).ravel()))
    return lanes


def _candidates(queries: Int64, begins: Int64, counts: Int64) -> Iterator[tuple[Int64, Int64]]:
    """(query, index) for ``counts[k]`` indices from ``begins[k]`` on, in blocks."""
    stops = np.cumsum(counts)
    for start in range(0, int(stops[-1]) if len(stops) else 0, _STREAM):
        stop = min(start + _STREAM, int(stops[-1]))
        low = int(np.searchsorted(stops, start, side="right"))
        high = int(np.searchsorted(stops, stop, side="left")) + 1
        before = stops[low:high] - counts[low:high]
        taken = np.minimum(stops[low:high], stop) - np.maximum(before, start)
        yield np.repeat(queries[low:high], taken), np.repeat(begins[low:high] - before, taken) + np.arange(start, stop)


def _together(pairs: Iterable[tuple[Int64, Int64]]) -> Iterator[tuple[Int64, Int64]]:
    """Join small blocks of pairs into fewer large ones."""
    firsts: list[Int64] = []
    seconds: list[Int64] = []
    held = 0
    for first, second in pairs:
        firsts.append(first)
        seconds.append(second)
        held += len(first)
        if held >= _HELD:
            yield np.concatenate(firsts), np.concatenate(seconds)
            firsts, seconds, held = [], [], 0
    if held:
        yield np.concatenate(firsts), np.concatenate(seconds)
