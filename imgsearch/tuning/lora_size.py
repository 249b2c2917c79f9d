"""How much LoRA trains of a model. Imports no torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from imgsearch.model.checkpoints.config import Blip2Sizes

RANK = 6
MOST = 0.03
"""Trained numbers as a share of the model's own: with many different words, the rarest learn nothing."""


def pieces_to_learn(encoded: Iterable[Sequence[int]], sizes: Blip2Sizes, whole: int) -> list[int]:
    """The word pieces of captions, ascending: the most frequent ones if not all fit into `MOST` of the model's
    ``whole`` numbers."""
    counts = Counter(number for one in encoded for number in one)
    room = int(MOST * whole - count_lora(sizes)) // sizes.qformer.width
    often = sorted(counts, key=lambda number: (-counts[number], number))
    return sorted(often[: max(0, room)])


def count_lora(sizes: Blip2Sizes, pieces: int = 0, rank: int = RANK) -> int:
    """How many numbers `add_lora` trains in a model of these sizes, with so many word pieces; loads nothing."""
    width, mlp, layers = sizes.qformer.width, sizes.qformer.mlp, sizes.qformer.layers
    each = rank * ((width + 3 * width) + 2 * width + 2 * (mlp + width))  # qkv and dense, two feed-forwards
    crossing = rank * (2 * width + (sizes.vision.width + 2 * width) + 2 * width)  # query, key_value, dense
    each += 4 * width + 2 * (mlp + width) + 3 * 2 * width  # their biases, and three norms
    crossing += 4 * width + 2 * width
    head = 2 * width + 2 * width + 2  # the first norm, and the matching head
    looks = len(range(0, layers, sizes.qformer.cross_every))
    return layers * each + looks * crossing + head + (sizes.tokens + pieces) * width
