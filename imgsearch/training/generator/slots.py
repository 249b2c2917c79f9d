"""What each query token is to read: the group that stands in one part of the picture.

The retrieval model's queries hold what ITC needs, of which the best token alone counts: all facts of a caption, but not
which belong together. From them the language model named colours within 500 steps, yet after 1,700 it still answered
"what is on the left?" by chance where two groups stood. Every patch of the ViT does know its own group's place, kind,
colour and number (`imgsearch.training.naming`), so a query can learn to fetch those of one place.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import nn

from imgsearch.scenes.graph import Scene
from imgsearch.scenes.vocabulary import COLOURS, KINDS, MAX_COUNT, NUMBERS, POSITIONS, SETTINGS, SIZES

PLACES = tuple(POSITIONS)
PERIOD = len(PLACES) + 1  # queries take turns: one for every place, then one for the setting
_KIND = {name: number + 1 for number, name in enumerate(KINDS)}  # 0: nothing stands there
_COLOUR = {name: number for number, name in enumerate(COLOURS)}
_SIZE = {name: number for number, name in enumerate(SIZES)}
_SETTING = {name: number for number, name in enumerate(SETTINGS)}
_IGNORED = -100  # cross_entropy's ignore_index


class SlotHeads(nn.Module):
    """Linear read-outs of query tokens; dropped when training is done."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.kind = nn.Linear(width, 1 + len(KINDS))
        self.colour = nn.Linear(width, len(COLOURS))
        self.size = nn.Linear(width, len(SIZES))
        self.count = nn.Linear(width, MAX_COUNT)
        self.setting = nn.Linear(width, len(SETTINGS))


def slot_targets(scenes: list[Scene]) -> tuple[torch.Tensor, torch.Tensor]:
    """(int64 [4, B, places]: kind, colour, size and count - 1 of the group there, kind 0 and the rest ignored where
    there is none; int64 [B]: the setting)."""
    targets = torch.full((4, len(scenes), len(PLACES)), _IGNORED)
    targets[0] = 0
    for row, scene in enumerate(scenes):
        for group in scene.groups:
            values = (_KIND[group.kind], _COLOUR[group.colour], _SIZE[group.size], group.count - 1)
            targets[:, row, PLACES.index(group.position)] = torch.tensor(values)
    return targets, torch.tensor([_SETTING[scene.setting] for scene in scenes])


def slot_loss(heads: SlotHeads, read: torch.Tensor, scenes: list[Scene]) -> tuple[torch.Tensor, float]:
    """(the mean of five cross-entropies of query outputs [B, Q, W], the share of groups whose kind, colour and count
    are all read right)."""
    targets, setting = slot_targets(scenes)
    turn = torch.arange(read.shape[1]) % PERIOD
    placed, ground = read[:, turn < len(PLACES)], read[:, turn == len(PLACES)]
    per_query = targets[:, :, turn[turn < len(PLACES)]]
    parts, right = [], per_query[0] > 0
    for head, target in zip((heads.kind, heads.colour, heads.size, heads.count), per_query, strict=True):
        logits = head(placed)
        parts.append(F.cross_entropy(logits.flatten(0, 1), target.flatten(), ignore_index=_IGNORED))
        if head is not heads.size:
            right = right & (logits.argmax(-1) == target)
    if ground.shape[1]:
        parts.append(F.cross_entropy(heads.setting(ground).flatten(0, 1), setting.repeat_interleave(ground.shape[1])))
    return torch.stack(parts).mean(), (right.sum() / (per_query[0] > 0).sum()).item()


class SlotWords:
    """The ids of the words that name what `slot_targets` counts."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        vocabulary = tokenizer.get_vocab()
        tables = (KINDS, COLOURS, SIZES, NUMBERS, POSITIONS, SETTINGS)
        rows = [torch.tensor([vocabulary[word] for word in table]) for table in tables]
        self.kind, self.colour, self.size, self.count, self.place, self.setting = rows


def spoken_slots(table: torch.Tensor, words: SlotWords, scenes: list[Scene], queries: int) -> torch.Tensor:
    """[B, queries, W]: what perfect queries would say, the sum of the word vectors of ``table`` [V, W] that name what
    each of them reads."""
    (kind, colour, size, count), setting = slot_targets(scenes)
    there = (kind > 0)[..., None]
    named = (words.kind, kind - 1), (words.colour, colour), (words.size, size), (words.count, count + 1)
    group = torch.stack([table[ids[number.clamp(min=0)]] for ids, number in named]).sum(0)
    placed = torch.where(there, group, table[words.count[0]]) + table[words.place]
    turn = torch.cat([placed, table[words.setting[setting]][:, None]], dim=1)
    return turn.repeat(1, -(-queries // PERIOD), 1)[:, :queries]


def spoken_loss(seen: torch.Tensor, table: torch.Tensor, words: SlotWords, scenes: list[Scene]) -> torch.Tensor:
    """How far the projected queries [B, Q, W] are from the word vectors ``table`` [V, W] of what they read: the mean of
    cross-entropies over the words of each aspect, "zero" for the number where nothing stands.

    A picture's token then lies where the words that name it lie, and a question's words find it."""
    targets, setting = slot_targets(scenes)
    turn = torch.arange(seen.shape[1]) % PERIOD
    placed, ground = seen[:, turn < len(PLACES)], seen[:, turn == len(PLACES)]
    places = turn[turn < len(PLACES)]
    kind, colour, size, count = targets[:, :, places]
    aspects = (
        (words.kind, torch.where(kind > 0, kind - 1, _IGNORED)),
        (words.colour, colour),
        (words.size, size),
        (words.count, torch.where(count == _IGNORED, 0, count + 1)),
        (words.place, places.expand(len(scenes), -1)),
    )
    parts = [
        F.cross_entropy((placed @ table[ids].T).flatten(0, 1), target.flatten(), ignore_index=_IGNORED)
        for ids, target in aspects
    ]
    if ground.shape[1]:
        logits = (ground @ table[words.setting].T).flatten(0, 1)
        parts.append(F.cross_entropy(logits, setting.repeat_interleave(ground.shape[1])))
    return torch.stack(parts).mean()
