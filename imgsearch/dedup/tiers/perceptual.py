"""Finds the same image resized, compressed again, slightly recoloured, turned or mirrored: by pHash, then by signature.

Candidates are images with a small Hamming distance between their pHashes at one of the eight orientations; the
comparison of their signatures decides. Of two images the one with the higher id is always turned, so that a library
compared image by image has the same pairs as one compared at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imgsearch.dedup.evidence.records import Evidence, Pair
from imgsearch.dedup.pixels.comparison import HASH_RADIUS, SIGNATURE_PEAK
from imgsearch.dedup.tiers.prefilter import screened
from imgsearch.index.hamming import HammingIndex, distinct_hashes
from imgsearch.media.signature import INVERSE_ORIENTATION, ORIENTATIONS, is_flat, luma_of, oriented_hashes
from imgsearch.progress import StepProgress
from imgsearch.records import Float32, Int64, UInt8
from imgsearch.storage.catalog.inventory import Inventory
from imgsearch.storage.store import Store

KIND = "perceptual"
RECIPE = f"2-{HASH_RADIUS}-{SIGNATURE_PEAK}"
"""Names the deciding rules (hash, radius, comparison); if it changes, pairs are computed again. Raise its first number
when the comparison changes in another way."""

CROWD = 256
"""If more images than this have one pHash, only the largest so many are compared with all others of the crowd, instead
of all with all: 10,000 frames of one still scene then take 2.5 million comparisons, not 50 million."""

_BLOCK = 8192  # new images looked up at a time
_MOST_CANDIDATES = 4_000_000  # held at a time: 150 MB; a block with more is halved
_COMPARED = 16_384  # pairs whose signatures are in memory at a time: 50 MB


@dataclass(frozen=True, slots=True)
class CandidatePairs:
    """Pairs of rows of an inventory to be compared: ``first`` and ``second`` int64 [n], first below second; the
    orientation (EXIF, 1-8) that makes the second look like the first, and the Hamming distance of their pHashes then,
    uint8 [n]. A pair may occur at several orientations."""

    first: Int64
    second: Int64
    orientations: UInt8
    hamming: UInt8


def perceptual_pairs(
    store: Store,
    new: Int64,
    *,
    inventory: Inventory | None = None,
    radius: int = HASH_RADIUS,
    progress: StepProgress | None = None,
) -> Iterator[Pair]:
    """Copies among the images of a library, at least one of each pair among the ids ``new``; each pair once, in no
    particular order. Flat images, whose pHash says nothing, and images without a signature (``fill_signatures``) have
    no pairs here. ``progress(done, total)`` counts the new ones.

    50,000 new images take 8 s of one core; each candidate costs reading two signatures (20 us each), and the cost of
    ``screened``. Memory: 150 bytes an image and 300 MB.
    """
    inventory = inventory or store.inventory()
    new = np.unique(np.asarray(new, np.int64))
    rows = inventory.rows(new)
    rows = rows[rows >= 0]
    if not len(rows):
        return
    search = CandidateSearch(inventory, rows, radius)
    for at in range(0, len(rows), _BLOCK):
        yield from _block_pairs(store, search, rows[at : at + _BLOCK])
        if progress is not None:
            progress(min(at + _BLOCK, len(rows)), len(rows))


class CandidateSearch:
    """An inventory prepared for look-ups of its pHashes; equal hashes are one entry with the list of their rows."""

    def __init__(
        self, inventory: Inventory, new_rows: Int64, radius: int, orientations: int = len(ORIENTATIONS)
    ) -> None:
        """``orientations``: the number of orientations (1, 2, ...) at which images are looked up."""
        self.inventory = inventory
        self._is_new = np.zeros(len(inventory), np.bool_)
        self._is_new[new_rows] = True
        values, members, self._starts = distinct_hashes(inventory.perceptual_hashes)
        self._members = _largest_first(inventory, members, self._starts)
        place = np.empty(len(inventory), np.int64)  # of each image among those of its hash
        place[self._members] = np.arange(len(inventory)) - np.repeat(self._starts[:-1], np.diff(self._starts))
        self._leads = place < CROWD
        self._index = HammingIndex(values, radius, orientations * len(new_rows))

    def candidates(self, rows: Int64, hashes: NDArray[np.uint64]) -> Iterator[CandidatePairs]:
        """Possible copies of the new images ``rows`` int64 [n] of the inventory with turned hashes uint64 [n,
        orientations]: among new images those of a lower id, among the others all. In one part, or in several if that
        were too much to hold, every pair whole in one."""
        found = self._found(rows, hashes)
        if found is not None:
            yield found
            return
        half = len(rows) // 2
        yield from self.candidates(rows[:half], hashes[:half])
        yield from self.candidates(rows[half:], hashes[half:])

    def _found(self, rows: Int64, hashes: NDArray[np.uint64]) -> CandidatePairs | None:
        """``candidates`` at once; None if there are too many for several images."""
        found: list[tuple[Int64, Int64, UInt8, UInt8]] = []
        held = 0
        for query, value, hamming in self._index.pairs(hashes.reshape(-1)):
            picture = rows[query // hashes.shape[1]]
            sizes = self._starts[value + 1] - self._starts[value]
            sizes = np.where(self._leads[picture], sizes, np.minimum(sizes, CROWD))
            held += int(sizes.sum())
            if held > _MOST_CANDIDATES and len(rows) > 1:
                return None
            each = np.repeat(np.arange(len(query)), sizes)
            within = np.arange(len(each)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
            other = self._members[self._starts[value][each] + within]
            asking = picture[each]
            wanted = np.flatnonzero((other < asking) | ((other > asking) & ~self._is_new[other]))
            each = each[wanted]
            orientations = (query[each] % hashes.shape[1] + 1).astype(np.uint8)
            found.append((other[wanted], asking[wanted], orientations, hamming[each]))
        return _in_order(found)


def _largest_first(inventory: Inventory, members: Int64, starts: Int64) -> Int64:
    """The rows of each hash, the most pixels first, then by id."""
    group = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    area = (inventory.widths * inventory.heights)[members]
    return members[np.lexsort((members, -area, group))]


def _in_order(found: list[tuple[Int64, Int64, UInt8, UInt8]]) -> CandidatePairs:
    """The candidates, the lower row first, sorted so that one pair's orientations lie together, the smallest Hamming
    distance first."""
    if not found:
        none, no_bytes = np.empty(0, np.int64), np.empty(0, np.uint8)
        return CandidatePairs(none, none, no_bytes, no_bytes)
    other, asking, orientations, hamming = (np.concatenate(column) for column in zip(*found, strict=True))
    swapped = other > asking
    orientations = np.where(swapped, np.array(INVERSE_ORIENTATION, np.uint8)[orientations], orientations)
    first, second = np.minimum(other, asking), np.maximum(other, asking)
    order = np.lexsort((orientations, hamming, second, first))
    return CandidatePairs(first[order], second[order], orientations[order], hamming[order])


def _block_pairs(store: Store, search: CandidateSearch, rows: Int64) -> Iterator[Pair]:
    found, signatures = store.signatures(search.inventory.image_ids[rows])
    luma = luma_of(signatures)
    telling = np.flatnonzero(found & ~is_flat(luma))
    hashes = oriented_hashes(luma[telling])
    for candidates in search.candidates(rows[telling], hashes):
        yield from decide(store, search.inventory, candidates)


def decide(store: Store, inventory: Inventory, candidates: CandidatePairs) -> Iterator[Pair]:
    """The candidates (one pair's orientations together) that are copies according to their signatures, each pair once:
    at the orientation of the least difference."""
    count = len(candidates.first)
    difference = np.empty(count, np.float32)
    score = np.empty(count, np.float32)
    is_copy = np.zeros(count, np.bool_)
    for at in range(0, count, _COMPARED):
        part = slice(at, at + _COMPARED)
        difference[part], score[part], is_copy[part] = _compare(store, inventory, candidates, part)
    copies = np.flatnonzero(is_copy)
    if not len(copies):
        return
    first, second = candidates.first[copies], candidates.second[copies]
    best = np.lexsort((difference[copies], second, first))
    fresh = np.ones(len(best), np.bool_)
    fresh[1:] = (first[best][1:] != first[best][:-1]) | (second[best][1:] != second[best][:-1])
    for at in copies[best[fresh]].tolist():
        evidence = Evidence(
            KIND,
            float(score[at]),
            orientation=int(candidates.orientations[at]),
            hamming=int(candidates.hamming[at]),
            difference=float(difference[at]),
        )
        ids = inventory.image_ids[[candidates.first[at], candidates.second[at]]].tolist()
        yield Pair(ids[0], ids[1], evidence)


def _compare(
    store: Store, inventory: Inventory, candidates: CandidatePairs, part: slice
) -> tuple[Float32, Float32, NDArray[np.bool_]]:
    """(difference, score, is copy) of some candidates; flat images and images without a signature are no copies."""
    first, second, orientations = candidates.first[part], candidates.second[part], candidates.orientations[part]
    rows, place = np.unique(np.concatenate([first, second]), return_inverse=True)
    found, signatures = store.signatures(inventory.image_ids[rows])
    telling = found & ~is_flat(luma_of(signatures))
    a, b = place[: len(first)], place[len(first) :]
    compared = screened(signatures[a], signatures[b], orientations)
    return compared.difference, compared.score, compared.is_copy & telling[a] & telling[b]
