"""BLIP-2's ViT: pixels to features. EVA's ViT-g and CLIP's ViT-L, as LAVIS reads them: both are pre-norm transformers
with a class token; CLIP's has one more norm before its first block, its own GELU, and no bias in its patches.

Sources: LAVIS 1.0.2, models/eva_vit.py and models/clip_vit.py. Letters in shapes: B images, S pixels a side,
N = 1 + patches, W the width.
"""

from __future__ import annotations

import torch
from torch import nn

from imgsearch.model.checkpoints.config import VisionSizes
from imgsearch.model.runtimes.torch.layers import ACTIVATIONS, Linear, Slots, attend, by_heads, slots_of

_EMBEDDINGS = "vision_model.embeddings"


class Attention(nn.Module):
    """Multi-head self-attention with one projection for queries, keys and values."""

    def __init__(self, sizes: VisionSizes) -> None:
        super().__init__()
        self.heads = sizes.heads
        self.qkv = Linear(sizes.width, 3 * sizes.width, bias=sizes.qkv_bias)
        self.projection = Linear(sizes.width, sizes.width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, N, W] -> [B, N, W]."""
        query, key, value = by_heads(self.qkv(x), 3, self.heads)
        projected: torch.Tensor = self.projection(attend(query, key, value))
        return projected


class MLP(nn.Module):
    """Two linear maps with the activation between them."""

    def __init__(self, sizes: VisionSizes) -> None:
        super().__init__()
        self.fc1 = Linear(sizes.width, sizes.mlp)
        self.fc2 = Linear(sizes.mlp, sizes.width)
        self.activation = ACTIVATIONS[sizes.activation]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, N, W] -> [B, N, W]."""
        mapped: torch.Tensor = self.fc2(self.activation(self.fc1(x)))
        return mapped


class Block(nn.Module):
    """One layer: the norm stands before attention and before the MLP."""

    def __init__(self, sizes: VisionSizes) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(sizes.width, sizes.epsilon)
        self.attention = Attention(sizes)
        self.norm2 = nn.LayerNorm(sizes.width, sizes.epsilon)
        self.mlp = MLP(sizes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, N, W] -> [B, N, W]."""
        x = x + self.attention(self.norm1(x))
        mapped: torch.Tensor = x + self.mlp(self.norm2(x))
        return mapped

    def slots(self, name: str) -> Slots:
        """Its tensors as a checkpoint names them."""
        yield from slots_of(f"{name}.layer_norm1", self.norm1)
        yield from slots_of(f"{name}.layer_norm2", self.norm2)
        yield from slots_of(f"{name}.self_attn.qkv", self.attention.qkv)
        yield from slots_of(f"{name}.self_attn.projection", self.attention.projection)
        yield from slots_of(f"{name}.mlp.fc1", self.mlp.fc1)
        yield from slots_of(f"{name}.mlp.fc2", self.mlp.fc2)


class VisionTransformer(nn.Module):
    """The ViT whose last output, after its last norm, the Q-Former attends to."""

    def __init__(self, sizes: VisionSizes) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, sizes.width, sizes.patch, sizes.patch, bias=sizes.patch_bias)
        self.class_token = nn.Parameter(torch.empty(1, 1, sizes.width))
        self.positions = nn.Parameter(torch.empty(1, sizes.positions, sizes.width))
        self.first_norm = nn.LayerNorm(sizes.width, sizes.epsilon) if sizes.first_norm else None
        self.blocks = nn.ModuleList(Block(sizes) for _ in range(sizes.layers))
        self.last_norm = nn.LayerNorm(sizes.width, sizes.last_epsilon)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Pixels [B, 3, S, S] -> features [B, N, W]."""
        patches = self.patches(pixels).flatten(2).transpose(1, 2)  # [B, N - 1, W]
        x = torch.cat([self.class_token.expand(pixels.shape[0], -1, -1), patches], dim=1) + self.positions
        if self.first_norm is not None:
            x = self.first_norm(x)
        for block in self.blocks:
            x = block(x)
        features: torch.Tensor = self.last_norm(x)
        return features

    def slots(self) -> Slots:
        """Its tensors as a checkpoint names them."""
        yield f"{_EMBEDDINGS}.class_embedding", self.class_token
        yield f"{_EMBEDDINGS}.position_embedding", self.positions
        yield from slots_of(f"{_EMBEDDINGS}.patch_embedding", self.patches)
        if self.first_norm is not None:
            yield from slots_of("vision_model.pre_layernorm", self.first_norm)
        yield from slots_of("vision_model.post_layernorm", self.last_norm)
        for number, block in enumerate(self.blocks):
            assert isinstance(block, Block)
            yield from block.slots(f"vision_model.encoder.layers.{number}")
