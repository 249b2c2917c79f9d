"""LAVIS's BLIP-2 checkpoints, read as transformers' Blip2ForImageTextRetrieval.

Every size comes from the tensors. LAVIS publishes two forms: its COCO-tuned ``.pth`` holds everything; the
pre-trained ones hold no ``visual_encoder.*`` and take the ViT from ``eva_vit_g.pth`` or ``clip_vit_L.pth``, whose keys
have no prefix. Sources: LAVIS 1.0.2, models/blip2_models/Qformer.py and blip2_qformer.py.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from imgsearch.errors import CheckpointInvalid, ModelUnavailable
from imgsearch.model.checkpoints.config import ARCHITECTURES, MODEL_TYPES
from imgsearch.model.checkpoints.lavis_vit import (
    State,
    convert_tower,
    count_layers,
    heads_of,
    image_size_of,
    tower_config,
)
from imgsearch.model.checkpoints.pickled import read_pickled, read_trained_size, state_of
from imgsearch.model.checkpoints.towers import CLIP_FILE, EVA_FILE, TOWER_PREFIX, find_tower, is_clip

DEFAULT_IMAGE_SIZE = 224  # LAVIS's pre-training size, for the form that does not say

# BERT has 64 numbers a head.
QFORMER_HEAD_WIDTH = 64

RETRIEVAL_NAMES = {
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

    def tensors(self) -> Iterator[tuple[str, Any]]:
        """transformers' names with their tensors, converted one by one, so that memory holds no second copy: those that
        need no change as they lie in the file (FloatTensor), where its form allows that."""
        try:
            yield from convert_tower(self.tower, self.config["vision_config"])
            yield from _convert_body(self.body)
        except KeyError as exc:
            raise CheckpointInvalid(
                f"the LAVIS checkpoint holds no {exc.args[0]!r}; it is not a whole BLIP-2", "fetch it again"
            ) from exc


def read_lavis(path: Path, image_size: int | None) -> LavisCheckpoint:
    """Read a ``.pth`` and, where it holds no ViT, the file beside it that does. Cost: reads headers, copies nothing.

    Raises CheckpointInvalid (not LAVIS's, damaged, unsafe pickle) and ModelUnavailable (the ViT's file is missing).
    """
    body = _open_state(path)
    _check_body(body, path)
    tower = {key.removeprefix(TOWER_PREFIX): value for key, value in body.items() if key.startswith(TOWER_PREFIX)}
    inside = bool(tower)
    if not inside:
        tower = dict(_open_state(tower_beside(path, body)))
    try:
        native = image_size_of(tower)
        size = image_size or (native if inside else read_trained_size(path) or DEFAULT_IMAGE_SIZE)
        return LavisCheckpoint(body, tower, size, _config(body, tower, size))
    except KeyError as exc:
        raise CheckpointInvalid(f"{path} holds no {exc.args[0]!r}; it is not a whole BLIP-2", "fetch it again") from exc
    except (IndexError, ValueError) as exc:  # a tensor with fewer axes
        raise CheckpointInvalid(f"{path} holds tensors of other forms than BLIP-2's", "fetch it again") from exc


def _open_state(path: Path) -> State:
    return read_pickled(path) or read_state(path)


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
    state = state_of(loaded) if isinstance(loaded, dict) else {}
    if not any(isinstance(value, torch.Tensor) for value in state.values()):
        raise CheckpointInvalid(f"{path} holds no state dict; LAVIS's are {{'model': tensors}}", mend)
    return {key: value for key, value in state.items() if isinstance(value, torch.Tensor)}


def tower_beside(path: Path, body: State) -> Path:
    """The file beside a LAVIS checkpoint that holds its ViT. Raises ModelUnavailable where there is none."""
    tower = find_tower(path, body)
    if tower is None:
        raise ModelUnavailable(
            f"{path.name} holds no ViT (LAVIS's pre-trained form), and {EVA_FILE} is not beside it in {path.parent}, "
            f"nor {CLIP_FILE}",
            f"put LAVIS's {EVA_FILE} ({CLIP_FILE} for a ViT-L) into {path.parent}",
        )
    return tower


def _check_body(body: State, path: Path) -> None:
    missing = [name for name in RETRIEVAL_NAMES if name not in body]
    if not missing:
        return
    if "itm_head.weight" in missing and "query_tokens" in body:
        found = "a BLIP-2 without an image-text matching head (a captioner)"
    elif "patch_embed.proj.weight" in body or "conv1.weight" in body:
        found = "a bare ViT"
    else:
        found = f"something else ({missing[0]} is missing)"
    raise CheckpointInvalid(
        f"{path} holds {found}; a LAVIS BLIP-2 retrieval checkpoint was expected",
        "LAVIS's blip2_pretrained.pth, blip2_finetune_coco.pth and blip2_pretrained_vitL.pth are such",
    )


def _config(body: State, tower: State, image_size: int) -> dict[str, Any]:
    layers = count_layers(body, re.escape(LAYER_PREFIX) + r"(\d+)\.")
    words = body["Qformer.bert.embeddings.word_embeddings.weight"]
    width = words.shape[1]
    vision = tower_config(tower, image_size)
    architecture = next(name for name, clip in ARCHITECTURES.items() if clip == is_clip(tower))
    return {
        "model_type": MODEL_TYPES[is_clip(tower)],
        "architectures": [architecture],
        "num_query_tokens": body["query_tokens"].shape[1],
        "image_text_hidden_size": body["vision_proj.weight"].shape[0],
        "image_token_index": None,
        "vision_config": vision,
        "qformer_config": {
            "vocab_size": words.shape[0],
            "hidden_size": width,
            "num_hidden_layers": layers,
            "num_attention_heads": heads_of(width, QFORMER_HEAD_WIDTH, "Q-Former"),
            "intermediate_size": body[LAYER_PREFIX + "0.intermediate.dense.weight"].shape[0],
            "max_position_embeddings": body["Qformer.bert.embeddings.position_embeddings.weight"].shape[0],
            "encoder_hidden_size": vision["hidden_size"],
            "cross_attention_frequency": cross_attention_frequency(body, layers),
            "use_qformer_text_input": True,
        },
    }


def cross_attention_frequency(body: State, layers: int) -> int:
    having = [n for n in range(layers) if f"{LAYER_PREFIX}{n}.crossattention.self.query.weight" in body]
    frequency = having[1] - having[0] if len(having) > 1 else layers
    if having != list(range(0, layers, frequency)):
        raise CheckpointInvalid(
            f"the Q-Former cross-attends in layers {having}, expected every n-th from 0",
            "only LAVIS's architecture is read",
        )
    return frequency


def _convert_body(body: State) -> Iterator[tuple[str, Any]]:
    for old, new in RETRIEVAL_NAMES.items():
        yield new, body[old]
    yield from convert_layers(body)


def convert_layers(body: State) -> Iterator[tuple[str, Any]]:
    """The Q-Former's layers under transformers' names."""
    for key, value in body.items():
        if key.startswith(LAYER_PREFIX):
            name = key.removeprefix("Qformer.bert.")
            # BERT's attention modules are `self`; transformers' Q-Former calls them `attention`.
            yield "qformer." + re.sub(r"\.(attention|crossattention)\.self\.", r".\1.attention.", name), value
