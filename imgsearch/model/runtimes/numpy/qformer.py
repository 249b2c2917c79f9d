"""BLIP-2's Q-Former on NumPy (transformers' Blip2QFormerModel): texts alone, images alone, or a text with an image.

Texts alone need neither the cross-attention nor the queries' feed-forward layers, so these are read when the first
image comes. Letters in shapes: B rows, T query tokens, L word pieces, H the width, N and W the image's features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from imgsearch.model.checkpoints.config import QFormerSizes
from imgsearch.model.contract import WATCHED_LAYERS
from imgsearch.model.runtimes.numpy.layers import LayerNorm, Linear, attend, attention_shares, exponentials, gelu, parts
from imgsearch.model.runtimes.numpy.weights import Weights
from imgsearch.records import Float32


@dataclass(frozen=True, slots=True)
class _SelfAttention:
    qkv: Linear
    dense: Linear
    norm: LayerNorm

    def __call__(self, states: Float32, heads: int, mask: Float32 | None) -> Float32:
        query, key, value = parts(self.qkv(states), 3)
        return self.norm.of_sum(self.dense(attend(query, key, value, heads, mask)), states)

    def of_pairs(self, seen: Float32, told: Float32, heads: int, *, last: bool) -> Float32:
        """Of the queries' states ``seen`` [P, T, H] and the words' ``told`` [P or 1, L, H], one text for all, -> the
        states of both [P, T + L, H], or after the ``last`` layer of the queries alone."""
        count, tokens, width = seen.shape
        if len(told) < count:
            both = np.empty((count, tokens + told.shape[1], 3 * width), np.float32)
            both[:, :tokens] = self.qkv(seen)
            both[:, tokens:] = self.qkv(told)
        else:
            both = self.qkv(np.concatenate([seen, told], axis=1))
        query, key, value = parts(both, 3)
        if last:
            return self.norm.of_sum(self.dense(attend(query[:, :tokens], key, value, heads)), seen)
        found = self.dense(attend(query, key, value, heads))
        found[:, :tokens] += seen
        found[:, tokens:] += told
        return self.norm.in_place(found)


@dataclass(frozen=True, slots=True)
class _CrossAttention:
    query: Linear
    key_value: Linear
    dense: Linear
    norm: LayerNorm

    def __call__(self, states: Float32, features: Float32, heads: int) -> Float32:
        """``states`` [B, T, H], ``features`` [B or 1, N, W] -> [B, T, H]."""
        key, value = parts(self.key_value(features), 2)
        return self.norm.of_sum(self.dense(attend(self.query(states), key, value, heads)), states)

    def shares(self, states: Float32, features: Float32, heads: int) -> Float32:
        """Of the attention that each state pays, the share of each position: [B, T, N], the mean over the heads."""
        key, _ = parts(self.key_value(features), 2)
        mean: Float32 = attention_shares(self.query(states), key, heads).mean(axis=1)
        return mean

    def cache_image(self, features: Float32, heads: int) -> Float32:
        """``features`` [N, W] -> keys and values [2, A, N, H / A], the keys scaled as attention asks."""
        split = np.stack(parts(self.key_value(features), 2))  # [2, N, H]
        kept = np.ascontiguousarray(split.reshape(2, len(features), heads, -1).swapaxes(1, 2))
        kept[0] *= np.float32(kept.shape[-1] ** -0.5)
        return kept

    def attend_cached(self, states: Float32, caches: Sequence[Float32]) -> Float32:
        """``states`` [P or 1, T, H], what ``cache_image`` gave for P images -> [P, T, H]. The products run one
        image at a time, since stacking the caches would copy 100 kB an image and layer; all else runs at once."""
        heads = caches[0].shape[1]
        queries = self.query(states).reshape(*states.shape[:2], heads, -1).swapaxes(1, 2)  # [P or 1, A, T, H / A]
        count, tokens = len(caches), queries.shape[2]
        scores = np.empty((count, heads, tokens, caches[0].shape[2]), np.float32)
        for place, (keys, _) in enumerate(caches):
            np.matmul(queries[min(place, len(queries) - 1)], keys.swapaxes(1, 2), out=scores[place])
        totals = exponentials(scores)
        found = np.empty((count, tokens, heads, queries.shape[3]), np.float32)
        seen = found.swapaxes(1, 2)  # [P, A, T, H / A]
        for place, (_, values) in enumerate(caches):
            np.matmul(scores[place], values, out=seen[place])
        seen /= totals
        return self.norm.of_sum(self.dense(found.reshape(count, tokens, -1)), states)


@dataclass(frozen=True, slots=True)
class _FeedForward:
    inner: Linear
    dense: Linear
    norm: LayerNorm

    def __call__(self, states: Float32) -> Float32:
        return self.norm.of_sum(self.dense(gelu(self.inner(states))), states)


@dataclass(frozen=True, slots=True)
class ImageCache:
    """What matching one image takes from it, whatever the text: ``layers`` holds the keys and values
    [2, A, N, H / A] of each cross-attention."""

    layers: tuple[Float32, ...]

    @property
    def size_bytes(self) -> int:
        """RAM that the cache takes."""
        return sum(layer.nbytes for layer in self.layers)


class NumpyQFormer:
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

    def read_images(
        self,
        queries: Float32,
        features: Float32,
        words: Float32 | None = None,
        mask: Float32 | None = None,
        maps: list[Float32] | None = None,
    ) -> Float32:
        """The queries' states [B, T, H] after they have attended to ``features`` [B, N, W], and, where ``words``
        [B, L, H] are given, at the text; ``features`` [1, N, W] are then one image for all texts. ``queries``
        [1, T, H]; ``mask`` [B, T + L]. The watched layers' shares of attention [B, T, N] are added to ``maps``."""
        tokens = queries.shape[1]
        states = np.repeat(queries, len(features if words is None else words), axis=0)
        if words is not None:
            states = np.concatenate([states, words], axis=1)  # [B, T + L, H]
        states = self._first_norm(states)
        heads = self._sizes.heads
        for number, attention in enumerate(self._attentions):
            states = attention(states, heads, mask)
            seen = states[:, :tokens]
            if (cross := self._crosses.get(number)) is not None:
                if maps is not None and number in list(self._crosses)[-WATCHED_LAYERS:]:
                    maps.append(cross.shares(seen, features, heads))
                seen = cross(seen, features, heads)
            seen = self._query_forwards[number](seen)
            if words is None or number + 1 == self._sizes.layers:  # the words are not needed after the last layer
                states = seen
            else:
                states = np.concatenate([seen, self._text_forwards[number](states[:, tokens:])], axis=1)
        return states

    def cache_image(self, features: Float32) -> ImageCache:
        """What the cross-attentions need of one image's ``features`` [N, W], whatever the text."""
        return ImageCache(tuple(cross.cache_image(features, self._sizes.heads) for cross in self._crosses.values()))

    def read_pairs(self, queries: Float32, words: Float32, caches: Sequence[ImageCache]) -> Float32:
        """One text with P images: ``read_images`` of ``words`` [1, L, H] with what ``cache_image`` gave for each,
        to rounding. Until the queries attend to an image, all pairs are one and are computed once; so are the words up
        to the layer after that."""
        return self._read_pairs(queries, words, lambda layer, _: [cache.layers[layer] for cache in caches])

    def read_pairs_once(self, queries: Float32, words: Float32, features: Float32) -> Float32:
        """The same with ``features`` [P, N, W] of which nothing is kept: the memory of one layer's keys and values."""
        heads = self._sizes.heads
        return self._read_pairs(queries, words, lambda _, cross: [cross.cache_image(one, heads) for one in features])

    def _read_pairs(
        self, queries: Float32, words: Float32, keys_of: Callable[[int, _CrossAttention], Sequence[Float32]]
    ) -> Float32:
        """``keys_of`` gives each image's keys and values for a cross-attention, the n-th of all."""
        tokens = queries.shape[1]
        seen, told = self._first_norm(queries), self._first_norm(words)  # [1, T, H], [1, L, H]
        layers = iter(range(len(self._crosses)))
        for number, attention in enumerate(self._attentions):
            last = number + 1 == self._sizes.layers
            states = attention.of_pairs(seen, told, self._sizes.heads, last=last)
            seen = states[:, :tokens]
            if (cross := self._crosses.get(number)) is not None:
                seen = cross.attend_cached(seen, keys_of(next(layers), cross))
            seen = self._query_forwards[number](seen)
            if not last:
                told = self._text_forwards[number](states[:, tokens:])
        return seen

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
