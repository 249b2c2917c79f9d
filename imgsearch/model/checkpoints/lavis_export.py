"""BLIP-2 checkpoints as LAVIS's ``.pth``: the way back of `imgsearch.model.checkpoints.lavis`.

The file is {"model": state dict}, as LAVIS's runner writes it, with the ViT inside. LAVIS 1.0.2 opens it by
``load_checkpoint`` into a model of the same sizes and image size (arch ``blip2``, ``blip2_opt`` or ``blip2_t5``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from imgsearch.errors import CheckpointInvalid, UsageError
from imgsearch.files import drafted
from imgsearch.model.checkpoints.lavis import LAYER_PREFIX, QFORMER_HEAD_WIDTH, RETRIEVAL_NAMES
from imgsearch.model.checkpoints.lavis_vit import CLIP_NAMES, EVA_NAMES, tower_head_width
from imgsearch.model.checkpoints.towers import TOWER_PREFIX

TEMPERATURE = 0.07
"""LAVIS's ``temp`` at its start. It scales the contrastive loss alone, and nothing here has learnt another one."""

_OURS = {new: old for old, new in RETRIEVAL_NAMES.items()}
_EMBEDDINGS = "vision_model.embeddings."
_LAYERS = "vision_model.encoder.layers."
_EVA_TOP = {
    "class_embedding": "cls_token",
    "position_embedding": "pos_embed",
    "patch_embedding.weight": "patch_embed.proj.weight",
    "patch_embedding.bias": "patch_embed.proj.bias",
}
_CLIP_TOP = {
    "class_embedding": "class_embedding",
    "position_embedding": "positional_embedding",
    "patch_embedding.weight": "conv1.weight",
}

Named = Iterable[tuple[str, torch.Tensor]]


def write_retrieval(path: Path, tensors: Named, pieces: Mapping[str, int], *, clip: bool) -> None:
    """Write a retrieval BLIP-2, by its tensors under transformers' names, as ``path`` and its vocabulary as
    ``vocab.txt`` beside it. ``clip``: its ViT is CLIP's. Cost: holds all weights once. Raises UsageError for another
    suffix and for a folder that has another vocabulary, OSError."""
    words = vocabulary_text(pieces)
    beside = path.parent / "vocab.txt"
    if beside.exists() and beside.read_text(encoding="utf-8") != words:
        raise UsageError(f"{beside} is another model's vocabulary", "name a folder of its own")
    state = dict(retrieval_state(tensors, clip=clip))
    _write(path, {**state, "temp": torch.tensor(TEMPERATURE)})
    beside.write_text(words, encoding="utf-8")


def write_generative(path: Path, tensors: Named, language: str) -> None:
    """Write the ViT, the Q-Former and the projection of a generative BLIP-2 (``language`` "opt" or "t5"), in LAVIS's
    caption_* form, which holds no language model."""
    _write(path, dict(generative_state(tensors, language)))


def other_heads(vision: tuple[int, int], qformer: tuple[int, int], *, clip: bool) -> str:
    """What is lost of a model whose attention is cut into other heads than LAVIS's, each part (width, heads); "" for
    LAVIS's own. A file does not say how many there are: LAVIS's classes have one for so many numbers."""
    parts = ("ViT", vision, tower_head_width(clip=clip)), ("Q-Former", qformer, QFORMER_HEAD_WIDTH)
    differing = [
        f"{heads} heads in its {part}, where LAVIS has one for every {each} of its {width} numbers"
        for part, (width, heads), each in parts
        if width != heads * each
    ]
    if not differing:
        return ""
    return (
        f"it has {' and '.join(differing)}: the weights are whole, but whoever reads the file by LAVIS's rule gets "
        "other answers; share the directory instead"
    )


def retrieval_state(tensors: Named, *, clip: bool) -> Iterator[tuple[str, torch.Tensor]]:
    """LAVIS's names with their tensors."""
    for name, value in tensors:
        yield from _renamed(name, value, clip)


def generative_state(tensors: Named, language: str) -> Iterator[tuple[str, torch.Tensor]]:
    """LAVIS's names with their tensors; those of the language model are left out."""
    for name, value in tensors:
        if name.startswith("language_projection."):
            yield name.replace("language_projection", f"{language}_proj"), value
        elif not name.startswith("language_model."):
            yield from _renamed(name, value, False)


def vocabulary_text(pieces: Mapping[str, int]) -> str:
    """A vocab.txt of these pieces, without a last [DEC], which LAVIS adds itself."""
    ordered = sorted(pieces, key=lambda piece: pieces[piece])
    if ordered and ordered[-1] == "[DEC]":
        ordered.pop()
    return "\n".join(ordered) + "\n"


def _renamed(name: str, value: torch.Tensor, clip: bool) -> Iterator[tuple[str, torch.Tensor]]:
    if name in _OURS:
        yield _OURS[name], value
    elif name.startswith("qformer.encoder.layer."):
        inner = re.sub(r"\.(attention|crossattention)\.attention\.", r".\1.self.", name)
        yield LAYER_PREFIX + inner.removeprefix("qformer.encoder.layer."), value
    elif name.startswith("vision_model."):
        tower = _clip_tower(name, value) if clip else _eva_tower(name, value)
        yield from ((TOWER_PREFIX + theirs, part) for theirs, part in tower)
    else:
        raise CheckpointInvalid(f"LAVIS has no place for {name!r}", "only BLIP-2 as LAVIS has it can be written")


def _eva_tower(name: str, value: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
    if name.startswith(_EMBEDDINGS):
        yield _EVA_TOP[name.removeprefix(_EMBEDDINGS)], value
        return
    number, _, part = name.removeprefix(_LAYERS).partition(".")
    theirs = f"blocks.{number}."
    if part == "self_attn.qkv.bias":
        # LAVIS has no bias for keys. One adds the same to a query's product with every key, which softmax takes out.
        query, _, values = value.chunk(3)
        yield theirs + "attn.q_bias", query
        yield theirs + "attn.v_bias", values
    elif part == "self_attn.qkv.weight":
        yield theirs + "attn.qkv.weight", value
    else:
        yield theirs + _other(part, EVA_NAMES), value


def _clip_tower(name: str, value: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
    if name.startswith(_EMBEDDINGS):
        part = name.removeprefix(_EMBEDDINGS)
        shorter = {"class_embedding": 2, "position_embedding": 1}.get(part, 0)  # axes of length 1 that CLIP's have not
        yield _CLIP_TOP[part], value.reshape(value.shape[shorter:])
        return
    if name.startswith("vision_model.pre_layernorm."):
        yield name.replace("vision_model.pre_layernorm", "ln_pre"), value
        return
    number, _, part = name.removeprefix(_LAYERS).partition(".")
    theirs = f"transformer.resblocks.{number}."
    if part.startswith("self_attn.qkv."):
        yield theirs + "attn.in_proj_" + part.removeprefix("self_attn.qkv."), value
    else:
        yield theirs + _other(part, CLIP_NAMES), value


def _other(part: str, names: Mapping[str, str]) -> str:
    """LAVIS's name of a part of a block: "mlp.fc1.bias"."""
    ours, _, kind = part.rpartition(".")
    theirs = next(old for old, new in names.items() if new == ours)
    return f"{theirs}.{kind}"


def _write(path: Path, state: dict[str, Any]) -> None:
    if path.suffix != ".pth":
        raise UsageError(f"got {path.name}, expected a name that ends in .pth", "for example model.pth")
    path.parent.mkdir(parents=True, exist_ok=True)
    # Copies: parts of a fused weight share its memory, and torch.save would write the whole of it.
    whole = {name: value.detach().cpu().clone() for name, value in state.items()}
    with drafted(path) as draft:
        torch.save({"model": whole}, draft)
