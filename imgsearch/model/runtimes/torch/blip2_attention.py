"""Where transformers' Q-Former looks. Its fast attention keeps no shares, so the layers are called one by one and the
shares of the last of them computed beside."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

from imgsearch.model.contract import WATCHED_LAYERS


def attention_maps(qformer: Any, queries: torch.Tensor, words: torch.Tensor, mask: Any, features: Any) -> torch.Tensor:
    """``queries`` [K, T, H] read with ``words`` [K, L, H], whose ``mask`` is int64 [K, L] or None, and ``features``
    [K, N, W] -> float32 [K, T, N - 1] on their device, as `Explainer.attention_maps` says."""
    layers = list(qformer.encoder.layer)
    watched = [layer for layer in layers if layer.has_cross_attention][-WATCHED_LAYERS:]
    features = features.to(qformer.layernorm.weight.dtype)  # transformers keeps the Q-Former in its own dtype
    states = qformer.layernorm(torch.cat([queries, words], dim=1).to(features.dtype))  # [K, T + L, H]
    tokens = queries.shape[1]
    added = None
    if mask is not None:
        hidden = (1 - mask).to(states.dtype) * torch.finfo(states.dtype).min
        added = F.pad(hidden, (tokens, 0))[:, None, None]  # [K, 1, 1, T + L], added to the scores
    shares = []
    for layer in layers:
        if any(layer is one for one in watched):
            seen = layer.attention(states, attention_mask=added)[:, :tokens]
            shares.append(_shares(layer.crossattention.attention, seen, features))
        if len(shares) == len(watched):
            break
        states = layer(states, added, features, query_length=tokens)
    mean: torch.Tensor = torch.stack(shares).mean(dim=0)
    return mean[..., 1:].float()


def _shares(attention: Any, states: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
    """``states`` [K, T, H], ``features`` [K, N, W] -> [K, T, N], the mean over the heads."""
    query, key = (
        linear(rows).unflatten(-1, (attention.num_attention_heads, -1)).transpose(1, 2)
        for linear, rows in ((attention.query, states), (attention.key, features))
    )
    shares: torch.Tensor = (query @ key.transpose(-1, -2) * attention.scaling).softmax(dim=-1)
    return shares.mean(dim=1)
