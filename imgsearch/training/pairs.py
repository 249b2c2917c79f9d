"""Sources of training pairs, and a drawn corpus as one, whose graphs decide what is true. A person's own pairs are one
in `imgsearch.tuning.pictures.source`."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from imgsearch.model.tokenizer import TextTokenizer
from imgsearch.scenes.captions import Mention, SceneStatement, any_statement, full_statement, say
from imgsearch.scenes.graph import TWIN_KINDS, Scene
from imgsearch.training.corpus import Corpus

_MAX_TOKENS = 32
_TWIN_WEIGHTS = {"colour": 2, "count": 2, "relation": 3}
# Shares of the captions of a scene that is in a batch with a twin.
_PLACE_SHARE = 0.3  # one thing and its place, next to a relation twin
_FULL_SHARE = 0.8  # everything that tells an image from its twins; the rest are any captions


@dataclass(frozen=True, slots=True)
class PairBatch:
    """``rows`` int64 [B] are indices into the source's images, and caption i belongs to image i. ``truth`` bool [B, B]
    is True where caption j is true of image i (at least on the diagonal). ``twins`` int64 [B] is the position of an
    image's twin in the batch, -1 if there is none. ``holds(j, row)`` says whether caption j is true of any image of the
    source. ``known`` int64 [K] are the positions of pairs that the model knew before; answers to them must stay."""

    rows: NDArray[np.int64]
    captions: list[str]
    truth: NDArray[np.bool_]
    twins: NDArray[np.int64]
    holds: Callable[[int, int], bool]
    known: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))


class PairSource(Protocol):
    """Images and captions for training."""

    @property
    def count(self) -> int:
        """The number of images."""

    def pixels(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """uint8 [B, S, S, 3]."""

    def sample(self, rng: random.Random, size: int, step: int) -> PairBatch:
        """A random batch of about ``size`` pairs for a training step."""


@dataclass(frozen=True, slots=True)
class Shares:
    """The composition of a batch. ``moved``: one group of things at two places. ``twins``: a scene and one of its
    twins. ``varied``: a scene and one with another setting or kind of thing. The rest are single scenes.

    Two groups always stand opposite each other. From twins alone, "on the left" says nothing until it is bound to a
    thing, and it stayed at chance; moved scenes mend this. Twins share their setting and things, and a model that saw
    too many of them neglected both; varied scenes mend that.
    """

    moved: float = 0.3
    twins: float = 0.4
    varied: float = 0.0


SHARES = Shares()


class ScenePairs:
    """Pairs from a drawn corpus. Captions are made anew each time, and the graphs decide what is true."""

    def __init__(self, corpus: Corpus, shares: Shares = SHARES) -> None:
        self._corpus, self._shares = corpus, shares

    @property
    def count(self) -> int:
        return len(self._corpus.scenes)

    def pixels(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        return self._corpus.pixels[rows]

    def sample(self, rng: random.Random, size: int, step: int) -> PairBatch:
        corpus = self._corpus
        rows: list[int] = []
        statements: list[SceneStatement] = []
        for _ in range(int(size * self._shares.moved) // 2):
            one, other = rng.sample(corpus.moved[rng.randrange(len(corpus.moved))].tolist(), 2)
            for row in (one, other):
                rows.append(row)
                statements.append(_placed(rng, corpus.scenes[row]))
        for _ in range(int(size * self._shares.twins) // 2):
            family = corpus.families[rng.randrange(len(corpus.families))].tolist()
            kind = rng.choices(TWIN_KINDS, weights=[_TWIN_WEIGHTS[kind] for kind in TWIN_KINDS])[0]
            for row in (family[0], family[1 + TWIN_KINDS.index(kind)]):
                rows.append(row)
                statements.append(_beside_twin(rng, corpus.scenes[row], kind))
        for _ in range(int(size * self._shares.varied) // 2):
            group = corpus.varied[rng.randrange(len(corpus.varied))].tolist()
            for row in (group[0], rng.choice(group[1:])):
                rows.append(row)
                statements.append(_told_apart(rng, corpus.scenes[row]))
        twins = np.full(size, -1)
        twins[: len(rows)] = np.arange(len(rows)) ^ 1
        while len(rows) < size:
            row = int(rng.choice(corpus.singles))
            rows.append(row)
            statements.append(any_statement(corpus.scenes[row], rng))
        scenes = [corpus.scenes[row] for row in rows]
        truth = np.array([[statement.holds_of(scene) for statement in statements] for scene in scenes])
        captions = [say(statement, rng.getrandbits(32)) for statement in statements]

        def holds(caption: int, row: int) -> bool:
            return statements[caption].holds_of(corpus.scenes[row])

        return PairBatch(np.array(rows), captions, truth, twins, holds)


def _placed(rng: random.Random, scene: Scene) -> SceneStatement:
    """One group and its place, perhaps with its colour and the setting."""
    group = rng.choice(scene.groups)
    colour = group.colour if rng.random() < 0.5 else None
    setting = scene.setting if rng.random() < 0.3 else None
    return SceneStatement((Mention(group.kind, group.count, colour, None, group.position),), setting)


def _told_apart(rng: random.Random, scene: Scene) -> SceneStatement:
    """All things and the setting, so that the caption is untrue of other settings and other things; now and then any
    caption."""
    if rng.random() < 0.2:
        return any_statement(scene, rng)
    mentions = tuple(Mention(g.kind, g.count, g.colour if rng.random() < 0.8 else None) for g in scene.groups)
    return SceneStatement(mentions, scene.setting)


def _beside_twin(rng: random.Random, scene: Scene, kind: str) -> SceneStatement:
    """A statement for a scene next to a twin of this kind; mostly one that tells them apart."""
    if kind == "relation" and rng.random() < _PLACE_SHARE:
        return _placed(rng, scene)
    return full_statement(scene, rng) if rng.random() < _FULL_SHARE else any_statement(scene, rng)


def encode_ids(tokenizer: TextTokenizer, captions: Sequence[str]) -> list[list[int]]:
    """Token ids of each caption, cut at 32 as for ITC and ITM."""
    return tokenizer.encode(captions, _MAX_TOKENS)


def encode_captions(
    tokenizer: TextTokenizer, captions: list[str], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and mask int64 [B, L], cut at 32 as for ITC and ITM, padded to the longest caption."""
    encoded = encode_ids(tokenizer, captions)
    length = max(len(ids) for ids in encoded)
    ids = torch.full((len(encoded), length), tokenizer.pad_id)
    mask = torch.zeros((len(encoded), length), dtype=torch.long)
    for row, one in enumerate(encoded):
        ids[row, : len(one)] = torch.tensor(one)
        mask[row, : len(one)] = 1
    return ids.to(device), mask.to(device)
