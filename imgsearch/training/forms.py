"""What the training loop asks of a network, and the two kinds of network that answer: transformers' BLIP-2, of which
the small model is made anew, and our own, in which every checkpoint is tuned.

Letters in shapes: B images, S pixels a side, N = 1 + patches, W the ViT's width, T query tokens, L word pieces,
D numbers of a vector, K pairs.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Protocol

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from imgsearch.media.preprocess import PIXEL_MEAN, PIXEL_STD
from imgsearch.model.runtimes.torch.blip2 import Blip2Model
from imgsearch.model.runtimes.torch.network import Blip2Network
from imgsearch.model.runtimes.torch.qformer import CrossAttention, FeedForward, SelfAttention
from imgsearch.model.runtimes.torch.vit import Block
from imgsearch.training.losses import image_tokens, match_pair_logits, text_vectors

if TYPE_CHECKING:
    from transformers import Blip2ForImageTextRetrieval


class RetrievalForm(Protocol):
    """A network that can be trained for retrieval. Its parameters are trained where they require gradients."""

    @property
    def device(self) -> torch.device:
        """Where it computes."""

    @property
    def module(self) -> nn.Module:
        """The network itself."""

    @property
    def features_shape(self) -> tuple[int, int]:
        """[N, W] of one image's features."""

    def vision(self) -> nn.Module:
        """The part of the network that is frozen where features are kept."""

    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        """Pixels uint8 [B, S, S, 3] -> ViT features [B, N, W]."""

    def image_tokens(self, features: torch.Tensor) -> torch.Tensor:
        """Features [B, N, W] -> query-token vectors [B, T, D], each of L2 norm 1."""

    def text_vectors(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Ids and mask int64 [B, L] -> vectors [B, D] of L2 norm 1."""

    def match_logits(self, features: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Features [K, N, W], ids and mask int64 [K, L] -> ITM logits [K, 2], the mean over the query tokens."""


class TransformersForm:
    """transformers' Blip2ForImageTextRetrieval, all of which is trained unless the loop freezes its ViT."""

    def __init__(self, model: Blip2ForImageTextRetrieval) -> None:
        self.module = model.requires_grad_(True)

    @property
    def device(self) -> torch.device:
        found: torch.device = self.module.query_tokens.device
        return found

    @property
    def features_shape(self) -> tuple[int, int]:
        vision = self.module.config.vision_config
        return (vision.image_size // vision.patch_size) ** 2 + 1, vision.hidden_size

    def vision(self) -> nn.Module:
        found: nn.Module = self.module.vision_model
        return found

    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.module.vision_model(normalise(pixels)).last_hidden_state
        return features

    def image_tokens(self, features: torch.Tensor) -> torch.Tensor:
        return image_tokens(self.module, features)

    def text_vectors(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return text_vectors(self.module, ids, mask)

    def match_logits(self, features: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return match_pair_logits(self.module, features, ids, mask)


class OwnForm:
    """Our own network, on the memory of a loaded model: what trains one changes the answers of the other. It knows
    every checkpoint that imgsearch loads, CLIP's ViT-L among them, needs no import of transformers' BLIP-2, and has no
    dropout. ``recompute``: what is between the layers is computed again on the way back instead of kept (gradient
    checkpointing)."""

    def __init__(self, model: Blip2Model, *, recompute: bool = False) -> None:
        self._network: Blip2Network = model.parts
        vision = model.sizes.vision
        self.features_shape = (vision.positions, vision.width)
        if recompute:
            _recompute(self._network)

    def frozen_copy(self, *, with_vision: bool) -> OwnForm:
        """The same network with weights of its own that nothing trains. Its ViT is a copy only ``with_vision``, else
        this one's. Memory: the weights that are copied."""
        shared = {} if with_vision else {id(self._network.vision): self._network.vision}
        found = copy.copy(self)
        found._network = copy.deepcopy(self._network, shared).eval().requires_grad_(False)
        return found

    @property
    def device(self) -> torch.device:
        return self._network.query_tokens.device

    @property
    def module(self) -> nn.Module:
        return self._network

    def vision(self) -> nn.Module:
        return self._network.vision

    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self._network.vision(normalise(pixels))
        return features

    def image_tokens(self, features: torch.Tensor) -> torch.Tensor:
        states = self._network.qformer.read_images(self._network.query_tokens, features)
        return F.normalize(self._network.vision_projection(states).float(), dim=-1)

    def text_vectors(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        words = self._network.embed_words(ids)
        states = self._network.qformer.read_texts(words, mask.bool()[:, None, None], rows=1)[:, 0]
        return F.normalize(self._network.text_projection(states).float(), dim=-1)

    def match_logits(self, features: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        queries = self._network.query_tokens
        seen = F.pad(mask.bool(), (queries.shape[1], 0), value=True)[:, None, None]  # [K, 1, 1, T + L]
        states = self._network.qformer.read_images(queries, features, self._network.embed_words(ids), seen)
        logits: torch.Tensor = self._network.itm_head(states).float().mean(dim=1)
        return logits


def normalise(pixels: torch.Tensor) -> torch.Tensor:
    """uint8 [B, S, S, 3] -> float32 [B, 3, S, S], with CLIP's mean and deviation."""
    mean = torch.tensor(PIXEL_MEAN, device=pixels.device) * 255
    deviation = torch.tensor(PIXEL_STD, device=pixels.device) * 255
    return ((pixels.float() - mean) / deviation).permute(0, 3, 1, 2).contiguous()


def named_parameters(form: RetrievalForm) -> Iterator[tuple[str, nn.Parameter]]:
    """The parameters that are trained, by name."""
    return ((name, one) for name, one in form.module.named_parameters() if one.requires_grad)


def _recompute(network: nn.Module) -> None:
    for part in network.modules():
        if isinstance(part, Block | SelfAttention | CrossAttention | FeedForward):
            part.forward = partial(checkpoint, part.forward, use_reentrant=False)  # type: ignore[method-assign]
