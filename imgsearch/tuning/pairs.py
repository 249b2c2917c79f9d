"""Where training pairs come from: a drawn corpus (whose graphs tell every truth), or a pairs.jsonl of anybody's."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from imgsearch.errors import UsageError
from imgsearch.media.preprocess import resize_to_model
from imgsearch.model.tokenizer import TextTokenizer
from imgsearch.scenes.captions import Mention, Statement, any_statement, full_statement, say
from imgsearch.scenes.graph import TWIN_KINDS, Scene
from imgsearch.tuning.corpus import Corpus

_MAX_TOKENS = 32
# Shares of the captions of pictures that stand beside their twins.
_PLACE_SHARE = 0.3  # one thing and its place
_FULL_SHARE = 0.4  # all that tells a picture from its twins
_COUPLE_WEIGHTS = {"colour": 2, "count": 1, "relation": 3}
_COUPLES_SHARE = 0.9  # of a batch that are couples, once couples are drawn


@dataclass(frozen=True, slots=True)
class PairBatch:
    """``rows`` int64 [B] into the source's pictures; caption i belongs to picture i; ``truth`` bool [B, B] is True
    where caption j is true of picture i (at least the diagonal)."""

    rows: NDArray[np.int64]
    captions: list[str]
    truth: NDArray[np.bool_]


class PairSource(Protocol):
    """Pictures and captions for training."""

    @property
    def count(self) -> int:
        """How many pictures there are."""

    def pixels(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """uint8 [B, S, S, 3]."""

    def sample(self, rng: random.Random, size: int, step: int) -> PairBatch:
        """A random batch of about ``size`` pairs for a step of the training."""


class ScenePairs:
    """Pairs from a drawn corpus: captions are made anew each time, truth is asked of the graphs, and a share of
    every batch stand beside their twins: whole families at first; from step ``couples_from`` on couples of a base and
    one twin, most often a relation twin, which are learned last, and more captions that name one thing and its
    place."""

    def __init__(self, corpus: Corpus, family_share: float = 0.6, couples_from: int = 900) -> None:
        self._corpus, self._family_share, self._couples_from = corpus, family_share, couples_from

    @property
    def count(self) -> int:
        return len(self._corpus.scenes)

    def pixels(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        return self._corpus.pixels[rows]

    def sample(self, rng: random.Random, size: int, step: int) -> PairBatch:
        corpus, couples = self._corpus, step >= self._couples_from
        groups = int(size * _COUPLES_SHARE) // 2 if couples else int(size * self._family_share) // 4
        members = [self._members(rng, couples) for _ in range(groups)]
        related = [row for group in members for row in group]
        singles = [int(rng.choice(corpus.singles)) for _ in range(size - len(related))]
        rows = np.array(related + singles)
        scenes = [corpus.scenes[row] for row in rows]
        statements = [_state(rng, scene, number < len(related), couples) for number, scene in enumerate(scenes)]
        truth = np.array([[statement.holds_of(scene) for statement in statements] for scene in scenes])
        return PairBatch(rows, [say(statement, rng.getrandbits(32)) for statement in statements], truth)

    def _members(self, rng: random.Random, couples: bool) -> list[int]:
        family = self._corpus.families[rng.randrange(len(self._corpus.families))].tolist()
        if not couples:
            return list(family)
        twin = rng.choices(range(1, len(family)), weights=[_COUPLE_WEIGHTS[kind] for kind in TWIN_KINDS])[0]
        return [family[0], family[twin]]


def _state(rng: random.Random, scene: Scene, related: bool, couples: bool) -> Statement:
    """A statement for a picture; for one that stands beside a twin, mostly one that tells them apart."""
    choice = rng.random() if related else 1.0
    if couples and choice < _PLACE_SHARE:
        group = rng.choice(scene.groups)
        colour = group.colour if rng.random() < 0.5 else None
        return Statement((Mention(group.kind, group.count, colour, None, group.position),))
    return full_statement(scene, rng) if choice < _PLACE_SHARE + _FULL_SHARE else any_statement(scene, rng)


class FilePairs:
    """Pairs from a pairs.jsonl ({"image", "captions"} a line, paths relative to the file); pictures are decoded once
    and held at the model's size (3 S^2 bytes each). A caption counts as true of its own picture only."""

    def __init__(self, path: Path, image_size: int) -> None:
        rows = _read_rows(path)
        self._captions = [row["captions"] for row in rows]
        self._pixels = np.stack([_load(path.parent / row["image"], image_size) for row in rows])

    @property
    def count(self) -> int:
        return len(self._captions)

    def pixels(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        return self._pixels[rows]

    def sample(self, rng: random.Random, size: int, step: int) -> PairBatch:
        rows = np.array(rng.sample(range(self.count), min(size, self.count)))
        captions = [rng.choice(self._captions[row]) for row in rows]
        return PairBatch(rows, captions, np.eye(len(rows), dtype=bool))


def _read_rows(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        raise UsageError(
            f"there is no file {path}", 'expected one JSON object a line: {"image": ..., "captions": [...]}'
        )
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            row = json.loads(line)
            if not row["captions"] or not isinstance(row["image"], str):
                raise KeyError("captions")
        except (json.JSONDecodeError, KeyError, TypeError) as exc:
            raise UsageError(
                f"line {number} of {path} is not a pair", 'expected {"image": "path", "captions": ["text", ...]}'
            ) from exc
        rows.append(row)
    if len(rows) < 2:
        raise UsageError(f"{path} holds {len(rows)} pairs, expected at least 2", "contrast needs other pictures")
    return rows


def _load(path: Path, image_size: int) -> NDArray[np.uint8]:
    try:
        with Image.open(path) as picture:
            return resize_to_model(picture.convert("RGB"), image_size)
    except (OSError, ValueError) as exc:
        raise UsageError(f"{path} cannot be read as a picture: {exc}", "mend or remove its line") from exc


def encode_captions(
    tokenizer: TextTokenizer, captions: list[str], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and mask int64 [B, L], cut at 32 as for ITC and ITM, padded to the longest."""
    encoded = tokenizer.encode(captions, _MAX_TOKENS)
    length = max(len(ids) for ids in encoded)
    ids = torch.full((len(encoded), length), tokenizer.pad_id)
    mask = torch.zeros((len(encoded), length), dtype=torch.long)
    for row, one in enumerate(encoded):
        ids[row, : len(one)] = torch.tensor(one)
        mask[row, : len(one)] = 1
    return ids.to(device), mask.to(device)
