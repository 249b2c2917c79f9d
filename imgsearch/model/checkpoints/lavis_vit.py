"""LAVIS's ViTs, EVA's ViT-g and CLIP's ViT-L, under transformers' names. Every size comes from the tensors.

Sources: LAVIS 1.0.2, models/eva_vit.py and models/clip_vit.py. A state dict may hold torch tensors or
`FloatTensor`s, which are read when they are converted, and not before.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import torch
import torch.nn.functional as F

from imgsearch.errors import CheckpointInvalid, UsageError
from imgsearch.model.checkpoints.tensor_files import FloatTensor, read_floats
from imgsearch.model.checkpoints.towers import is_clip

State = Mapping[str, Any]
"""By name, torch.Tensor or FloatTensor: both have a shape."""

# LAVIS: create_eva_vit_g has num_heads = 1408 // 88, create_clip_vit_L 16 for a width of 1024.
_EVA_HEAD_WIDTH, _CLIP_HEAD_WIDTH = 88, 64
# BLIP-2 reads the last block but one: EVA's own ViT-g has 40, CLIP's ViT-L 24, and LAVIS builds 39 and 23. Other keys
# of CLIP's own ViT (ln_post, proj) are passed over, as LAVIS does.
_BLIP2_BLOCKS = {(1408, 40): 39, (1024, 24): 23}
# nn.LayerNorm's default in LAVIS's ln_vision and in CLIP, where transformers and EVA have 1e-6.
_DEFAULT_EPS = 1e-5

EVA_NAMES = {
    "norm1": "layer_norm1",
    "norm2": "layer_norm2",
    "attn.proj": "self_attn.projection",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
}
CLIP_NAMES = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "attn.out_proj": "self_attn.projection",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}
_EMBEDDINGS = "vision_model.embeddings."


def as_tensor(value: Any) -> torch.Tensor:
    """A tensor of a state dict, float32 where it lay in a file."""
    return torch.from_numpy(read_floats(value)) if isinstance(value, FloatTensor) else value


def image_size_of(tower: State) -> int:
    """The image size of a ViT's position table, pixels."""
    positions = (tower["positional_embedding"].shape[0] if is_clip(tower) else tower["pos_embed"].shape[1]) - 1
    grid = math.isqrt(positions)
    if grid * grid != positions:
        raise CheckpointInvalid(
            f"the ViT's position table has {positions} places, which is no square grid",
            "only square images are supported",
        )
    return int(grid * _patches(tower).shape[-1])


def interpolate_positions(table: torch.Tensor, grid: int, aligned_corners: bool = False) -> torch.Tensor:
    """A position table [1, 1 + g * g, W] for a grid of another size, as LAVIS's interpolate_pos_embed does it: bicubic,
    the class token's place kept. LAVIS leaves the corners in place (``aligned_corners``) for CLIP's ViT alone."""
    width = table.shape[-1]
    old = math.isqrt(table.shape[1] - 1)
    if old == grid:
        return table
    places = table[:, 1:].float().reshape(1, old, old, width).permute(0, 3, 1, 2)
    places = F.interpolate(places, size=(grid, grid), mode="bicubic", align_corners=aligned_corners)
    return torch.cat([table[:, :1].float(), places.permute(0, 2, 3, 1).reshape(1, grid * grid, width)], dim=1)


def check_image_size(image_size: int, patch_size: int) -> None:
    """Raise UsageError unless the patches fill the image."""
    if image_size < patch_size or image_size % patch_size:
        raise UsageError(
            f"the image size is {image_size}, expected a multiple of this model's patch size {patch_size}",
            f"for example {max(1, round(image_size / patch_size)) * patch_size}",
        )


def tower_config(tower: State, image_size: int) -> dict[str, Any]:
    """What transformers' Blip2VisionConfig takes for a ViT used at ``image_size``; of CLIP's kind with keys that only
    `imgsearch.model.checkpoints.config` knows."""
    clip = is_clip(tower)
    width, _, patch_size, _ = _patches(tower).shape
    check_image_size(image_size, patch_size)
    blocks = count_layers(tower, r"transformer\.resblocks\.(\d+)\." if clip else r"blocks\.(\d+)\.")
    blocks = _BLIP2_BLOCKS.get((width, blocks), blocks)
    first = "transformer.resblocks.0.mlp.c_fc.weight" if clip else "blocks.0.mlp.fc1.weight"
    sizes = {
        "hidden_size": width,
        "intermediate_size": tower[first].shape[0],
        "num_hidden_layers": blocks,
        "num_attention_heads": heads_of(width, tower_head_width(clip=clip), "ViT"),
        "image_size": image_size,
        "patch_size": patch_size,
        "post_layer_norm_eps": _DEFAULT_EPS,
    }
    if not clip:
        return sizes
    of_clip = {"hidden_act": "quick_gelu", "pre_layer_norm": True, "patch_bias": False, "align_corners": True}
    return {**sizes, **of_clip, "layer_norm_eps": _DEFAULT_EPS}


def tower_head_width(*, clip: bool) -> int:
    """Numbers of a head in LAVIS's ViTs."""
    return _CLIP_HEAD_WIDTH if clip else _EVA_HEAD_WIDTH


def heads_of(width: int, head_width: int, part: str) -> int:
    """Heads of LAVIS's width in a part of the model."""
    heads = width // head_width
    if heads < 1 or width % heads:
        raise CheckpointInvalid(
            f"the {part} is {width} wide, which {heads} heads do not divide",
            "only LAVIS's own architecture is read",
        )
    return heads


def count_layers(state: State, pattern: str) -> int:
    """Layers whose numbers ``pattern`` finds in the names; raises CheckpointInvalid where one is missing."""
    numbers = {int(found.group(1)) for key in state if (found := re.match(pattern, key))}
    if not numbers or max(numbers) + 1 != len(numbers):
        raise CheckpointInvalid("the LAVIS checkpoint misses layers", "it is damaged: fetch it again")
    return len(numbers)


def convert_tower(tower: State, config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """transformers' names with their tensors, one by one."""
    yield from _convert_clip(tower, config) if is_clip(tower) else _convert_eva(tower, config)


def _convert_eva(tower: State, config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    grid = config["image_size"] // config["patch_size"]
    yield _EMBEDDINGS + "class_embedding", tower["cls_token"]
    yield _EMBEDDINGS + "position_embedding", _positions(tower["pos_embed"], grid, aligned_corners=False)
    yield _EMBEDDINGS + "patch_embedding.weight", tower["patch_embed.proj.weight"]
    yield _EMBEDDINGS + "patch_embedding.bias", tower["patch_embed.proj.bias"]
    for number in range(config["num_hidden_layers"]):
        ours, theirs = f"vision_model.encoder.layers.{number}.", f"blocks.{number}."
        yield from _renamed(tower, ours, theirs, EVA_NAMES)
        yield f"{ours}self_attn.qkv.weight", tower[f"{theirs}attn.qkv.weight"]
        # LAVIS keeps biases of queries and values; keys have none.
        query, value = (as_tensor(tower[f"{theirs}attn.{part}_bias"]) for part in ("q", "v"))
        yield f"{ours}self_attn.qkv.bias", torch.cat([query, torch.zeros_like(query), value])


def _convert_clip(tower: State, config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    grid = config["image_size"] // config["patch_size"]
    yield _EMBEDDINGS + "class_embedding", as_tensor(tower["class_embedding"])[None, None]
    table = as_tensor(tower["positional_embedding"])[None]
    yield _EMBEDDINGS + "position_embedding", interpolate_positions(table, grid, aligned_corners=True)
    yield _EMBEDDINGS + "patch_embedding.weight", tower["conv1.weight"]
    for part in ("weight", "bias"):
        yield f"vision_model.pre_layernorm.{part}", tower[f"ln_pre.{part}"]
    for number in range(config["num_hidden_layers"]):
        ours, theirs = f"vision_model.encoder.layers.{number}.", f"transformer.resblocks.{number}."
        yield from _renamed(tower, ours, theirs, CLIP_NAMES)
        for part in ("weight", "bias"):
            yield f"{ours}self_attn.qkv.{part}", tower[f"{theirs}attn.in_proj_{part}"]


def _renamed(tower: State, ours: str, theirs: str, names: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    for old, new in names.items():
        for part in ("weight", "bias"):
            yield f"{ours}{new}.{part}", tower[f"{theirs}{old}.{part}"]


def _positions(table: Any, grid: int, *, aligned_corners: bool) -> Any:
    """``table`` as it is where it fits, so that it is not read before it must."""
    if table.shape[1] == 1 + grid**2:
        return table
    return interpolate_positions(as_tensor(table), grid, aligned_corners)


def _patches(tower: State) -> Any:
    return tower["conv1.weight" if is_clip(tower) else "patch_embed.proj.weight"]
