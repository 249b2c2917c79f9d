"""Which pairs of a library are worth a look: alike by embedding, or one a window of the other by signature."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from imgsearch.dedup.comparison import compare_signatures
from imgsearch.dedup.windows import WINDOWS, describe_wholes, describe_windows
from imgsearch.index.neighbours import Neighbours
from imgsearch.media.signature import luma_of
from imgsearch.records import Float32, Int64, UInt8
from imgsearch.storage.inventory import Inventory
from imgsearch.storage.store import Store
from imgsearch.storage.view import View

NEIGHBOURS = 12
"""Nearest pictures by embedding that are compared token by token."""

WINDOW_CORRELATION = 0.9
"""Of an 8 x 8 window of one picture with the whole of another, from which they are looked at."""

_A_WINDOW = 3  # nearest wholes asked for a window
_A_PICTURE = 6  # pairs by windows kept a picture, the most alike
_PART = 4096
_COMPARED = 8192


@dataclass(frozen=True, slots=True)
class Alike:
    """Two rows of an inventory, ``first < second``. ``similarity``: of the embeddings, where that named them;
    ``is_copy``: their signatures say so, upright; ``worth_a_look``: their pictures should be read."""

    first: int
    second: int
    similarity: float | None = None
    is_copy: bool = False
    worth_a_look: bool = True

    def joined(self, other: Alike) -> Alike:
        """What both know of one pair."""
        similarity = self.similarity if self.similarity is not None else other.similarity
        return replace(
            self,
            similarity=similarity,
            is_copy=self.is_copy or other.is_copy,
            worth_a_look=self.worth_a_look or other.worth_a_look,
        )


def alike_by_embedding(view: View, inventory: Inventory, rows: Int64, least: float) -> list[Alike]:
    """Pairs with one of ``rows`` (ascending) whose likeness is ``least`` or more, among the `NEIGHBOURS` nearest by the
    mean of the tokens. 1 KB a picture of 256 dims; 100,000 against all are minutes of two cores by inverted lists."""
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
    """Of each picture's tokens, float32 [n, D] of norm 1; ``slots`` in any order."""
    out = np.empty((len(slots), view.dims), np.float32)
    for at in range(0, len(slots), _PART):
        mean = view.read(slots[at : at + _PART]).mean(axis=1)
        out[at : at + _PART] = mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-9)
    return out


def likeness_of(view: View, first: Int64, second: Int64) -> Float32:
    """Likeness (`search.likeness`) of pairs of slots, float32 [n]: the mean over tokens of inner products."""
    out = np.empty(len(first), np.float32)
    for at in range(0, len(first), 1024):
        part = slice(at, at + 1024)
        a, b = view.read(first[part]), view.read(second[part])
        out[part] = np.einsum("ntd,ntd->n", a, b) / view.query_tokens
    return out


def alike_by_window(store: Store, inventory: Inventory, rows: Int64) -> list[Alike]:
    """Pairs with one of ``rows`` (ascending) of which a window of one correlates with the whole of the other by
    `WINDOW_CORRELATION` or more. Pictures without a signature have none. 2 ms a picture of ``rows``, 0.3 ms for each of
    the others; 64 floats a picture."""
    wholes = _wholes(store, inventory)
    best: dict[tuple[int, int], float] = {}
    everything = Neighbours(wholes, len(rows) * len(WINDOWS))
    for at in range(0, len(rows), _PART):
        _ask(store, inventory, rows[at : at + _PART], everything, None, best)
    others = np.setdiff1d(np.arange(len(inventory)), rows)
    fresh = Neighbours(wholes[rows], len(others) * len(WINDOWS))
    for at in range(0, len(others), _PART):
        _ask(store, inventory, others[at : at + _PART], fresh, rows, best)
    return [Alike(first, second) for first, second in _most_alike(best)]


def _wholes(store: Store, inventory: Inventory) -> Float32:
    parts = [np.empty((0, 64), np.float32)]
    for at in range(0, len(inventory), _PART):
        found, signatures = store.signatures(inventory.image_ids[at : at + _PART])
        parts.append(np.where(found[:, None], describe_wholes(luma_of(signatures)), 0).astype(np.float32))
    return np.concatenate(parts)


def _ask(
    store: Store,
    inventory: Inventory,
    asking: Int64,
    wholes: Neighbours,
    names: Int64 | None,
    best: dict[tuple[int, int], float],
) -> None:
    """Add to ``best`` the pairs of pictures ``asking`` with the nearest of ``wholes``, which stand for the rows
    ``names`` (None: for themselves)."""
    _, signatures = store.signatures(inventory.image_ids[asking])
    windows = describe_windows(luma_of(signatures))  # [n, windows, 64]
    places, scores = wholes.nearest(windows.reshape(-1, windows.shape[-1]), _A_WINDOW)
    a = np.repeat(asking, len(WINDOWS) * _A_WINDOW)
    place, score = places.reshape(-1), scores.reshape(-1)
    good = np.flatnonzero((place >= 0) & (score >= WINDOW_CORRELATION))
    b = place[good] if names is None else names[place[good]]
    for first, second, found in zip(a[good].tolist(), b.tolist(), score[good].tolist(), strict=True):
        if first != second:
            key = (min(first, second), max(first, second))
            best[key] = max(best.get(key, 0.0), found)


def _most_alike(best: dict[tuple[int, int], float]) -> list[tuple[int, int]]:
    """Of each picture the `_A_PICTURE` pairs that are most alike; a pair stays if either picture keeps it."""
    taken: dict[int, int] = {}
    kept = []
    for (first, second), _ in sorted(best.items(), key=lambda item: (-item[1], item[0])):
        counts = taken.get(first, 0), taken.get(second, 0)
        if min(counts) < _A_PICTURE:
            kept.append((first, second))
            taken[first], taken[second] = counts[0] + 1, counts[1] + 1
    return kept


def marked_copies(store: Store, inventory: Inventory, pairs: list[Alike]) -> list[Alike]:
    """The same pairs, those marked whose signatures, upright, say that they are copies. 0.4 ms a pair."""
    found = []
    for at in range(0, len(pairs), _COMPARED):
        part = pairs[at : at + _COMPARED]
        first = np.array([pair.first for pair in part], np.int64)
        second = np.array([pair.second for pair in part], np.int64)
        copies = are_copies(store, inventory, first, second).tolist()
        found += [replace(pair, is_copy=copy) for pair, copy in zip(part, copies, strict=True)]
    return found


def are_copies(store: Store, inventory: Inventory, first: Int64, second: Int64) -> NDArray[np.bool_]:
    """Whether the signatures of pairs of rows, upright, say that they are copies: bool [n]."""
    there, a = store.signatures(inventory.image_ids[first])
    there_too, b = store.signatures(inventory.image_ids[second])
    upright: UInt8 = np.ones(len(first), np.uint8)
    return np.asarray(compare_signatures(a, b, upright).is_copy & there & there_too)


def _each_once(a: Int64, b: Int64) -> tuple[Int64, Int64]:
    """Pairs of different rows, the lower first, each once."""
    first, second = np.minimum(a, b), np.maximum(a, b)
    apart = first != second
    both = np.unique(np.stack([first[apart], second[apart]], axis=1), axis=0)
    return both[:, 0], both[:, 1]
