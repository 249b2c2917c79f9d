"""What of a generator is trained: LoRA on the language model's attention, the Q-Former with its bridge, or both.

The popular filter for names with "qformer" leaves query tokens, projection and the ViT's last norm frozen; LAVIS trains
all of them, and so do we. The ViT stays frozen and in eval mode.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from imgsearch.extras import needs_extra
from imgsearch.tuning.parts import Part

LANGUAGE_WAYS = ("lora", "qformer", "both")
RANK = 8
TARGETS = {"opt": ("q_proj", "k_proj", "v_proj", "out_proj"), "t5": ("q", "k", "v", "o")}
"""Queries, keys, values and outputs of every attention; T5's own, crossed, and in the decoder."""

BRIDGE = ("query_tokens", "qformer.", "language_projection.", "vision_model.post_layernorm.")

_NAMED = (
    ("ViT", "vision_model."),
    ("query tokens", "query_tokens"),
    ("Q-Former", "qformer."),
    ("projection", "language_projection."),
    ("language model", "language_model."),
)
_LAST_NORM = "vision_model.post_layernorm."


@dataclass(frozen=True, slots=True)
class Trained:
    """``parameters`` by name, float32; ``merge`` makes an ordinary network of it again, in its own dtype."""

    parameters: dict[str, nn.Parameter]
    merge: Callable[[], None]


def choose_language_parts(network: Any, way: str, new_words: int = 0, rank: int = RANK) -> Trained:
    """Let only that of a Blip2ForConditionalGeneration require gradients which ``way`` trains, in place. ``new_words``:
    so many rows at the end of the words' vectors learn, too. LoRA changes nothing at first; its matrices are drawn from
    torch's global generator. Raises ExtraMissing without peft."""
    network.requires_grad_(False)
    network.eval()
    kinds = {name: parameter.dtype for name, parameter in network.named_parameters()}
    merge_lora = _add_lora(network, rank) if way in ("lora", "both") else lambda: None
    if way in ("qformer", "both"):
        for name, parameter in network.named_parameters():
            if name.startswith(BRIDGE):
                parameter.requires_grad_(True)
    if new_words:
        _learn_words(network, new_words)
    for parameter in network.parameters():
        if parameter.requires_grad:  # small steps are lost in bfloat16
            parameter.data = parameter.data.float()

    def merge() -> None:
        merge_lora()
        network.requires_grad_(False)
        for name, parameter in network.named_parameters():
            parameter.data = parameter.data.to(kinds.get(name, parameter.dtype))

    found = {name: one for name, one in network.named_parameters() if one.requires_grad}
    return Trained(found, merge)


def language_parts(network: nn.Module) -> list[Part]:
    """The parts of a network with what is trained of each, in the order in which a picture passes them."""
    sums = {name: [0, 0, 0] for name in (*(name for name, _ in _NAMED), "ViT's last norm")}
    for name, parameter in network.named_parameters():
        part = "ViT's last norm" if name.startswith(_LAST_NORM) else _part_of(name)
        counts = sums[part]
        counts[2 if ".lora_" in name else 0] += parameter.numel()
        if parameter.requires_grad:
            counts[1] += parameter.numel()
    order = ["ViT", "ViT's last norm", *(name for name, _ in _NAMED[1:])]
    return [Part(name, *sums[name]) for name in order]


def keep_in_eval(network: Any, recompute: bool) -> None:
    """Eval mode everywhere, so that nothing is dropped. transformers recomputes (``recompute``: less memory, a third
    more time) only in training mode: then the language model has it, with every dropout set to 0."""
    network.eval()
    if not recompute:
        return
    language = network.language_model
    for module in language.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        for name in ("dropout", "dropout_rate", "layerdrop", "attention_dropout"):
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, 0.0)
    if hasattr(language, "activation_checkpointing_enable"):  # its name from transformers 5.2x on
        language.activation_checkpointing_enable({"use_reentrant": False})
    else:
        language.gradient_checkpointing_enable({"use_reentrant": False})
    language.train()


def _part_of(name: str) -> str:
    return next(part for part, prefix in _NAMED if name.startswith(prefix))


def _add_lora(network: Any, rank: int) -> Callable[[], None]:
    with needs_extra("tuning with LoRA", "tune"):
        from peft import LoraConfig, LoraModel
    targets = list(TARGETS[network.config.text_config.model_type])
    config = LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules=targets)
    wrapped = LoraModel(network.language_model, config, "default")

    def merge() -> None:
        wrapped.merge_and_unload()

    return merge


def _learn_words(network: Any, new_words: int) -> None:
    """Only the last rows of the words' vectors move: the gradient of the others is taken out."""
    weight = network.language_model.get_input_embeddings().weight
    weight.requires_grad_(True)

    def only_new(gradient: torch.Tensor) -> torch.Tensor:
        kept = torch.zeros_like(gradient)
        kept[-new_words:] = gradient[-new_words:]
        return kept

    weight.register_hook(only_new)
