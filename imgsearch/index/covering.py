"""Masks for sorting 64-bit hashes, chosen so that two hashes that differ in few bits agree in all bits of at least one
mask.

The bits are divided among m parts. If two hashes differ in at most r bits, some part differs in no more than its own
radius, where the radii and m - 1 sum to r. In a part of radius R each bit is assigned a point of the affine space of R
dimensions over two elements. Any R points miss some hyperplane (their vectors (1, x) do not span R + 1 dimensions). So
among the 2 (2**R - 1) hyperplanes, as masks of about half the part's bits, there is one in which the two hashes agree
(Pagh, "CoveringLSH", 2016). For 32 bits and R of 4 and 5, fewer masks of 16 bits are impossible: Schönheim's bound is
30 and 62.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

BITS = 64
MOST_RADIUS = 7  # largest radius of a part: 254 masks

_UInt64 = NDArray[np.uint64]
_MOST_WIDTH = 32  # most bits in a part, one point each
_SHARED = 4  # bits that the masks of a group share: enough for 16 segments (`hamming.HammingIndex`)


@dataclass(frozen=True)
class BitField:
    """``width`` bits of a word from bit ``shift`` on, with masks such that a difference of at most ``radius`` bits
    there misses at least one mask."""

    shift: int
    width: int
    radius: int

    @property
    def bits(self) -> np.uint64:
        """All bits of the part."""
        return np.uint64(((1 << self.width) - 1) << self.shift)

    @cached_property
    def groups(self) -> tuple[tuple[int, tuple[int, ...]], ...]:
        """The masks in groups, in the order that `is_first` uses: (the bits shared, the masks)."""
        return _grouped(_hyperplanes(self.shift, self.width, self.radius))

    @cached_property
    def masks(self) -> tuple[int, ...]:
        return tuple(mask for _, masks in self.groups for mask in masks)

    @cached_property
    def _untouched(self) -> tuple[list[int], _UInt64]:
        """(bytes of a word that overlap the part, uint64 [masks / 64, bytes, 256]): for each value of each byte of a
        difference, the set of masks that it misses."""
        places = list(range(self.shift // 8, (self.shift + self.width - 1) // 8 + 1))
        values = np.arange(256, dtype=np.uint64)
        table = np.zeros((-(-len(self.masks) // 64), len(places), 256), np.uint64)
        for number, mask in enumerate(self.masks):
            for at, place in enumerate(places):
                free = (values & np.uint64(mask >> 8 * place & 255)) == 0
                table[number // 64, at] |= free.astype(np.uint64) << np.uint64(number % 64)
        return places, table

    def is_first(self, number: int, different: _UInt64) -> NDArray[np.bool_]:
        """bool [n]: which differences uint64 [n] miss mask ``number`` and hit all masks before it."""
        places, table = self._untouched
        octets = different.view(np.uint8).reshape(-1, 8)
        first = np.ones(len(different), np.bool_)
        for word in range(number // 64 + 1):
            free = table[word, 0].take(octets[:, places[0]])
            for at in range(1, len(places)):
                free &= table[word, at].take(octets[:, places[at]])
            last = number - 64 * word
            first &= free << np.uint64(63 - last) == np.uint64(1 << 63) if last < 64 else free == 0
        return first


def parts_of(radius: int, count: int) -> tuple[BitField, ...]:
    """``count`` parts for a radius; fewer if the radius is below ``count - 1``; () if a part's radius would be too
    large."""
    widths = [BITS // count + (part < BITS % count) for part in range(count)]
    shifts = [sum(widths[:part]) for part in range(count)]
    least, more = divmod(radius + 1, count)
    radii = [least - 1 + (part < more) for part in range(count)]  # -1: this part needs no look-up
    if max(radii) > MOST_RADIUS or max(widths) > _MOST_WIDTH:
        return ()
    return tuple(_part(*cut) for cut in zip(shifts, widths, radii, strict=True) if cut[2] >= 0)


@lru_cache(maxsize=64)
def _part(shift: int, width: int, radius: int) -> BitField:
    return BitField(shift, width, radius)


def owned(parts: tuple[BitField, ...], part: int, mask: int, different: _UInt64) -> NDArray[np.int64]:
    """Which of the differences uint64 [n] belong to a part's mask: each belongs to one, the first untouched mask of the
    first part that differs in no more than its radius."""
    mine = np.bitwise_count(different & parts[part].bits) <= parts[part].radius
    for earlier in parts[:part]:
        mine &= np.bitwise_count(different & earlier.bits) > earlier.radius
    those = np.flatnonzero(mine)
    return those[parts[part].is_first(mask, different[those])]


def spread_bits(hashes: _UInt64, count: int) -> _UInt64:
    """uint64 [8, 256] for ``moved``: bits dealt out to ``count`` parts, those that tell hashes apart best first, so
    that where many bits are equal in all hashes, each mask has as many that are not. Source: a sample of the hashes."""
    sample = np.ascontiguousarray(hashes[:: max(1, len(hashes) // 4096)])
    ones = np.unpackbits(sample.view(np.uint8).reshape(-1, 8), axis=1, bitorder="little").mean(axis=0)
    scrambled = np.arange(BITS) * 37 % BITS  # neighbours, which often tell the same, far from each other
    order = scrambled[np.argsort(np.round(np.abs(ones[scrambled] - 0.5), 1), kind="stable")]
    target = np.empty(BITS, np.int64)
    target[np.concatenate([order[part::count] for part in range(count)])] = np.arange(BITS)
    table = np.zeros((8, 256), np.uint64)
    for bit in range(BITS):
        has = (np.arange(256) >> bit % 8 & 1).astype(np.uint64)
        table[bit // 8] |= has << np.uint64(target[bit])
    return table


def moved(hashes: _UInt64, table: _UInt64) -> _UInt64:
    """Hashes uint64 [n] with their bits where ``spread_bits`` puts them."""
    octets = np.ascontiguousarray(hashes).view(np.uint8).reshape(-1, 8)
    out: _UInt64 = table[0].take(octets[:, 0])
    for place in range(1, 8):
        out |= table[place].take(octets[:, place])
    return out


def _hyperplanes(shift: int, width: int, radius: int) -> list[int]:
    """Masks of a word: each hyperplane of the points that the part's bits are given."""
    if radius == 0:
        return [((1 << width) - 1) << shift]
    points = _points(width, radius)
    masks = []
    for normal, side in itertools.product(range(1, 1 << radius), (0, 1)):
        bits = [bit for bit in range(width) if (points[bit] & normal).bit_count() % 2 == side]
        masks.append(sum(1 << bit for bit in bits) << shift)
    return list(dict.fromkeys(masks))


def _points(width: int, radius: int) -> list[int]:
    """A point for each bit: every point about as often, where there are as many bits. They are powers of a generator of
    GF(32), and behind them their cubes: for six and seven dimensions a subcode of the extended BCH code [32, 11, 12],
    where no mask has fewer than 12 of 32 bits. So in any order of telling (``spread_bits``) no plane has all that tell.
    """
    powers = [1]
    while len(powers) < 31:
        powers.append(powers[-1] << 1 ^ (0b100101 if powers[-1] & 16 else 0))
    points = [value | powers[3 * place % 31] << 5 for place, value in enumerate(powers)] + [0]
    distinct = list(dict.fromkeys(point & (1 << radius) - 1 for point in points))
    return [distinct[bit % len(distinct)] for bit in range(width)]


def _grouped(masks: list[int]) -> tuple[tuple[int, tuple[int, ...]], ...]:
    """Groups of masks that share ``_SHARED`` bits or more, each as large as taking the most alike next makes it."""
    left, groups = list(masks), []
    while left:
        shared, group = left[0], [left.pop(0)]
        while left:
            alike = max(left, key=lambda mask: ((mask & shared).bit_count(), -mask))
            if (alike & shared).bit_count() < _SHARED:
                break
            shared &= alike
            group.append(alike)
            left.remove(alike)
        groups.append((shared, tuple(group)))
    return tuple(groups)
