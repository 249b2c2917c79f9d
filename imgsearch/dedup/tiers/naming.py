"""Decides which pairs of a library are compared as near copies, and which are classified without a look."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from imgsearch.dedup.evidence.background import SAMPLED, background
from imgsearch.dedup.tiers.candidates import Alike, Signed, alike_by_embedding, marked_copies, unrelated_rows
from imgsearch.dedup.tiers.prefilter import correlations
from imgsearch.dedup.tiers.series import Shot, chosen_looks, seconds_between, shot_of
from imgsearch.records import Int64, is_model_free
from imgsearch.storage.catalog import sqlite_reads as lookups
from imgsearch.storage.catalog.inventory import Inventory
from imgsearch.storage.store import Store

_LOOKED_AT = 1.0
"""Pairs of unrelated images, for each image, that are compared because of their embeddings; then pixels decide."""

_NO_SEMANTIC = 2.0  # a similarity that no two images reach
_EVERY_S = 0.5

Told = Callable[[], object]


class Heard:
    """Calls ``progress(done, total)`` at most twice a second, however often it is called itself."""

    def __init__(self, progress: Callable[[int, int], object] | None, total: int) -> None:
        self._progress, self._total = progress, total
        self._done = 0
        self._last = 0.0

    def again(self) -> None:
        """Nothing new is done, but the work continues."""
        now = time.monotonic()
        if self._progress is not None and now - self._last >= _EVERY_S:
            self._last = now
            self._progress(self._done, self._total)

    def done(self, done: int, total: int) -> None:
        """So many of so many parts are done; the last one is always reported."""
        self._done = done * self._total // max(1, total)
        if done >= total:
            self._last = 0.0
        self.again()


@dataclass(frozen=True, slots=True)
class Named:
    """Pairs of rows of an inventory. ``looked_at``: pairs to compare; ``timed``: shots of one camera at different
    times, with the correlation of their lightness, -1..1; ``series``: frames of one numbered series; ``shots``: known
    facts of the images; ``crowd_of``: as in `series.Looks`. ``semantic``: a similarity of embeddings that unrelated
    images hardly reach."""

    looked_at: list[Alike]
    timed: list[tuple[Alike, float]]
    series: list[Alike]
    shots: dict[int, Shot]
    crowd_of: Mapping[int, int]
    semantic: float

    def is_semantic(self, pair: Alike) -> bool:
        """Whether the embeddings of the two are more similar than by chance."""
        return pair.similarity is not None and pair.similarity >= self.semantic

    def are_frames(self, pair: Alike) -> bool:
        """Whether the two belong to one crowd."""
        return pair.first in self.crowd_of and self.crowd_of[pair.first] == self.crowd_of.get(pair.second)

    def is_series(self, pair: Alike) -> bool:
        """Whether the two are numbered files of one folder and one size."""
        first, second = self.shots.get(pair.first), self.shots.get(pair.second)
        return first is not None and second is not None and first.is_beside(second)


def name_pairs(store: Store, inventory: Inventory, rows: Int64, told: Told, chance: tuple[float, int]) -> Named:
    """All pairs with one of ``rows`` that may be near copies, none that signatures call copies. ``chance``: false
    semantic pairs expected an image, and a seed. In a library without a model, embeddings name nothing."""
    signed = Signed(store, inventory, told)
    semantic = _NO_SEMANTIC
    by_embedding: list[Alike] = []
    if not is_model_free(store.model):
        semantic, by_embedding = _by_embedding(store, inventory, rows, *chance)
    found = _together(
        marked_copies(store, inventory, by_embedding, told),
        signed.alike_by_window(rows),
        signed.alike_by_corner(rows),
        signed.alike_by_hash(rows),
    )
    pairs = [pair for pair in found if not pair.is_copy]  # `confirmation` compares copies
    shots = _shots(store, inventory, {row for pair in pairs for row in (pair.first, pair.second)}, told)
    timed: list[Alike] = []
    others: list[Alike] = []
    for pair in pairs:
        (timed if seconds_between(shots.get(pair.first), shots.get(pair.second)) else others).append(pair)
    chosen = chosen_looks(others, shots)
    correlated = list(zip(timed, _correlated(store, inventory, timed), strict=True))
    return Named(chosen.looked_at, correlated, chosen.series, shots, chosen.crowd_of, semantic)


def ids_of(inventory: Inventory, pair: Alike) -> tuple[int, int]:
    """The image ids of a pair, the lower first."""
    return int(inventory.image_ids[pair.first]), int(inventory.image_ids[pair.second])


def _by_embedding(
    store: Store, inventory: Inventory, rows: Int64, false_share: float, seed: int
) -> tuple[float, list[Alike]]:
    """(similarity from which two are semantic neighbours, the pairs that deserve a look)."""
    view = store.view()
    unrelated = inventory.slots[unrelated_rows(inventory, SAMPLED)]
    chance = background(view, seed, unrelated[np.isin(unrelated, view.live_slots)])
    count = max(1, len(inventory))
    looked_at = chance.threshold(_LOOKED_AT / count)
    return chance.threshold(false_share / count), alike_by_embedding(view, inventory, rows, min(1.0, looked_at))


def _shots(store: Store, inventory: Inventory, rows: set[int], told: Told) -> dict[int, Shot]:
    """The known facts of the images at these rows that have a file."""
    found: dict[int, Shot] = {}
    for part in lookups.chunks(sorted(rows), 1024):
        files = store.copies(inventory.image_ids[part].tolist())
        for row in part:
            for file in files.get(int(inventory.image_ids[row]), [])[:1]:
                found[row] = shot_of(file.path, file.facts)
        told()
    return found


def _correlated(store: Store, inventory: Inventory, pairs: list[Alike]) -> list[float]:
    found: list[float] = []
    for part in lookups.chunks(pairs, 2048):
        first = store.signatures(inventory.image_ids[[pair.first for pair in part]])[1]
        second = store.signatures(inventory.image_ids[[pair.second for pair in part]])[1]
        found += correlations(first, second, np.ones(len(part), np.uint8)).tolist()
    return found


def _together(*sources: list[Alike]) -> list[Alike]:
    """Each pair once, with the facts of every source, in the order of the rows: neighbours share images."""
    pairs: dict[tuple[int, int], Alike] = {}
    for source in sources:
        for found in source:
            key = (found.first, found.second)
            known = pairs.get(key)
            pairs[key] = found if known is None else known.joined(found)
    return [pairs[key] for key in sorted(pairs)]
