"""Names the pairs of a library that deserve a look: similar by embedding, or one a window of the other by signature."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from imgsearch.dedup.evidence.background import thresholds
from imgsearch.dedup.pixels.crop_descriptors import CORNERS, DIMS, WINDOWS, describe_windows
from imgsearch.dedup.tiers.perceptual import CandidateSearch
from imgsearch.dedup.tiers.prefilter import screened
from imgsearch.index.neighbours import Neighbours
from imgsearch.media.signature import luma_of
from imgsearch.records import Float32, Int64, UInt8
from imgsearch.storage.catalog.inventory import Inventory
from imgsearch.storage.store import Store
from imgsearch.storage.view import View

NEIGHBOURS = 20
"""Nearest images by embedding that are compared token by token."""

HASH_RADIUS = 14
"""Hamming distance of the pHashes, upright or as a negative, within which images written over or filtered may lie. 9 of
10 stickers, logos and captions over photographs are within it."""

NEAR_HASH = 10
"""Hamming distance within which pairs are compared however little their detail agrees; other tools call these
copies."""

LEAST_CORRELATION = 0.75
"""Correlation of the detail of a window with that of the whole of another image (`crop_descriptors`)."""

LEAST_CORNER = 0.9
"""The same for one corner and that corner of another image."""

LEAST_ALIKE = 0.4
"""The same for two wholes whose pHashes are near."""

EXPECTED_FALSE = 0.2
"""Unrelated images that the windows of an image may name. If many images are similar (drawn before few backgrounds,
frames of one camera), a pair needs a higher correlation, so that looking ends."""

_MOST = 0.97  # the highest correlation that is required
_A_WINDOW = 3  # nearest wholes requested for a window
_PAIRS_AN_IMAGE = 8  # pairs kept an image, the most similar
_PART = 4096
_ASKED = 512  # images described by all windows at a time: half a second, 5 MB
_COMPARED = 4096
_MARKED = 1024  # pairs whose signatures are compared before checking which others are still needed
_SAMPLED = 512
_FEW = 50  # fewer images give no law
_APART = 20  # Hamming distance of the pHashes of images that count as unrelated


@dataclass(frozen=True, slots=True)
class Alike:
    """Two rows of an inventory, ``first < second``. ``similarity``: of the embeddings, if these named the pair;
    ``is_copy``: their signatures say so, upright; ``correlation``: correlation of the detail that named them, 0..1."""

    first: int
    second: int
    similarity: float | None = None
    is_copy: bool = False
    correlation: float = 0.0

    def joined(self, other: Alike) -> Alike:
        """The pair with the facts of both records."""
        similarity = self.similarity if self.similarity is not None else other.similarity
        return replace(self, similarity=similarity, correlation=max(self.correlation, other.correlation))


def alike_by_embedding(view: View, inventory: Inventory, rows: Int64, least: float) -> list[Alike]:
    """Pairs with one of ``rows`` (ascending) whose similarity is ``least`` or more, among the `NEIGHBOURS` nearest by
    the mean of the tokens. 1 KB an image of 256 dims; 100,000 against all are minutes of two cores by inverted lists.
    """
    known = np.isin(inventory.slots, view.live_slots)
    there = np.flatnonzero(known)
    rows = rows[known[rows]]
    if not len(rows) or len(there) < 2:
        return []
    means = mean_directions(view, inventory.slots[there])
    found: dict[tuple[int, int], float] = {}
    neighbours = Neighbours(means, len(rows))
    for at in range(0, len(rows), _PART):
        asking = rows[at : at + _PART]
        places, _ = neighbours.nearest(means[np.searchsorted(there, asking)], NEIGHBOURS + 1)
        a = np.repeat(asking, places.shape[1])
        b = np.where(places.reshape(-1) >= 0, there[places.reshape(-1)], a)
        first, second = _each_once(a, b)
        alike = likeness_of(view, inventory.slots[first], inventory.slots[second])
        kept = alike >= least
        found.update(
            zip(zip(first[kept].tolist(), second[kept].tolist(), strict=True), alike[kept].tolist(), strict=True)
        )
    return [Alike(first, second, similarity) for (first, second), similarity in found.items()]


def mean_directions(view: View, slots: Int64) -> Float32:
    """The mean direction of each image's tokens, float32 [n, D] of norm 1; ``slots`` in any order."""
    out = np.empty((len(slots), view.dims), np.float32)
    for at in range(0, len(slots), _PART):
        mean = view.read(slots[at : at + _PART]).mean(axis=1)
        out[at : at + _PART] = mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-9)
    return out


def likeness_of(view: View, first: Int64, second: Int64) -> Float32:
    """Similarity (`search.similarity`) of pairs of slots, float32 [n]: the mean over tokens of inner products."""
    out = np.empty(len(first), np.float32)
    for at in range(0, len(first), 1024):
        part = slice(at, at + 1024)
        a, b = view.read(first[part]), view.read(second[part])
        out[part] = np.einsum("ntd,ntd->n", a, b) / view.query_tokens
    return out


def unrelated_rows(inventory: Inventory, wanted: int = _SAMPLED) -> Int64:
    """Up to ``wanted`` rows spread over the inventory, ascending, no two with pHashes within a Hamming distance of 20:
    only one of an image and its copies, so that copies do not pass for chance."""
    count = len(inventory)
    spread = np.unique(np.linspace(0, max(0, count - 1), min(count, 4 * wanted)).astype(np.int64))
    hashes = inventory.perceptual_hashes
    chosen: list[int] = []
    for row in spread.tolist():
        if len(chosen) < wanted and (np.bitwise_count(hashes[chosen] ^ hashes[row]) >= _APART).all():
            chosen.append(row)
    return np.array(chosen, np.int64)


class Signed:
    """The wholes of a library's signatures, ready for look-ups: 256 bytes an image."""

    def __init__(self, store: Store, inventory: Inventory, told: Callable[[], object] = lambda: None) -> None:
        """``told`` is called about every second while they are described and looked up."""
        self._store, self._inventory, self._told = store, inventory, told
        self.wholes = self._described(WINDOWS[0])
        self.unrelated = unrelated_rows(inventory)

    def alike_by_window(self, rows: Int64) -> list[Alike]:
        """Pairs with one of ``rows`` (ascending) in which a window of one shows the whole of the other; no copies. 3 ms
        an image of ``rows``, 1 ms for each of the others."""
        best: dict[tuple[int, int], float] = {}
        everything = Neighbours(self.wholes, len(rows) * len(WINDOWS))
        for at in range(0, len(rows), _ASKED):
            self._ask(rows[at : at + _ASKED], everything, None, best)
        others = np.setdiff1d(np.arange(len(self._inventory)), rows)
        fresh = Neighbours(self.wholes[rows], len(others) * len(WINDOWS))
        for at in range(0, len(others), _ASKED):
            self._ask(others[at : at + _ASKED], fresh, rows, best)
        return self._most_alike(best)

    def alike_by_corner(self, rows: Int64) -> list[Alike]:
        """Pairs with one of ``rows`` (ascending) that are similar in a corner, as under a sticker or a caption; no
        copies. 1 ms an image of ``rows``, 256 bytes of every image."""
        best: dict[tuple[int, int], float] = {}
        for corner in CORNERS:
            corners = self._described(corner)
            found = Neighbours(corners, len(rows))
            for at in range(0, len(rows), _PART):
                asking = rows[at : at + _PART]
                places, scores = found.nearest(corners[asking], _A_WINDOW + 1)
                least = np.maximum(self._least(corners[asking][:, None], corners), LEAST_CORNER)
                _keep_best(best, asking, places, scores, least)
        return self._most_alike(best)

    def alike_by_hash(self, rows: Int64) -> list[Alike]:
        """Pairs with one of ``rows`` (ascending) whose pHashes are near, upright or one a negative, and whose detail
        mostly agrees; no copies."""
        best: dict[tuple[int, int], float] = {}
        telling = rows[np.abs(self.wholes[rows]).max(axis=1, initial=0) > 0]
        search = CandidateSearch(self._inventory, telling, HASH_RADIUS, 2)
        for at in range(0, len(telling), _PART):
            asking = telling[at : at + _PART]
            hashes = self._inventory.perceptual_hashes[asking]
            for found in search.candidates(asking, np.stack([hashes, ~hashes], axis=1)):
                self._told()
                alike = np.abs(np.einsum("nd,nd->n", self.wholes[found.first], self.wholes[found.second]))
                good = np.flatnonzero((alike >= LEAST_ALIKE) | (found.hamming <= NEAR_HASH))
                keys = zip(found.first[good].tolist(), found.second[good].tolist(), strict=True)
                best.update(zip(keys, alike[good].tolist(), strict=True))
        return self._most_alike(best)

    def _described(self, window: tuple[float, float, float]) -> Float32:
        """One window of every image, float32 [N, 64]."""
        parts = [np.empty((0, DIMS), np.float32)]
        for at in range(0, len(self._inventory), _PART):
            luma = self._luma(np.arange(at, min(at + _PART, len(self._inventory))))
            parts.append(describe_windows(luma, [window])[:, 0])
            self._told()
        return np.concatenate(parts)

    def _luma(self, rows: Int64) -> UInt8:
        return luma_of(self._store.signatures(self._inventory.image_ids[rows])[1])

    def _least(self, windows: Float32, wholes: Float32) -> Float32:
        """The correlation with one of ``wholes`` [N, 64] that `EXPECTED_FALSE` images reach by chance, for each of the
        images that ``windows`` [n, windows, 64] belong to, within bounds: float32 [n]."""
        if len(self.unrelated) < _FEW:
            return np.full(len(windows), LEAST_CORRELATION, np.float32)
        others = wholes[self.unrelated].T  # [64, s]
        alike = windows[:, 0] @ others
        for number in range(1, windows.shape[1]):
            np.maximum(alike, windows[:, number] @ others, out=alike)
        least = thresholds(alike, EXPECTED_FALSE / len(self._inventory))
        return np.asarray(least.clip(LEAST_CORRELATION, _MOST))

    def _ask(self, asking: Int64, wholes: Neighbours, names: Int64 | None, best: dict[tuple[int, int], float]) -> None:
        """Add to ``best`` the pairs of images ``asking`` with the nearest of ``wholes``, which represent the rows
        ``names`` (None: their own)."""
        self._told()
        windows = describe_windows(self._luma(asking))  # [n, windows, 64]
        places, scores = wholes.nearest(windows.reshape(-1, DIMS), _A_WINDOW)
        places = places.reshape(len(asking), -1)
        if names is not None:
            places = np.where(places >= 0, names[places], -1)
        _keep_best(best, asking, places, scores.reshape(len(asking), -1), self._least(windows, self.wholes))

    def _most_alike(self, best: dict[tuple[int, int], float]) -> list[Alike]:
        """The `_PAIRS_AN_IMAGE` most similar pairs of each image, without copies; a pair stays if either keeps it."""
        taken: dict[int, int] = defaultdict(int)
        kept = []
        ordered = sorted(best.items(), key=lambda item: (-item[1], item[0]))
        named = (Alike(first, second, correlation=alike) for (first, second), alike in ordered)
        # One part at a time: if thousands are similar (frames of one camera), most pairs are never compared.
        while part := list(islice((pair for pair in named if _wanted(pair, taken)), _MARKED)):
            for pair in marked_copies(self._store, self._inventory, part, self._told):
                if not pair.is_copy and _wanted(pair, taken):
                    kept.append(pair)
                    taken[pair.first] += 1
                    taken[pair.second] += 1
        return kept


def _wanted(pair: Alike, taken: Mapping[int, int]) -> bool:
    """Whether either image has room for another pair."""
    return min(taken.get(pair.first, 0), taken.get(pair.second, 0)) < _PAIRS_AN_IMAGE


def marked_copies(
    store: Store, inventory: Inventory, pairs: list[Alike], told: Callable[[], object] = lambda: None
) -> list[Alike]:
    """The same pairs, with ``is_copy`` set where the signatures, upright, say so. 20 us a pair, 0.2 to 0.5 ms a pair
    that may be a copy."""
    found = []
    for at in range(0, len(pairs), _COMPARED):
        part = pairs[at : at + _COMPARED]
        told()
        first = inventory.image_ids[[pair.first for pair in part]]
        second = inventory.image_ids[[pair.second for pair in part]]
        there, a = store.signatures(first)
        there_too, b = store.signatures(second)
        alike = screened(a, b, np.ones(len(part), np.uint8))
        copies = alike.is_copy & there & there_too
        found += [replace(pair, is_copy=copy) for pair, copy in zip(part, copies.tolist(), strict=True)]
    return found


def _keep_best(best: dict[tuple[int, int], float], asking: Int64, rows: Int64, scores: Float32, least: Float32) -> None:
    """Add to ``best`` the pairs of images ``asking`` [n] with ``rows`` [n, k] (-1: none) that score ``least`` [n] or
    more."""
    good = (rows >= 0) & (rows != asking[:, None]) & (scores >= least[:, None])
    a = np.broadcast_to(asking[:, None], rows.shape)
    for first, second, score in zip(a[good].tolist(), rows[good].tolist(), scores[good].tolist(), strict=True):
        key = (min(first, second), max(first, second))
        best[key] = max(best.get(key, 0.0), score)


def _each_once(a: Int64, b: Int64) -> tuple[Int64, Int64]:
    """Pairs of different rows, the lower first, each once."""
    first, second = np.minimum(a, b), np.maximum(a, b)
    apart = first != second
    both = np.unique(np.stack([first[apart], second[apart]], axis=1), axis=0)
    return both[:, 0], both[:, 1]
