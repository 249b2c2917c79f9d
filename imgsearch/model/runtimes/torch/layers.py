"""What the ViT and the Q-Former are both made of.

Letters in shapes: B a batch, L its positions, A attention heads, d the width of a head.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import nn

Slots = Iterator[tuple[str, torch.Tensor]]
"""Tensors under the names that a checkpoint has for them (transformers' Blip2ForImageTextRetrieval). Parts of a fused
weight are views of it, so that writing to a slot fills the network."""


_widened = threading.local()


class Linear(nn.Linear):
    """torch's linear map, whose weight may be kept in fewer bits than it is computed in: it is widened, exactly, when
    it is used, into memory that all maps of a thread share (35 MB for the ViT-g). A block of the ViT-g then takes 695
    ms instead of 666 for the four images of a batch of an index run, 202 instead of 184 for one (one core, AVX2)."""

    has_numbers = False  # set by whoever fills it

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[..., in] -> [..., out]."""
        weight = self.weight
        narrow = weight.dtype.itemsize < x.dtype.itemsize
        return F.linear(x, _wide(weight, x.dtype) if narrow else weight, self.bias)

    def keep_as(self, dtype: torch.dtype) -> None:
        """Change what the weight is kept in. Numbers go along from fewer to more bits; the other way memory is only
        reserved."""
        kept = self.weight.detach()
        if kept.dtype == dtype:
            return
        wider = dtype.itemsize > kept.dtype.itemsize
        fresh = kept.to(dtype) if wider else torch.empty_like(kept, dtype=dtype)
        self.weight = nn.Parameter(fresh, requires_grad=False)


def _wide(weight: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """A copy in ``dtype``, good until the thread asks for the next."""
    memory: torch.Tensor | None = getattr(_widened, "memory", None)
    if memory is None or memory.dtype != dtype or memory.numel() < weight.numel():
        with torch.inference_mode(False):  # else it could not be written to outside of that mode
            memory = _widened.memory = torch.empty(weight.numel(), dtype=dtype)
    return memory[: weight.numel()].view(weight.shape).copy_(weight)


def quick_gelu(x: torch.Tensor) -> torch.Tensor:
    """CLIP's own activation, x * sigmoid(1.702 x). Any shape -> the same shape.

    Computed in float32: rounded to bfloat16 after each of its steps, matching logits were off by .067 instead of .052
    (at most, of 144 pairs, from LAVIS's answers)."""
    wide = x.float()
    return (wide * torch.sigmoid(1.702 * wide)).to(x.dtype)


ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "gelu": F.gelu,
    "gelu_new": lambda x: F.gelu(x, approximate="tanh"),
    "gelu_pytorch_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "quick_gelu": quick_gelu,
    "relu": F.relu,
    "silu": F.silu,
}
"""By transformers' names. BLIP-2's Q-Former and EVA's ViT have "gelu", CLIP's ViT "quick_gelu"."""


def by_heads(x: torch.Tensor, parts: int, heads: int) -> tuple[torch.Tensor, ...]:
    """What a fused projection of ``parts`` gave, [B, L, parts * A * d] -> as many views [B, A, L, d]."""
    return x.view(*x.shape[:2], parts, heads, -1).permute(2, 0, 3, 1, 4).unbind()


def attend(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None = None
) -> torch.Tensor:
    """Scaled dot-product attention: query [B, A, L, d], key and value [B, A, M, d] -> [B, L, A * d]. ``mask`` is bool
    [B, 1, 1, M], True where a key may be seen."""
    seen = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    return seen.transpose(1, 2).flatten(2)


def slots_of(name: str, module: nn.Linear | nn.LayerNorm | nn.Conv2d) -> Slots:
    """The weight, and the bias where there is one, of a module that a checkpoint has under ``name``."""
    yield f"{name}.weight", module.weight
    if module.bias is not None:
        yield f"{name}.bias", module.bias


def split_slots(names: list[str], fused: nn.Linear) -> Slots:
    """The parts of a fused projection [parts * out, in] under the names that a checkpoint has for them."""
    for part in ("weight", "bias"):
        for name, rows in zip(names, getattr(fused, part).chunk(len(names)), strict=True):
            yield f"{name}.{part}", rows
