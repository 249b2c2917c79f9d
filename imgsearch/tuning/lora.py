"""LoRA on the Q-Former (Hu et al. 2021), by peft: small matrices beside its maps, merged into them in the end. With
them learn the few numbers that cost nothing and without which new names are learned slowly.

Queries, keys and values of our network share one projection, and so one pair of small matrices.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import nn

from imgsearch.extras import needs_extra
from imgsearch.tuning.lora_size import RANK

if TYPE_CHECKING:
    from imgsearch.model.runtimes.torch.network import Blip2Network

TARGETS = r"qformer\.layers\.\d+\..+\.(qkv|dense|query|key_value)"
"""Self-attention and attention to images, both with their output, and the output of the feed-forwards."""

TOO = re.compile(r"query_tokens|itm_head\.(weight|bias)|qformer\..*\.bias|qformer\.(.+\.)?(first_)?norm\.weight")
"""What else is trained: the query tokens, without which the queries cannot look for anything new, biases and norms
(Ben Zaken et al. 2022, BitFit) and the matching head. With them and the vectors of the captions' word pieces, rank 4
and 60 steps found 86 / 92 % of the shifted world's withheld pictures among the first ten, where rank 8 with the query
tokens alone found 56 / 70, at the same cost."""


class WordRows(nn.Module):
    """What is added to the vectors of some word pieces: ``lora_rows`` [n, H], zero at first."""

    def __init__(self, network: Blip2Network, pieces: Sequence[int]) -> None:
        super().__init__()
        vocabulary, width = network.words.shape
        device = network.words.device
        self.lora_rows = nn.Parameter(torch.zeros(len(pieces), width, device=device))
        places = torch.full((vocabulary,), len(pieces), device=device)
        places[list(pieces)] = torch.arange(len(pieces), device=device)
        self.pieces: torch.Tensor
        self.places: torch.Tensor
        self.register_buffer("pieces", torch.tensor(list(pieces), device=device))
        self.register_buffer("places", places)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Ids int64 [B, L] -> [B, L, H]; zero for other pieces."""
        return F.embedding(self.places[ids], F.pad(self.lora_rows, (0, 0, 0, 1)))


class LoraMerge:
    """Adds what learned to the weights beside which it learned."""

    def __init__(self, wrapped: Any, network: Blip2Network, rows: WordRows | None) -> None:
        self._wrapped, self._network, self._rows = wrapped, network, rows

    @torch.no_grad()
    def merge(self) -> None:
        """The network then has its own layers again, with the changed weights."""
        self._wrapped.merge_and_unload()
        if self._rows is not None:
            self._network.words[self._rows.pieces] += self._rows.lora_rows
            del self._network.word_rows, self._network.embed_words


def add_lora(network: Blip2Network, pieces: Sequence[int] = (), rank: int = RANK) -> LoraMerge:
    """Put LoRA beside the layers of `TARGETS` in place, and rows beside the vectors of the word ``pieces``; what they
    stand beside is frozen. At first nothing changes: one of each two matrices is zero. The other is drawn from torch's
    global generator. Raises ExtraMissing without peft."""
    with needs_extra("tuning with LoRA", "tune"):
        from peft import LoraConfig, LoraModel
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=TARGETS)
    wrapped = LoraModel(network, config, "default")
    for name, parameter in network.named_parameters():
        if TOO.fullmatch(name.replace(".base_layer", "")):
            parameter.requires_grad_(True)
    return LoraMerge(wrapped, network, _add_rows(network, pieces) if pieces else None)


def _add_rows(network: Blip2Network, pieces: Sequence[int]) -> WordRows:
    rows, embed = WordRows(network, pieces), network.embed_words
    network.add_module("word_rows", rows)
    network.embed_words = lambda ids: embed(ids) + rows(ids)  # type: ignore[method-assign]
    return rows
