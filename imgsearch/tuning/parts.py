"""What of a model is trained and what stays as it is, as a table of its parts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import nn

from imgsearch.model.runtimes.torch.network import Blip2Network
from imgsearch.tuning.lora import LoraMerge, add_lora

WAYS = ("qformer", "lora", "all")

_PARTS: tuple[tuple[str, str], ...] = (
    ("ViT", r"vision\."),
    ("query tokens", r"query_tokens$"),
    ("words and positions", r"(words|positions|word_rows\.lora_rows)$"),
    ("Q-Former: attention", r"qformer\.layers\.\d+\.attention\."),
    ("Q-Former: attention to images", r"qformer\.layers\.\d+\.cross\."),
    ("Q-Former: feed-forward for texts", r"qformer\.layers\.\d+\.text_forward\."),
    ("Q-Former: feed-forward for queries", r"qformer\.layers\.\d+\.query_forward\."),
    ("Q-Former: first norm", r"qformer\.first_norm\."),
    ("projection of images", r"vision_projection\."),
    ("projection of texts", r"text_projection\."),
    ("matching head", r"itm_head\."),
)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a model: how many numbers it has, how many of them are trained, and how many were added to train it
    (LoRA's, which are merged in the end)."""

    name: str
    numbers: int
    trained: int
    added: int = 0


def choose_trained(network: Blip2Network, way: str, pieces: Sequence[int] = ()) -> LoraMerge | None:
    """Let only that of a network require gradients which ``way`` trains. Query tokens and projections learn with the
    Q-Former: a filter for names with "qformer" would leave them out. For "lora" the vectors of the word ``pieces``
    learn with it, and what merges the added weights in the end is returned. Raises ExtraMissing without peft."""
    network.requires_grad_(False)
    if way == "lora":
        return add_lora(network, pieces)
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(way == "all" or not name.startswith("vision."))
    return None


def parts_of(network: nn.Module) -> list[Part]:
    """The parts of a network, in the order in which a picture passes them."""
    sums = {name: [0, 0, 0] for name, _ in _PARTS}
    for part, parameter, added in _told(network):
        counts = sums[part]
        counts[2 if added else 0] += parameter.numel()
        if parameter.requires_grad:
            counts[1] += parameter.numel()
    return [Part(name, *counts) for name, counts in sums.items()]


def table(parts: list[Part]) -> str:
    """The parts in columns, with a line for the whole."""
    whole = Part("all", *(sum(getattr(part, field) for part in parts) for field in ("numbers", "trained", "added")))
    wide = max(len(part.name) for part in parts)
    lines = [f"{'part':<{wide}}  {'weights':>13}  {'trained':>13}"]
    for part in (*parts, whole):
        share = f"  {100 * part.trained / part.numbers:.1f} %" if part is whole else ""
        what = f"{part.trained:>13,}" if part.trained else f"{'frozen':>13}"
        lines.append(f"{part.name:<{wide}}  {part.numbers:>13,}  {what}{share}")
    return "\n".join(lines)


def share_trained(parts: list[Part]) -> float:
    """Trained numbers as a share of the model's own, 0..1 (of LoRA the added ones count as trained)."""
    return sum(part.trained for part in parts) / sum(part.numbers for part in parts)


def _told(network: nn.Module) -> Iterator[tuple[str, nn.Parameter, bool]]:
    for name, parameter in network.named_parameters():
        own = name.replace(".base_layer", "")
        part = next(part for part, pattern in _PARTS if re.match(pattern, own))
        yield part, parameter, ".lora_" in name
