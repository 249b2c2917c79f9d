"""Gives an empty network its weights: they are cast, tied and moved one by one, after a check that they fit into
memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch

from imgsearch.errors import CheckpointInvalid
from imgsearch.generation.quantising import KINDS, bytes_of, install, quantised, quantised_names
from imgsearch.generation.sources import GeneratorSource
from imgsearch.model.checkpoints.soundness import mend_of
from imgsearch.model.memory import available_bytes, check_memory

Tensors = Iterable[tuple[str, torch.Tensor]]

# Names that share one tensor in transformers; a file needs only one name of each row.
_OPT_TIED = ("language_model.model.decoder.embed_tokens.weight", "language_model.lm_head.weight")
_T5_TIED = tuple(f"language_model.{name}.weight" for name in ("shared", "encoder.embed_tokens", "decoder.embed_tokens"))


@dataclass(frozen=True, slots=True)
class WeightTarget:
    """Where weights go and what they become. ``quantize`` is None, "int8" or "int4"."""

    place: torch.device
    kind: torch.dtype
    quantize: str | None = None


def fill(network: Any, tensors: Tensors, target: WeightTarget, source: GeneratorSource) -> None:
    """Give every parameter its values. Raises CheckpointInvalid (missing, or of another shape) and, before a weight is
    read, NotEnoughMemory."""
    wanted = dict(network.state_dict())
    tied = _tied_rows(network.config.text_config)
    copies = {name for row in tied for name in row[1:]}
    few = quantised_names(network, target.quantize) if target.quantize else set()
    _check_room({name: value for name, value in wanted.items() if name not in copies}, network, target)
    state: dict[str, torch.Tensor] = {}
    packed: dict[str, Any] = {}
    for name, value in tensors:
        if name not in wanted:
            continue
        if value.shape != wanted[name].shape:
            raise CheckpointInvalid(
                f"in {source.path} {name} is {list(value.shape)}, expected {list(wanted[name].shape)}", mend_of(source)
            )
        if not value.is_floating_point():
            raise CheckpointInvalid(
                f"in {source.path} {name} holds {value.dtype} instead of floating-point numbers".replace("torch.", ""),
                "get the weights that were not packed into few bits; --quantize packs them on loading",
            )
        if name in copies and any(first in state for first in _first_names(name, tied)):
            continue
        if target.quantize and name in few:
            packed[name] = quantised(value, target.quantize, target.place)
        else:
            # A copy instead of the mapped file, because overwriting the file would change the weights.
            state[name] = value.to(target.place, _dtype_of(name, target.kind), copy=True).contiguous()
    _tie(state, tied, network.config.text_config)
    missing = sorted(set(wanted) - set(state) - set(packed))
    if missing:
        raise CheckpointInvalid(
            f"{source.path} lacks {len(missing)} of {len(wanted)} weights ({missing[0]})", mend_of(source)
        )
    # assign instead of copy: transformers ties T5's head and embedding, so copying would write both into one tensor.
    network.load_state_dict(state, assign=True, strict=not packed)
    for row in tied:
        first = network.get_parameter(row[0])
        for name in row[1:]:
            owner, _, attribute = name.rpartition(".")
            setattr(network.get_submodule(owner), attribute, first)
    if target.quantize:
        install(network, packed, target.quantize, target.kind)


def _check_room(wanted: dict[str, torch.Tensor], network: Any, target: WeightTarget) -> None:
    place = target.place
    free = torch.cuda.mem_get_info(place)[0] if place.type == "cuda" else available_bytes()
    few = {one: quantised_names(network, one) for one in KINDS}

    def needed(kind: torch.dtype, quantize: str | None) -> int:
        return sum(
            bytes_of(value.numel(), quantize)
            if quantize and name in few[quantize]
            else value.numel() * _dtype_of(name, kind).itemsize
            for name, value in wanted.items()
        )

    other = [("dtype='bfloat16'", needed(torch.bfloat16, None))]
    other += [(f"quantize='{one}' with dtype='bfloat16'", needed(torch.bfloat16, one)) for one in KINDS]
    need = needed(target.kind, target.quantize)
    smaller = [f"{way} needs {size / 1e9:.1f} GB" for way, size in other if size < need and size < (free or 0)]
    hint = "; ".join(smaller) or "close other programs, or take a smaller generator (docs/generation.md has a table)"
    check_memory(need, free, "RAM" if place.type != "cuda" else f"memory on {place}", hint)


def _tied_rows(text: Any) -> list[tuple[str, ...]]:
    if text.model_type == "t5":
        return [_T5_TIED]
    return [_OPT_TIED] if text.tie_word_embeddings else []


def _first_names(name: str, tied: Iterable[tuple[str, ...]]) -> list[str]:
    return [row[0] for row in tied if name in row[1:]]


def _tie(state: dict[str, torch.Tensor], tied: Iterable[tuple[str, ...]], text: Any) -> None:
    """Give every name of a tied row the row's one tensor, that of the first name if the file has it."""
    for row in tied:
        found = next((state[name] for name in row if name in state), None)
        if found is not None:
            state.update(dict.fromkeys(row, found))
    head, embedding = "language_model.lm_head.weight", _T5_TIED[0]
    # In T5 1.0 the head is the embedding, and outputs are scaled for that. Flan-T5 has a head of its own.
    if text.model_type == "t5" and text.scale_decoder_outputs and head not in state and embedding in state:
        state[head] = state[embedding]


def _dtype_of(name: str, kind: torch.dtype) -> torch.dtype:
    """The weight's dtype with transformers' exceptions: float16 leaves the Q-Former, its queries and T5's ``wo`` in
    float32."""
    if kind == torch.float16 and (name == "query_tokens" or name.startswith("qformer.") or ".wo." in name):
        return torch.float32
    return kind
