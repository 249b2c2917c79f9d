"""BLIP-2's ViT on NumPy: pixels to features, EVA's ViT-g and CLIP's ViT-L as in
`imgsearch.model.runtimes.torch.vit`.

Letters in shapes: B images, S pixels a side, N = 1 + patches, W the ViT's width.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from imgsearch.model.checkpoints.config import VisionSizes
from imgsearch.model.runtimes.numpy.layers import LayerNorm, Linear, attend, gelu, quick_gelu
from imgsearch.model.runtimes.numpy.weights import Weights
from imgsearch.records import Float32

_CUBIC = -0.75  # the "a" of torch's bicubic (aten/src/ATen/native/UpSample.h)


@dataclass(frozen=True, slots=True)
class _Block:
    norm1: LayerNorm
    qkv: Linear
    projection: Linear
    norm2: LayerNorm
    fc1: Linear
    fc2: Linear
    heads: int
    activation: Callable[[Float32], Float32]

    def __call__(self, states: Float32) -> Float32:
        """[B, N, W] -> [B, N, W]."""
        query, key, value = np.split(self.qkv(self.norm1(states)), 3, axis=-1)
        states = states + self.projection(attend(query, key, value, self.heads))
        states += self.fc2(self.activation(self.fc1(self.norm2(states))))
        return states


class NumpyVision:
    """The ViT with its weights read. Memory: 4 bytes a parameter."""

    def __init__(self, weights: Weights, sizes: VisionSizes) -> None:
        """``sizes.image`` may differ from the checkpoint's: the position table is then interpolated."""
        start = "vision_model.embeddings."
        kernel = weights.tensor(start + "patch_embedding.weight")  # [W, 3, p, p]
        self._sizes = sizes
        bias = weights.tensor(start + "patch_embedding.bias") if sizes.patch_bias else None
        self._patches = Linear(kernel.reshape(sizes.width, -1), bias)
        self._class = weights.tensor(start + "class_embedding")[0]  # [1, W]
        table = weights.tensor(start + "position_embedding")[0]
        self._places = interpolate_places(table, sizes.grid, sizes.aligned_corners)  # [N, W]
        self._first = weights.norm("vision_model.pre_layernorm", sizes.epsilon) if sizes.first_norm else None
        self._blocks = [_read_block(weights, sizes, number) for number in range(sizes.layers)]
        self._last = weights.norm("vision_model.post_layernorm", sizes.last_epsilon)

    def __call__(self, pixels: Float32) -> Float32:
        """Pixels [B, 3, S, S] -> features [B, N, W], after the last norm."""
        grid, patch, count = self._sizes.grid, self._sizes.patch, len(pixels)
        inside = pixels[:, :, : grid * patch, : grid * patch].reshape(count, 3, grid, patch, grid, patch)
        patches = inside.transpose(0, 2, 4, 1, 3, 5).reshape(count, grid * grid, -1)  # [B, N - 1, 3 * p * p]
        states = np.empty((count, *self._places.shape), np.float32)
        states[:, 0] = self._class
        states[:, 1:] = self._patches(patches)
        states += self._places
        if self._first is not None:
            states = self._first(states)
        for block in self._blocks:
            states = block(states)
        return self._last(states)


def _read_block(weights: Weights, sizes: VisionSizes, number: int) -> _Block:
    name = f"vision_model.encoder.layers.{number}."
    return _Block(
        norm1=weights.norm(name + "layer_norm1", sizes.epsilon),
        qkv=weights.linear(name + "self_attn.qkv", bias=sizes.qkv_bias),
        projection=weights.linear(name + "self_attn.projection"),
        norm2=weights.norm(name + "layer_norm2", sizes.epsilon),
        fc1=weights.linear(name + "mlp.fc1"),
        fc2=weights.linear(name + "mlp.fc2"),
        heads=sizes.heads,
        activation=quick_gelu if sizes.activation == "quick_gelu" else gelu,
    )


def interpolate_places(table: Float32, grid: int, aligned_corners: bool = False) -> Float32:
    """A position table [1 + g * g, W] for a grid of another size, as LAVIS's interpolate_pos_embed does it: bicubic
    without antialias, the class token's place kept; with ``aligned_corners`` as it does it for CLIP's ViT.
    -> [1 + grid * grid, W]."""
    old = math.isqrt(len(table) - 1)
    if old == grid:
        return table
    matrix = _cubic_matrix(old, grid, aligned_corners)  # [grid, old]
    places = table[1:].reshape(old, old, -1)
    moved = np.einsum("ai,bj,ijw->abw", matrix, matrix, places, optimize=True).reshape(grid * grid, -1)
    return np.concatenate([table[:1], moved]).astype(np.float32)


def _cubic_matrix(old: int, new: int, aligned_corners: bool) -> Float32:
    """Weights [new, old] of cubic convolution (Keys 1981) with a = -0.75, the border repeated. Pixel centres lie at
    halves, or the first and last places stay where they are."""
    matrix = np.zeros((new, old))
    for row in range(new):
        centre = row * (old - 1) / max(1, new - 1) if aligned_corners else (row + 0.5) * old / new - 0.5
        first = math.floor(centre)
        for place in range(first - 1, first + 3):
            matrix[row, min(max(place, 0), old - 1)] += _cubic(abs(centre - place))
    return matrix.astype(np.float32)


def _cubic(distance: float) -> float:
    if distance <= 1:
        return ((_CUBIC + 2) * distance - (_CUBIC + 3)) * distance**2 + 1
    return _CUBIC * (((distance - 5) * distance + 8) * distance - 4)
