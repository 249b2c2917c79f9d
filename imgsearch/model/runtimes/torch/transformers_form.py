"""BLIP-2 as transformers has it, for what it alone does: training, and generation. The one place of this room that
imports it, which takes seconds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from transformers import Blip2Config, Blip2ForImageTextRetrieval

from imgsearch.errors import CheckpointInvalid, ImgsearchError, UsageError
from imgsearch.model.checkpoints.config import Blip2Sizes
from imgsearch.model.checkpoints.lavis_vit import check_image_size, interpolate_positions
from imgsearch.model.runtimes.torch.network import Blip2Network

_POSITIONS = "vision_model.embeddings.position_embedding"


def retrieval_network(network: Blip2Network, sizes: Blip2Sizes, config: dict[str, Any]) -> Any:
    """A Blip2ForImageTextRetrieval in eval mode on the memory of ``network``: what trains one trains both. Raises
    UsageError for a ViT of CLIP's kind, which transformers does not have."""
    if sizes.vision.first_norm:
        raise UsageError(
            "this model's ViT is CLIP's ViT-L, which transformers' BLIP-2 does not have: it can be searched with, not "
            "trained",
            "train one with EVA's ViT-g, such as blip2",
        )
    known = empty_network(Blip2ForImageTextRetrieval, config, "the model", "get it again")
    known.load_state_dict(network.slots(), assign=True)
    known.requires_grad_(False)
    places = known.embeddings.position_embeddings.weight
    known.embeddings.position_ids = torch.arange(len(places), device=places.device).expand((1, -1))
    return known


def empty_network(
    architecture: Any, config: dict[str, Any], origin: str, mend: str, change: Callable[[Any], None] | None = None
) -> Any:
    """A network of ``architecture`` (one of transformers' BLIP-2 classes) without memory behind its weights, in eval
    mode, with scaled-dot-product attention. ``change`` may alter the parsed config first. Raises CheckpointInvalid,
    which names ``origin`` and ``mend``."""
    try:
        parsed = Blip2Config.from_dict(config)
        if change is not None:
            change(parsed)
        parsed._attn_implementation = "sdpa"
        with torch.device("meta"):
            network = architecture(parsed)
            _as_clip(network.vision_model, parsed.vision_config)
    except ImgsearchError:
        raise
    except Exception as exc:
        reason = str(exc).strip().splitlines()[0] if str(exc).strip() else type(exc).__name__
        raise CheckpointInvalid(f"the config of {origin} makes no sense: {reason}", mend) from exc
    # LAVIS's last norm has an epsilon of its own; our converted directories keep it in the config.
    epsilon = getattr(parsed.vision_config, "post_layer_norm_eps", None)
    if epsilon is not None:
        network.vision_model.post_layernorm.eps = float(epsilon)
    return network.eval().requires_grad_(False)


def _as_clip(vision: Any, config: Any) -> None:
    """Give transformers' ViT what CLIP's has more and less, where the config asks for it
    (`imgsearch.model.checkpoints.config.VisionSizes` knows the keys): a norm before the first block, patches without
    bias."""
    if getattr(config, "pre_layer_norm", False):
        vision.pre_layernorm = torch.nn.LayerNorm(config.hidden_size, config.layer_norm_eps)
        vision.embeddings.register_forward_hook(lambda _module, _inputs, embedded: vision.pre_layernorm(embedded))
    if not getattr(config, "patch_bias", True):
        vision.embeddings.patch_embedding.bias = None


def resize_positions(network: Any, image_size: int) -> None:
    """Use a loaded network at another image size: its position table interpolated as LAVIS does."""
    vision = network.config.vision_config
    if vision.image_size == image_size:
        return
    check_image_size(image_size, vision.patch_size)
    table = network.get_parameter(_POSITIONS)
    aligned = bool(getattr(vision, "align_corners", False))
    resized = interpolate_positions(table, image_size // vision.patch_size, aligned).to(table.dtype)
    embeddings = network.vision_model.embeddings
    embeddings.position_embedding = torch.nn.Parameter(resized, requires_grad=False)
    embeddings.image_size = vision.image_size = image_size
    embeddings.num_patches = (image_size // vision.patch_size) ** 2
    embeddings.num_positions = embeddings.num_patches + 1
