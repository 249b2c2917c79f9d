"""BLIP-2's Q-Former on NumPy (transformers' Blip2QFormerModel): texts alone, pictures alone, or a text with a picture.

Texts alone need neither the cross-attention nor the queries' feed-forward layers, so these are read when the first
picture comes. Letters in shapes: B rows, T query tokens, L word pieces, H the width, N and W the picture's features.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from imgsearch.model.light_config import QFormerSizes
from imgsearch.model.light_layers import LayerNorm, Linear, attend, gelu
from imgsearch.model.light_weights import Weights
from imgsearch.records import Float32


@dataclass(frozen=True, slots=True)
class _SelfAttention:
    qkv: Linear
    dense: Linear
    norm: LayerNorm

    def __call__(self, states: Float32, heads: int, mask: Float32 | None) -> Float32:
        query, key, value = np.split(self.qkv(states), 3, axis=-1)
        return self.norm(self.dense(attend(query, key, value, heads, mask)) + states)


@dataclass(frozen=True, slots=True)
class _CrossAttention:
    query: Linear
    key_value: Linear
    dense: Linear
    norm: LayerNorm

    def __call__(self, states: Float32, features: Float32, heads: int) -> Float32:
        """``states`` [B, T, H], ``features`` [B, N, W] -> [B, T, H]."""
        key, value = np.split(self.key_value(features), 2, axis=-1)
        return self.norm(self.dense(attend(self.query(states), key, value, heads)) + states)


@dataclass(frozen=True, slots=True)
class _FeedForward:
    inner: Linear
    dense: Linear
    norm: LayerNorm

    def __call__(self, states: Float32) -> Float32:
        return self.norm(self.dense(gelu(self.inner(states))) + states)


class LightQFormer:
    """The Q-Former; its parts are read at their first use. Memory: 4 bytes a parameter read."""

    def __init__(self, weights: Weights, sizes: QFormerSizes) -> None:
        self._weights = weights
        self._sizes = sizes

    def read_texts(self, words: Float32, mask: Float32 | None) -> Float32:
        """Word embeddings [B, L, H] -> states [B, L, H]. ``mask`` [B, L] is added to attention scores."""
        states = self._first_norm(words)
        for attention, forward in zip(self._attentions, self._text_forwards, strict=True):
            states = forward(attention(states, self._sizes.heads, mask))
        return states

    def read_pictures(
        self, queries: Float32, features: Float32, words: Float32 | None = None, mask: Float32 | None = None
    ) -> Float32:
        """The queries' states [B, T, H] after they have looked at ``features`` [B, N, W], and, where ``words``
        [B, L, H] are given, at the text. ``queries`` [1, T, H]; ``mask`` [B, T + L]."""
        tokens = queries.shape[1]
        states = np.repeat(queries, len(features), axis=0)
        if words is not None:
            states = np.concatenate([states, words], axis=1)  # [B, T + L, H]
        states = self._first_norm(states)
        heads = self._sizes.heads
        for number, attention in enumerate(self._attentions):
            states = attention(states, heads, mask)
            seen = states[:, :tokens]
            if (cross := self._crosses.get(number)) is not None:
                seen = cross(seen, features, heads)
            seen = self._query_forwards[number](seen)
            if words is None or number + 1 == self._sizes.layers:  # nobody reads the words after the last layer
                states = seen
            else:
                states = np.concatenate([seen, self._text_forwards[number](states[:, tokens:])], axis=1)
        return states

    @cached_property
    def _first_norm(self) -> LayerNorm:
        return self._weights.norm("qformer.layernorm", self._sizes.epsilon)

    @cached_property
    def _attentions(self) -> list[_SelfAttention]:
        found = []
        for number in range(self._sizes.layers):
            name = f"qformer.encoder.layer.{number}.attention."
            parts = [f"{name}attention.{part}" for part in ("query", "key", "value")]
            found.append(_SelfAttention(self._weights.stacked(parts), *self._output(name)))
        return found

    @cached_property
    def _crosses(self) -> dict[int, _CrossAttention]:
        found = {}
        for number in range(0, self._sizes.layers, self._sizes.cross_every):
            name = f"qformer.encoder.layer.{number}.crossattention."
            query = self._weights.linear(name + "attention.query")
            key_value = self._weights.stacked([name + "attention.key", name + "attention.value"])
            found[number] = _CrossAttention(query, key_value, *self._output(name))
        return found

    @cached_property
    def _text_forwards(self) -> list[_FeedForward]:
        return [self._forward(number, "") for number in range(self._sizes.layers)]

    @cached_property
    def _query_forwards(self) -> list[_FeedForward]:
        return [self._forward(number, "_query") for number in range(self._sizes.layers)]

    def _forward(self, number: int, branch: str) -> _FeedForward:
        name = f"qformer.encoder.layer.{number}."
        inner = self._weights.linear(f"{name}intermediate{branch}.dense")
        dense = self._weights.linear(f"{name}output{branch}.dense")
        return _FeedForward(inner, dense, self._weights.norm(f"{name}output{branch}.LayerNorm", self._sizes.epsilon))

    def _output(self, name: str) -> tuple[Linear, LayerNorm]:
        dense = self._weights.linear(name + "output.dense")
        return dense, self._weights.norm(name + "output.LayerNorm", self._sizes.epsilon)
