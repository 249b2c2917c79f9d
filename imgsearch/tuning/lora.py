"""LoRA on the Q-Former (Hu et al. 2021), by peft: small matrices beside the attention's, merged into it in the end.

Queries, keys and values of our network share one projection, and so one pair of small matrices.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imgsearch.extras import needs_extra
from imgsearch.model.checkpoints.config import Blip2Sizes

if TYPE_CHECKING:
    from imgsearch.model.runtimes.torch.network import Blip2Network

RANK = 8
TARGETS = r"qformer\.layers\.\d+\..+\.(qkv|dense|query|key_value)"
"""Self-attention and attention to images, both with their output, and the output of the feed-forwards: 2.7 % of the
small model with the query tokens. In 240 steps it reached 95 % of what the whole Q-Former gained in R@10 (20 to 94 %
against 20 to 98 %), and lost less of what was known."""

TOO = ("query_tokens",)
"""What else is trained with LoRA: few numbers, and without them the queries cannot look for anything new."""


class LoraMerge:
    """Adds the small matrices to the weights beside which they learned."""

    def __init__(self, wrapped: Any) -> None:
        self._wrapped = wrapped

    def merge(self) -> None:
        """The network then has its own layers again, with the changed weights."""
        self._wrapped.merge_and_unload()


def add_lora(network: Blip2Network, rank: int = RANK) -> LoraMerge:
    """Put LoRA beside the layers of `TARGETS` in place; their own weights stay frozen. At first nothing changes: one of
    each two matrices is zero. The other is drawn from torch's global generator. Raises ExtraMissing without peft."""
    with needs_extra("tuning with LoRA", "tune"):
        from peft import LoraConfig, LoraModel
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=TARGETS)
    merge = LoraMerge(LoraModel(network, config, "default"))
    for name in TOO:
        network.get_parameter(name).requires_grad_(True)
    return merge


def count_lora(sizes: Blip2Sizes, rank: int = RANK) -> int:
    """How many numbers `add_lora` trains in a model of these sizes; loads nothing."""
    width, mlp = sizes.qformer.width, sizes.qformer.mlp
    each = rank * ((width + 3 * width) + 2 * width + 2 * (mlp + width))  # qkv and dense, two feed-forwards
    crossing = rank * (2 * width + (sizes.vision.width + 2 * width) + 2 * width)  # query, key_value, dense
    layers = sizes.qformer.layers
    return layers * each + len(range(0, layers, sizes.qformer.cross_every)) * crossing + sizes.tokens * width
