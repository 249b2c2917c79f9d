"""BLIP-2's Q-Former: texts alone, images alone, or a text with an image.

A BERT whose layers 0, n, 2n also attend to an image. Query tokens and words attend to each other and have feed-forward
layers of their own; only the queries see the image. Source: LAVIS 1.0.2, models/blip2_models/Qformer.py.

What does not depend on the image is computed once for all that share it: rows of queries, and of a text, until the
first look at the images. Letters in shapes: B rows, T query tokens, L words, H the width, N and W an image's features.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import nn

from imgsearch.model.checkpoints.config import Blip2Sizes, QFormerSizes
from imgsearch.model.contract import WATCHED_LAYERS
from imgsearch.model.runtimes.torch.layers import ACTIVATIONS, Linear, Slots, attend, by_heads, slots_of, split_slots


class SelfAttention(nn.Module):
    """Queries and words attend to each other."""

    def __init__(self, sizes: QFormerSizes) -> None:
        super().__init__()
        self.heads = sizes.heads
        self.qkv = Linear(sizes.width, 3 * sizes.width)
        self.dense = Linear(sizes.width, sizes.width)
        self.norm = nn.LayerNorm(sizes.width, sizes.epsilon)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None, rows: int | None = None) -> torch.Tensor:
        """[B, L, H] -> [B, L, H], or of the first ``rows`` alone: [B, rows, H]."""
        query, key, value = by_heads(self.qkv(x), 3, self.heads)
        seen: torch.Tensor = self.norm(self.dense(attend(query[:, :, :rows], key, value, mask)) + x[:, :rows])
        return seen


class CrossAttention(nn.Module):
    """Queries attend to an image, whose keys and values come out of one projection."""

    def __init__(self, sizes: Blip2Sizes) -> None:
        super().__init__()
        width = sizes.qformer.width
        self.heads = sizes.qformer.heads
        self.query = Linear(width, width)
        self.key_value = Linear(sizes.vision.width, 2 * width)
        self.dense = Linear(width, width)
        self.norm = nn.LayerNorm(width, sizes.qformer.epsilon)

    def forward(self, x: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        """[B or 1, T, H] and features [B or 1, N, W] -> [B, T, H]."""
        query, key, value = self._projected(x, features)
        seen: torch.Tensor = self.norm(self.dense(attend(query, key, value)) + x)
        return seen

    def shares(self, x: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        """Of the attention that each query pays, the share of each position: [B, T, N], the mean over the heads."""
        query, key, _ = self._projected(x, features)
        scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
        mean: torch.Tensor = scores.softmax(dim=-1).mean(dim=1)
        return mean

    def _projected(self, x: torch.Tensor, features: torch.Tensor) -> list[torch.Tensor]:
        batch = max(len(x), len(features))
        (query,) = by_heads(self.query(x), 1, self.heads)
        key, value = by_heads(self.key_value(features), 2, self.heads)
        return [part.expand(batch, -1, -1, -1) for part in (query, key, value)]


class FeedForward(nn.Module):
    """Two linear maps; the norm stands behind the sum."""

    def __init__(self, sizes: QFormerSizes) -> None:
        super().__init__()
        self.inner = Linear(sizes.width, sizes.mlp)
        self.dense = Linear(sizes.mlp, sizes.width)
        self.norm = nn.LayerNorm(sizes.width, sizes.epsilon)
        self.activation = ACTIVATIONS[sizes.activation]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, L, H] -> [B, L, H]."""
        mapped: torch.Tensor = self.norm(self.dense(self.activation(self.inner(x))) + x)
        return mapped


class Layer(nn.Module):
    """One layer; ``cross`` is None where it does not attend to images."""

    def __init__(self, sizes: Blip2Sizes, number: int) -> None:
        super().__init__()
        self.attention = SelfAttention(sizes.qformer)
        self.cross = CrossAttention(sizes) if number % sizes.qformer.cross_every == 0 else None
        self.text_forward = FeedForward(sizes.qformer)
        self.query_forward = FeedForward(sizes.qformer)

    def slots(self, name: str) -> Slots:
        """Its tensors as a checkpoint names them."""
        own = self.attention
        yield from split_slots([f"{name}.attention.attention.{part}" for part in ("query", "key", "value")], own.qkv)
        yield from slots_of(f"{name}.attention.output.dense", own.dense)
        yield from slots_of(f"{name}.attention.output.LayerNorm", own.norm)
        if (cross := self.cross) is not None:
            yield from slots_of(f"{name}.crossattention.attention.query", cross.query)
            names = [f"{name}.crossattention.attention.{part}" for part in ("key", "value")]
            yield from split_slots(names, cross.key_value)
            yield from slots_of(f"{name}.crossattention.output.dense", cross.dense)
            yield from slots_of(f"{name}.crossattention.output.LayerNorm", cross.norm)
        for branch, forward in (("", self.text_forward), ("_query", self.query_forward)):
            yield from slots_of(f"{name}.intermediate{branch}.dense", forward.inner)
            yield from slots_of(f"{name}.output{branch}.dense", forward.dense)
            yield from slots_of(f"{name}.output{branch}.LayerNorm", forward.norm)


class QFormer(nn.Module):
    """The Querying Transformer."""

    def __init__(self, sizes: Blip2Sizes) -> None:
        super().__init__()
        self.first_norm = nn.LayerNorm(sizes.qformer.width, sizes.qformer.epsilon)
        self.layers = nn.ModuleList(Layer(sizes, number) for number in range(sizes.qformer.layers))
        crossing = list(range(0, sizes.qformer.layers, sizes.qformer.cross_every))
        self._watched = frozenset(crossing[-WATCHED_LAYERS:])

    def read_texts(self, words: torch.Tensor, mask: torch.Tensor | None, rows: int | None = None) -> torch.Tensor:
        """Words [B, L, H] -> states [B, L, H], or of the first ``rows`` alone: [B, rows, H]. ``mask`` is bool
        [B, 1, 1, L] as in `imgsearch.model.runtimes.torch.layers.attend`."""
        x: torch.Tensor = self.first_norm(words)
        for number, layer in enumerate(self._each()):
            last = number + 1 == len(self.layers)
            x = layer.text_forward(layer.attention(x, mask, rows if last else None))
        return x

    def read_images(
        self,
        queries: torch.Tensor,
        features: torch.Tensor,
        words: torch.Tensor | None = None,
        mask: torch.Tensor | None = None,
        maps: list[torch.Tensor] | None = None,
    ) -> torch.Tensor:
        """The states of ``queries`` [1, T, H] when they have attended to ``features`` [B or 1, N, W] and, where
        ``words`` [B or 1, L, H] are given, to a text: [B, T, H]. One text is then read with all images, one image with
        all texts. ``mask`` is bool [B or 1, 1, 1, T + L]. Shares of attention [B, T, N] in the watched layers are added
        to ``maps``."""
        tokens = queries.shape[1]
        x = queries
        if words is not None:
            x = torch.cat([queries.expand(len(words), -1, -1), words], dim=1)  # [B or 1, T + L, H]
        x = self.first_norm(x)
        for number, layer in enumerate(self._each()):
            last = number + 1 == len(self.layers)  # whose words nobody asks for
            x = layer.attention(x, mask, tokens if last else None)
            seen = x[:, :tokens]
            if layer.cross is not None:
                if maps is not None and number in self._watched:
                    maps.append(layer.cross.shares(seen, features))
                seen = layer.cross(seen, features)
            seen = layer.query_forward(seen)
            if words is None or last:
                x = seen
            else:
                told = layer.text_forward(x[:, tokens:])
                x = torch.cat([seen, told.expand(len(seen), -1, -1)], dim=1)
        return x

    def _each(self) -> list[Layer]:
        return cast("list[Layer]", list(self.layers))

    def slots(self) -> Slots:
        """Its tensors as a checkpoint names them."""
        yield from slots_of("qformer.layernorm", self.first_norm)
        for number, layer in enumerate(self._each()):
            yield from layer.slots(f"qformer.encoder.layer.{number}")
