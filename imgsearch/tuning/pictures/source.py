"""A person's pairs, and some general ones among them, as batches for the training loop."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imgsearch.model.text import clean_text
from imgsearch.records import Int64, UInt8
from imgsearch.training.pairs import PairBatch


@dataclass(frozen=True, slots=True)
class Pictures:
    """``pixels`` uint8 [I, S, S, 3], perhaps a memory map; ``captions`` and ``groups`` (copies of one picture share a
    number) by image."""

    pixels: NDArray[np.uint8]
    captions: Sequence[tuple[str, ...]]
    groups: Int64

    def __len__(self) -> int:
        return len(self.captions)


class Truth:
    """Says of which pictures a caption is true: its own, copies of it, and all that have the same caption."""

    def __init__(self, pictures: Pictures) -> None:
        self._groups = pictures.groups
        self._keys = [frozenset(map(clean_text, captions)) for captions in pictures.captions]

    def holds(self, caption: str, own: int, other: int) -> bool:
        """Whether the caption of picture ``own`` is true of picture ``other``."""
        return self._groups[own] == self._groups[other] or clean_text(caption) in self._keys[other]

    def matrix(self, captions: Sequence[str], owners: Sequence[int], pictures: Sequence[int]) -> NDArray[np.bool_]:
        """bool [I, Q]: caption q, of picture ``owners[q]``, is true of ``pictures[i]``."""
        keys = [clean_text(caption) for caption in captions]
        found = self._groups[np.asarray(pictures)][:, None] == self._groups[np.asarray(owners)]
        for row, picture in enumerate(pictures):
            known = self._keys[picture]
            found[row] |= [key in known for key in keys]
        return np.asarray(found, np.bool_)


class TuningPairs:
    """Batches in which every picture of ``own`` comes once an epoch, in an order that depends on the seed and the step
    alone; ``rehearsal`` of each batch are pictures of ``general``, so that what the model knew stays known."""

    def __init__(self, pictures: Pictures, own: Int64, general: Int64, rehearsal: float, seed: int) -> None:
        self._pictures, self._own, self._general = pictures, own, general
        self._rehearsal = rehearsal if len(general) else 0.0
        self._seed = seed
        self._truth = Truth(pictures)

    @property
    def count(self) -> int:
        """All pictures, those to rehearse with included."""
        return len(self._pictures)

    def pixels(self, rows: Int64) -> UInt8:
        """uint8 [B, S, S, 3]."""
        return np.asarray(self._pictures.pixels[rows])

    def own_share(self, size: int) -> int:
        """How many of a batch of ``size`` are the person's own."""
        return max(1, min(len(self._own), round(size * (1 - self._rehearsal))))

    def sample(self, rng: random.Random, size: int, step: int) -> PairBatch:
        """The batch of a step, as `PairSource` wants it."""
        count = self.own_share(size)
        others = min(len(self._general), round(count * self._rehearsal / (1 - self._rehearsal)))
        chosen = list(dict.fromkeys(self._own[place] for place in self._places(step, count)))
        rows = np.array([*chosen, *rng.sample(self._general.tolist(), others)], np.int64)
        captions = [rng.choice(self._pictures.captions[row]) for row in rows]
        truth = self._truth.matrix(captions, rows.tolist(), rows.tolist())

        def holds(caption: int, row: int) -> bool:
            return self._truth.holds(captions[caption], int(rows[caption]), row)

        return PairBatch(rows, captions, truth, np.full(len(rows), -1), holds, np.arange(len(chosen), len(rows)))

    def _places(self, step: int, count: int) -> list[int]:
        """The places, in ``own``, of the pictures of a step."""
        size = len(self._own)
        found: list[int] = []
        first = step * count
        while len(found) < count:
            epoch, offset = divmod(first + len(found), size)
            order = np.random.default_rng((self._seed, epoch)).permutation(size)
            found += order[offset : offset + count - len(found)].tolist()
        return found
