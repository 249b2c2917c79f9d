"""LAVIS's BLIP-2 checkpoints, read as transformers' Blip2ForImageTextRetrieval.

Every size comes from the tensors. LAVIS publishes two forms: its COCO-tuned ``.pth`` holds everything; the
pre-trained one holds no ``visual_encoder.*`` and takes the ViT from ``eva_vit_g.pth``, whose keys have no prefix.
Sources: LAVIS 1.0.2, models/eva_vit.py, models/blip2_models/Qformer.py and blip2_qformer.py.
"""

from __future__ import annotations

import math
import pickle
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from imgsearch.errors import CheckpointInvalid, ModelUnavailable, UsageError

TOWER_FILE = "eva_vit_g.pth"
DEFAULT_IMAGE_SIZE = 224  # LAVIS's pre-training size, for the form that does not say

# LAVIS: create_eva_vit_g has num_heads = 1408 // 88; BERT has 64 numbers a head.
_VIT_HEAD_WIDTH = 88
QFORMER_HEAD_WIDTH = 64
# EVA's own ViT-g has 40 blocks; BLIP-2 reads the output of the 39th, and LAVIS builds 39 (create_eva_vit_g).
_EVA_G_WIDTH, _EVA_G_BLOCKS, _BLIP2_BLOCKS = 1408, 40, 39
# nn.LayerNorm's default in LAVIS's ln_vision, where transformers uses the ViT's own 1e-6.
LN_VISION_EPS = 1e-5

State = Mapping[str, torch.Tensor]

_VIT_NAMES = {
    "norm1": "layer_norm1",
    "norm2": "layer_norm2",
    "attn.qkv": "self_attn.qkv",
    "attn.proj": "self_attn.projection",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
}
_TOP_NAMES = {
    "query_tokens": "query_tokens",
    "ln_vision.weight": "vision_model.post_layernorm.weight",
    "ln_vision.bias": "vision_model.post_layernorm.bias",
    "Qformer.bert.embeddings.word_embeddings.weight": "embeddings.word_embeddings.weight",
    "Qformer.bert.embeddings.position_embeddings.weight": "embeddings.position_embeddings.weight",
    "Qformer.bert.embeddings.LayerNorm.weight": "qformer.layernorm.weight",
    "Qformer.bert.embeddings.LayerNorm.bias": "qformer.layernorm.bias",
    "vision_proj.weight": "vision_projection.weight",
    "vision_proj.bias": "vision_projection.bias",
    "text_proj.weight": "text_projection.weight",
    "text_proj.bias": "text_projection.bias",
    "itm_head.weight": "itm_head.weight",
    "itm_head.bias": "itm_head.bias",
}
LAYER_PREFIX = "Qformer.bert.encoder.layer."


@dataclass(frozen=True, slots=True)
class LavisCheckpoint:
    """A LAVIS checkpoint's tensors: ``body`` with LAVIS's names, ``tower`` the ViT's without prefix. ``image_size`` is
    what it will be used at, ``config`` what transformers' Blip2Config takes."""

    body: State
    tower: State
    image_size: int
    config: dict[str, Any]

    def tensors(self) -> Iterator[tuple[str, torch.Tensor]]:
        """transformers' names with their tensors, converted one by one, so that memory holds no second copy."""
        try:
            yield from convert_tower(self.tower, self.config["vision_config"])
            yield from _convert_body(self.body, self.config["qformer_config"])
        except KeyError as exc:
            raise CheckpointInvalid(
                f"the LAVIS checkpoint holds no {exc.args[0]!r}; it is not a whole BLIP-2", "fetch it again"
            ) from exc


def read_lavis(path: Path, image_size: int | None) -> LavisCheckpoint:
    """Read a ``.pth`` and, where it holds no ViT, ``eva_vit_g.pth`` beside it. Cost: maps the files, copies nothing.

    Raises CheckpointInvalid (not LAVIS's, damaged, unsafe pickle) and ModelUnavailable (the ViT's file is missing).
    """
    body = read_state(path)
    _check_body(body, path)
    tower = {key[15:]: value for key, value in body.items() if key.startswith("visual_encoder.")}
    inside = bool(tower)
    if not inside:
        tower = dict(read_state(tower_beside(path)))
    try:
        native = image_size_of(tower)
        size = image_size or (native if inside else DEFAULT_IMAGE_SIZE)
        return LavisCheckpoint(body, tower, size, _config(body, tower, size))
    except KeyError as exc:
        raise CheckpointInvalid(f"{path} holds no {exc.args[0]!r}; it is not a whole BLIP-2", "fetch it again") from exc


def read_state(path: Path) -> State:
    """The state dict of a ``.pth``, {"model": state} or bare, on the CPU, never running code from the file."""
    with path.open("rb") as file:
        zipped = file.read(2) == b"PK"
    mend = "it is damaged or half downloaded: fetch it again"
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except pickle.UnpicklingError as exc:
        if "GLOBAL" in str(exc) or "Unsupported" in str(exc):
            raise CheckpointInvalid(
                f"{path} holds Python code besides tensors, and imgsearch does not run code from a checkpoint",
                "get the file from its authors, or re-save its state dict alone",
            ) from exc
        raise CheckpointInvalid(f"{path} cannot be read as a checkpoint", mend) from exc
    except MemoryError:
        raise
    except Exception as exc:
        raise CheckpointInvalid(f"{path} cannot be read as a checkpoint", mend) from exc
    state = loaded.get("model", loaded) if isinstance(loaded, dict) else None
    if not isinstance(state, dict) or not any(isinstance(value, torch.Tensor) for value in state.values()):
        raise CheckpointInvalid(f"{path} holds no state dict; LAVIS's are {{'model': tensors}}", mend)
    return {str(key): value for key, value in state.items() if isinstance(value, torch.Tensor)}


def image_size_of(tower: State) -> int:
    """The image size of a ViT's position table, pixels."""
    positions = tower["pos_embed"].shape[1] - 1
    grid = math.isqrt(positions)
    if grid * grid != positions:
        raise CheckpointInvalid(
            f"the ViT's position table has {positions} places, which is no square grid",
            "only square images are supported",
        )
    return int(grid * tower["patch_embed.proj.weight"].shape[-1])


def interpolate_positions(table: torch.Tensor, grid: int) -> torch.Tensor:
    """A position table [1, 1 + g * g, W] for a grid of another size, as LAVIS's interpolate_pos_embed does it: bicubic,
    the class token's place kept."""
    width = table.shape[-1]
    old = math.isqrt(table.shape[1] - 1)
    if old == grid:
        return table
    places = table[:, 1:].float().reshape(1, old, old, width).permute(0, 3, 1, 2)
    places = F.interpolate(places, size=(grid, grid), mode="bicubic", align_corners=False)
    return torch.cat([table[:, :1].float(), places.permute(0, 2, 3, 1).reshape(1, grid * grid, width)], dim=1)


def check_image_size(image_size: int, patch_size: int) -> None:
    """Raise UsageError unless the patches fill the image."""
    if image_size < patch_size or image_size % patch_size:
        raise UsageError(
            f"the image size is {image_size}, expected a multiple of this model's patch size {patch_size}",
            f"for example {max(1, round(image_size / patch_size)) * patch_size}",
        )


def tower_beside(path: Path) -> Path:
    tower = path.parent / TOWER_FILE
    if not tower.is_file():
        raise ModelUnavailable(
            f"{path.name} holds no ViT (LAVIS's pre-trained form), and {TOWER_FILE} is not beside it in {path.parent}",
            f"put LAVIS's {TOWER_FILE} into {path.parent}",
        )
    return tower


def _check_body(body: State, path: Path) -> None:
    missing = [name for name in _TOP_NAMES if name not in body]
    if not missing:
        return
    if "itm_head.weight" in missing and "query_tokens" in body:
        found = "a BLIP-2 without an image-text matching head (a captioner)"
    elif "pos_embed" in body and "patch_embed.proj.weight" in body:
        found = "a bare ViT"
    else:
        found = f"something else ({missing[0]} is missing)"
    raise CheckpointInvalid(
        f"{path} holds {found}; a LAVIS BLIP-2 retrieval checkpoint was expected",
        "LAVIS's blip2_pretrained.pth and blip2_finetune_coco.pth are such",
    )


def tower_config(tower: State, image_size: int) -> dict[str, Any]:
    """What transformers' Blip2VisionConfig takes for a ViT used at ``image_size``."""
    width, _, patch_size, _ = tower["patch_embed.proj.weight"].shape
    check_image_size(image_size, patch_size)
    blocks = count_layers(tower, r"blocks\.(\d+)\.")
    if width == _EVA_G_WIDTH and blocks == _EVA_G_BLOCKS:
        blocks = _BLIP2_BLOCKS
    return {
        "hidden_size": width,
        "intermediate_size": tower["blocks.0.mlp.fc1.weight"].shape[0],
        "num_hidden_layers": blocks,
        "num_attention_heads": heads_of(width, _VIT_HEAD_WIDTH, "ViT"),
        "image_size": image_size,
        "patch_size": patch_size,
        "post_layer_norm_eps": LN_VISION_EPS,
    }


def _config(body: State, tower: State, image_size: int) -> dict[str, Any]:
    layers = count_layers(body, re.escape(LAYER_PREFIX) + r"(\d+)\.")
    words = body["Qformer.bert.embeddings.word_embeddings.weight"]
    width = words.shape[1]
    return {
        "model_type": "blip-2",
        "architectures": ["Blip2ForImageTextRetrieval"],
        "num_query_tokens": body["query_tokens"].shape[1],
        "image_text_hidden_size": body["vision_proj.weight"].shape[0],
        "image_token_index": None,
        "vision_config": tower_config(tower, image_size),
        "qformer_config": {
            "vocab_size": words.shape[0],
            "hidden_size": width,
            "num_hidden_layers": layers,
            "num_attention_heads": heads_of(width, QFORMER_HEAD_WIDTH, "Q-Former"),
            "intermediate_size": body[LAYER_PREFIX + "0.intermediate.dense.weight"].shape[0],
            "max_position_embeddings": body["Qformer.bert.embeddings.position_embeddings.weight"].shape[0],
            "encoder_hidden_size": tower["patch_embed.proj.weight"].shape[0],
            "cross_attention_frequency": cross_attention_frequency(body, layers),
            "use_qformer_text_input": True,
        },
    }


def heads_of(width: int, head_width: int, part: str) -> int:
    heads = width // head_width
    if heads < 1 or width % heads:
        raise CheckpointInvalid(
            f"the {part} is {width} wide, which {heads} heads do not divide",
            "only LAVIS's own architecture is read",
        )
    return heads


def count_layers(state: State, pattern: str) -> int:
    numbers = {int(found.group(1)) for key in state if (found := re.match(pattern, key))}
    if not numbers or max(numbers) + 1 != len(numbers):
        raise CheckpointInvalid("the LAVIS checkpoint misses layers", "it is damaged: fetch it again")
    return len(numbers)


def cross_attention_frequency(body: State, layers: int) -> int:
    having = [n for n in range(layers) if f"{LAYER_PREFIX}{n}.crossattention.self.query.weight" in body]
    frequency = having[1] - having[0] if len(having) > 1 else layers
    if having != list(range(0, layers, frequency)):
        raise CheckpointInvalid(
            f"the Q-Former cross-attends in layers {having}, expected every n-th from 0",
            "only LAVIS's architecture is read",
        )
    return frequency


def convert_tower(tower: State, config: Mapping[str, Any]) -> Iterator[tuple[str, torch.Tensor]]:
    grid = config["image_size"] // config["patch_size"]
    yield "vision_model.embeddings.class_embedding", tower["cls_token"]
    yield "vision_model.embeddings.position_embedding", interpolate_positions(tower["pos_embed"], grid)
    yield "vision_model.embeddings.patch_embedding.weight", tower["patch_embed.proj.weight"]
    yield "vision_model.embeddings.patch_embedding.bias", tower["patch_embed.proj.bias"]
    for number in range(config["num_hidden_layers"]):
        ours, theirs = f"vision_model.encoder.layers.{number}.", f"blocks.{number}."
        for old, new in _VIT_NAMES.items():
            yield f"{ours}{new}.weight", tower[f"{theirs}{old}.weight"]
            if old != "attn.qkv":
                yield f"{ours}{new}.bias", tower[f"{theirs}{old}.bias"]
        yield f"{ours}self_attn.qkv.bias", _qkv_bias(tower, theirs)


def _qkv_bias(tower: State, block: str) -> torch.Tensor:
    """LAVIS keeps biases of queries and values; keys have none."""
    query = tower[f"{block}attn.q_bias"]
    return torch.cat([query, torch.zeros_like(query), tower[f"{block}attn.v_bias"]])


def _convert_body(body: State, config: Mapping[str, Any]) -> Iterator[tuple[str, torch.Tensor]]:
    for old, new in _TOP_NAMES.items():
        yield new, body[old]
    yield from convert_layers(body)


def convert_layers(body: State) -> Iterator[tuple[str, torch.Tensor]]:
    """The Q-Former's layers under transformers' names."""
    for key, value in body.items():
        if key.startswith(LAYER_PREFIX):
            name = key.removeprefix("Qformer.bert.")
            # BERT's attention modules are `self`; transformers' Q-Former calls them `attention`.
            yield "qformer." + re.sub(r"\.(attention|crossattention)\.self\.", r".\1.attention.", name), value
