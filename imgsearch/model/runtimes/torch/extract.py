"""LAVIS's extract_features (models/blip2_models/blip2_qformer.py): what the Q-Former makes of pictures, texts and both.

Letters in shapes: T query tokens, H the Q-Former's width, D numbers of a vector, L word pieces of a text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from imgsearch.model.runtimes.torch.blip2 import Blip2Model
from imgsearch.records import Float32, UInt8

MAX_TEXT_TOKENS = 512
"""LAVIS cuts no text here; the Q-Former has 512 positions."""


@dataclass(frozen=True, slots=True)
class Extracted:
    """float32 ``embeds`` [T, H] (of a text [L, H]) and ``projected`` [T, D] ([L, D]), each row of norm 1. LAVIS
    projects nothing of picture and text together."""

    embeds: Float32
    projected: Float32 | None = None


@torch.inference_mode()
def extract_images(model: Blip2Model, pixels: UInt8) -> list[Extracted]:
    """uint8 [B, S, S, 3] -> one each: LAVIS's mode "image"."""
    features = model.encode_images(model.preprocess_arrays(pixels))
    states, projected = model.query_states(features), model.embed_features(features)
    return [Extracted(_numpy(one), _numpy(unit)) for one, unit in zip(states, projected, strict=True)]


@torch.inference_mode()
def extract_texts(model: Blip2Model, texts: Sequence[str]) -> list[Extracted]:
    """B texts -> one each: LAVIS's mode "text". The first row is that of [CLS], which a search compares with."""
    ids, mask, lengths = _padded(model, texts)
    network = model.network
    states = network.qformer(query_embeds=_words(network, ids), query_length=0, attention_mask=mask).last_hidden_state
    projected = F.normalize(network.text_projection(states.to(network.text_projection.weight.dtype)).float(), dim=-1)
    return [
        Extracted(_numpy(one[:length]), _numpy(unit[:length]))
        for one, unit, length in zip(states, projected, lengths, strict=True)
    ]


@torch.inference_mode()
def extract_pairs(model: Blip2Model, pixels: UInt8, texts: Sequence[str]) -> list[Extracted]:
    """Picture i with text i -> one each: LAVIS's mode "multimodal", the query tokens' states alone."""
    features = model.encode_images(model.preprocess_arrays(pixels))
    ids, mask, _ = _padded(model, texts)
    network = model.network
    queries = network.query_tokens.expand(len(ids), -1, -1)
    states = network.qformer(
        query_embeds=torch.cat([queries, _words(network, ids)], dim=1),
        query_length=model.query_tokens,
        attention_mask=torch.cat([mask.new_ones(queries.shape[:2]), mask], dim=1),
        encoder_hidden_states=features,
    ).last_hidden_state
    return [Extracted(_numpy(one)) for one in states[:, : model.query_tokens]]


def _padded(model: Blip2Model, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor, list[int]]:
    """Ids and mask int64 [B, L] on the device, and the length of each."""
    places = model.network.embeddings.position_embeddings.weight
    encoded = model.tokenizer.encode(list(texts), min(MAX_TEXT_TOKENS, len(places)))
    lengths = [len(row) for row in encoded]
    longest = max(lengths)
    ids = torch.tensor([row + [model.tokenizer.pad_id] * (longest - len(row)) for row in encoded])
    mask = torch.tensor([[1] * length + [0] * (longest - length) for length in lengths])
    return ids.to(places.device), mask.to(places.device), lengths


def _words(network: Any, ids: torch.Tensor) -> torch.Tensor:
    embeddings = network.embeddings
    words: torch.Tensor = embeddings.word_embeddings(ids) + embeddings.position_embeddings.weight[: ids.shape[1]]
    return words


def _numpy(tensor: torch.Tensor) -> Float32:
    return np.asarray(tensor.float().cpu())
