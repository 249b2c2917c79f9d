"""LAVIS's generative BLIP-2 files, read as transformers' Blip2ForConditionalGeneration.

Three files: the ``.pth`` (Q-Former, projection, and the ViT in the ``caption_*`` forms), ``eva_vit_g.pth`` or
``clip_vit_L.pth`` where it holds no ViT, and the language model's own directory. Sources: LAVIS 1.0.2,
models/blip2_models/blip2_opt.py and blip2_t5.py, and what its runners leave out when they save (parameters without a
gradient).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from imgsearch.errors import CheckpointInvalid, UsageError
from imgsearch.generation.sources import ARCHITECTURE, read_language_config
from imgsearch.model.checkpoints.lavis import (
    LAYER_PREFIX,
    QFORMER_HEAD_WIDTH,
    convert_layers,
    cross_attention_frequency,
    read_state,
    tower_beside,
)
from imgsearch.model.checkpoints.lavis_vit import (
    State,
    convert_tower,
    count_layers,
    heads_of,
    image_size_of,
    tower_config,
)

_TOP_NAMES = {
    "query_tokens": "query_tokens",
    "ln_vision.weight": "vision_model.post_layernorm.weight",
    "ln_vision.bias": "vision_model.post_layernorm.bias",
    "Qformer.bert.embeddings.LayerNorm.weight": "qformer.layernorm.weight",
    "Qformer.bert.embeddings.LayerNorm.bias": "qformer.layernorm.bias",
}
_TOWER_PREFIX = "visual_encoder."
_KINDS = {"opt": "opt_proj", "t5": "t5_proj"}


@dataclass(frozen=True, slots=True)
class LavisGenerator:
    """The tensors of a ``.pth`` under LAVIS's names, and ``config`` as transformers' Blip2Config takes it, but for the
    ids that only the tokenizer tells."""

    path: Path
    body: State
    tower: State
    projection: str
    config: dict[str, Any]

    def tensors(self) -> Iterator[tuple[str, torch.Tensor]]:
        """transformers' names with their tensors, converted one by one; without the language model's."""
        try:
            yield from convert_tower(self.tower, self.config["vision_config"])
            for old, new in _TOP_NAMES.items():
                yield new, self.body[old]
            yield from convert_layers(self.body)
            for part in ("weight", "bias"):
                yield f"language_projection.{part}", self.body[f"{self.projection}.{part}"]
        except KeyError as exc:
            raise _not_whole(self.path, exc) from exc


def read_generator(path: Path, language: Path, image_size: int | None) -> LavisGenerator:
    """Read a ``.pth`` and the ViT beside it. Cost: maps the files, copies nothing. Raises CheckpointInvalid (a
    retrieval checkpoint, one of another language model, damaged) and ModelUnavailable (the ViT's file is missing)."""
    body = read_state(path)
    text_config = read_language_config(language)
    try:
        projection = _check(body, text_config, path, language)
    except IndexError as exc:
        raise _not_whole(path, exc) from exc
    tower = {key.removeprefix(_TOWER_PREFIX): value for key, value in body.items() if key.startswith(_TOWER_PREFIX)}
    if not tower:
        tower = dict(read_state(tower_beside(path, body)))
    try:
        size = image_size or image_size_of(tower)
        return LavisGenerator(path, body, tower, projection, _config(body, tower, size, text_config))
    except (KeyError, IndexError, ValueError) as exc:
        raise _not_whole(path, exc) from exc


def _not_whole(path: Path, found: Exception) -> CheckpointInvalid:
    """For a tensor that is not there, or has fewer axes than BLIP-2's."""
    what = f"no {found.args[0]!r}" if isinstance(found, KeyError) else "tensors of other forms than BLIP-2's"
    return CheckpointInvalid(f"{path} holds {what}; it is not a whole BLIP-2", "fetch it again")


def _check(body: State, text_config: dict[str, Any], path: Path, language: Path) -> str:
    """The name of the projection."""
    kind = str(text_config["model_type"])
    found = next((name for name in _KINDS.values() if f"{name}.weight" in body), None)
    if found is None:
        what = "a retrieval BLIP-2 (no opt_proj, no t5_proj)" if "query_tokens" in body else "something else"
        raise CheckpointInvalid(
            f"{path} holds {what}; one of LAVIS's generative checkpoints was expected",
            "blip2_pretrained_opt2.7b.pth and blip2_caption_opt2.7b.pth are such",
        )
    if found != _KINDS[kind]:
        raise UsageError(
            f"{path.name} was trained with {'an OPT' if found == 'opt_proj' else 'a T5'}, and {language} is of type "
            f"{kind!r}",
            "name the language model that belongs to the file",
        )
    width = body[f"{found}.weight"].shape[0]
    wanted = text_config.get("d_model") if kind == "t5" else text_config.get("hidden_size")
    if width != wanted:
        raise UsageError(
            f"{path.name} was trained with a language model {width} wide, and that in {language} is {wanted} wide",
            "name the language model of the size that belongs to the file",
        )
    missing = [name for name in _TOP_NAMES if name not in body]
    if missing:
        raise CheckpointInvalid(f"{path} holds no {missing[0]!r}; it is not a whole BLIP-2", "fetch it again")
    return found


def _config(body: State, tower: State, image_size: int, text_config: dict[str, Any]) -> dict[str, Any]:
    layers = count_layers(body, re.escape(LAYER_PREFIX) + r"(\d+)\.")
    width = body["query_tokens"].shape[2]
    vision = tower_config(tower, image_size)
    if text_config["model_type"] == "t5":
        # Blip2T5 sets the exact GELU, whatever the Flan-T5 was trained with.
        text_config = {**text_config, "dense_act_fn": "gelu", "bos_token_id": text_config.get("eos_token_id", 1)}
    return {
        "model_type": "blip-2",
        "architectures": [ARCHITECTURE],
        "num_query_tokens": body["query_tokens"].shape[1],
        "image_token_index": None,
        "vision_config": vision,
        "qformer_config": {
            "hidden_size": width,
            "num_hidden_layers": layers,
            "num_attention_heads": heads_of(width, QFORMER_HEAD_WIDTH, "Q-Former"),
            "intermediate_size": body[LAYER_PREFIX + "0.intermediate_query.dense.weight"].shape[0],
            "encoder_hidden_size": vision["hidden_size"],
            "cross_attention_frequency": cross_attention_frequency(body, layers),
            "use_qformer_text_input": False,
        },
        "text_config": text_config,
    }


def language_tensors(tensors: Iterable[tuple[str, torch.Tensor]], kind: str) -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors of a language model of ``kind`` ("opt", "t5") under the names that they have inside BLIP-2. Some OPT
    files lack the outer ``model.``."""
    for name, value in tensors:
        inner = f"model.{name}" if kind == "opt" and name.startswith("decoder.") else name
        yield f"language_model.{inner}", value
