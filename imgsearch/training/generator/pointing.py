"""Teaches the language model where to look: which query token a word of a text is about.

Cross-entropy alone did not: with perfect queries, 900 steps of it still answered "what colour is the cup?" by chance
where two groups stood. The scene graph knows which group every noun, colour and place means and which one a question
is about, so the attention of two heads is trained to find the queries that read it: of the words themselves in the
first layer, and of the token after which the answer comes in the third. Then 200 steps answer 93 % of such questions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer

from imgsearch.scenes.graph import Scene
from imgsearch.scenes.vocabulary import COLOURS, NOUNS, POSITIONS
from imgsearch.training.generator.slots import PERIOD, PLACES
from imgsearch.training.generator.texts import IGNORED, Packed, Text

_HEADS = 2
_WORD_LAYER, _ANSWER_LAYER = 0, 2
_FAR = -1e9  # a logit of what is not to be found


@dataclass(frozen=True, slots=True)
class Pointer:
    """The token ``column`` of row ``row`` is about the groups at ``places``, numbers of `PLACES`."""

    row: int
    column: int
    places: tuple[int, ...]


class Pointers:
    """Hears the inputs of two attention layers of a language model of OPT's kind, and says how far two of their heads
    are from looking where they should."""

    def __init__(self, language: Any, tokenizer: Tokenizer) -> None:
        layers = language.model.decoder.layers
        self._words = _Heads(layers[min(_WORD_LAYER, len(layers) - 1)].self_attn)
        self._answers = _Heads(layers[min(_ANSWER_LAYER, len(layers) - 1)].self_attn)
        vocabulary = tokenizer.get_vocab()
        self._kinds = {vocabulary[word]: noun.name for noun in NOUNS for pair in noun.words for word in pair}
        self._colours = {vocabulary[word]: colour for colour, (_, words) in COLOURS.items() for word in words}
        self._places = {vocabulary[place]: place for place in POSITIONS} | {vocabulary["centre"]: "middle"}
        self._of = vocabulary["of"]

    def loss(
        self, packed: Packed, texts: list[list[Text]], scenes: list[Scene], queries: int
    ) -> tuple[torch.Tensor, dict[str, float]]:
        """(the sum of two cross-entropies, the share of attention that finds the right queries) of the pass before,
        whose rows hold ``queries`` query tokens and then ``packed``."""
        words, found_words = self._words.loss([*self.of_words(packed, scenes)], queries)
        answers, found_answers = self._answers.loss([*of_answers(packed, texts)], queries)
        return words + answers, {"words found": found_words, "answers found": found_answers}

    def of_words(self, packed: Packed, scenes: list[Scene]) -> Iterator[Pointer]:
        """From every noun, colour and place that names a group which is there."""
        for row, (scene, ids) in enumerate(zip(scenes, packed.ids.tolist(), strict=True)):
            for column, (word, after) in enumerate(zip(ids, [*ids[1:], -1], strict=True)):
                places = tuple(PLACES.index(g.position) for g in scene.groups if self._names(word, after, g))
                if places:
                    yield Pointer(row, column, places)

    def _names(self, word: int, after: int, group: Any) -> bool:
        """Whether the word names the group; "left" in "left of" names where another one is."""
        return (
            self._kinds.get(word) == group.kind
            or self._colours.get(word) == group.colour
            or (self._places.get(word) == group.position and after != self._of)
        )


def of_answers(packed: Packed, texts: list[list[Text]]) -> Iterator[Pointer]:
    """From the last token of every question that is about one group."""
    for row, of_image in enumerate(texts):
        said = packed.labels[row] != IGNORED
        for number, text in enumerate(of_image):
            if text.group is not None:
                first = int(((packed.owner[row] == number) & said).nonzero()[0])
                yield Pointer(row, first - 1, (PLACES.index(text.group.position),))


class _Heads:
    """The first two heads of an attention layer."""

    def __init__(self, attention: Any) -> None:
        self._attention = attention
        self._heard = torch.empty(0)
        attention.register_forward_pre_hook(self._hear, with_kwargs=True)

    def _hear(self, attention: Any, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        self._heard = named["hidden_states"] if "hidden_states" in named else given[0]

    def loss(self, pointers: list[Pointer], queries: int) -> tuple[torch.Tensor, float]:
        """Cross-entropy of their attention over the queries and the token itself, and the share that is right."""
        pointers = [pointer for pointer in pointers if min(pointer.places) < queries]
        if not pointers:
            return self._heard.sum() * 0, 1.0
        rows = torch.tensor([pointer.row for pointer in pointers])
        here = self._heard[rows, torch.tensor([queries + pointer.column for pointer in pointers])]
        asked, itself = self._project("q_proj", here), self._project("k_proj", here)
        keys = self._project("k_proj", self._heard[:, :queries])
        logits = torch.cat(
            [torch.einsum("nhd,nqhd->nhq", asked, keys[rows]), (asked * itself).sum(-1, keepdim=True)], dim=-1
        )
        attention = (logits * self._attention.head_dim**-0.5).log_softmax(-1)[..., :queries]
        wanted = torch.zeros(len(pointers), PERIOD, dtype=torch.bool)
        for number, pointer in enumerate(pointers):
            wanted[number, list(pointer.places)] = True
        wanted = wanted.repeat(1, -(-queries // PERIOD))[:, None, :queries]
        found = attention.masked_fill(~wanted, _FAR).logsumexp(-1)
        return -found.mean(), found.detach().exp().mean().item()

    def _project(self, name: str, hidden: torch.Tensor) -> torch.Tensor:
        linear, size = getattr(self._attention, name), self._attention.head_dim
        projected: torch.Tensor = F.linear(hidden, linear.weight[: _HEADS * size], linear.bias[: _HEADS * size])
        return projected.view(*hidden.shape[:-1], _HEADS, size)
