"""LAVIS's extract_features (models/blip2_models/blip2_qformer.py): what the Q-Former makes of pictures, texts and both.

Letters in shapes: T query tokens, H the Q-Former's width, D numbers of a vector, L word pieces of a text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

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
    encoded = model.encode(texts, MAX_TEXT_TOKENS)
    lengths = [len(row) for row in encoded]
    states = model.read_texts(*model.pad(encoded))
    projected = model.project_texts(states)
    return [
        Extracted(_numpy(one[:length]), _numpy(unit[:length]))
        for one, unit, length in zip(states, projected, lengths, strict=True)
    ]


@torch.inference_mode()
def extract_pairs(model: Blip2Model, pixels: UInt8, texts: Sequence[str]) -> list[Extracted]:
    """Picture i with text i -> one each: LAVIS's mode "multimodal", the query tokens' states alone."""
    features = model.encode_images(model.preprocess_arrays(pixels))
    states = model.read_pairs(model.encode(texts, MAX_TEXT_TOKENS), features)
    return [Extracted(_numpy(one)) for one in states]


def _numpy(tensor: torch.Tensor) -> Float32:
    return np.asarray(tensor.float().cpu())
