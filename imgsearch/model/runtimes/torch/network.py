"""The whole of BLIP-2's image-text retrieval: the ViT, the Q-Former, what is around them, and their names on disk."""

from __future__ import annotations

import threading
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from imgsearch.model.checkpoints.config import Blip2Sizes
from imgsearch.model.runtimes.torch.layers import Linear, slots_of
from imgsearch.model.runtimes.torch.qformer import QFormer
from imgsearch.model.runtimes.torch.vit import VisionTransformer

_reading = threading.RLock()


class Blip2Network(nn.Module):
    """The parts; `imgsearch.model.runtimes.torch.blip2` asks them for what the contract promises.

    Letters in shapes: T query tokens, H the Q-Former's width, D numbers of a vector, L word pieces."""

    def __init__(self, sizes: Blip2Sizes) -> None:
        super().__init__()
        qformer = sizes.qformer
        self.vision = VisionTransformer(sizes.vision)
        self.qformer = QFormer(sizes)
        self.query_tokens = nn.Parameter(torch.empty(1, sizes.tokens, qformer.width))
        self.words = nn.Parameter(torch.empty(qformer.vocabulary, qformer.width))
        self.positions = nn.Parameter(torch.empty(qformer.positions, qformer.width))
        self.vision_projection = nn.Linear(qformer.width, sizes.dims)
        self.text_projection = nn.Linear(qformer.width, sizes.dims)
        self.itm_head = nn.Linear(qformer.width, 2)
        self._waiting: dict[str, Callable[[str], None]] = {}

    def wait_for(self, part: str, read: Callable[[str], None]) -> None:
        """Call ``read`` with the name of a part (`imgsearch.model.runtimes.faithful.part_of`) when it is needed."""
        self._waiting[part] = read

    def need(self, *parts: str) -> None:
        """Make sure that parts have their numbers. Raises what reading them raises."""
        if not self._waiting:
            return
        with _reading, torch.inference_mode(False):
            for part in parts:
                read = self._waiting.get(part)
                if read is not None:
                    read(part)
                    del self._waiting[part]

    def complete(self) -> Blip2Network:
        """All parts with their numbers, in the network's own dtype: what is to be trained or written."""
        self.need(*self._waiting)
        for one in self.modules():
            if isinstance(one, Linear):
                one.keep_as(self.query_tokens.dtype)
        return self

    def see(self, pixels: torch.Tensor) -> torch.Tensor:
        """Pixels [B, 3, S, S] -> features [B, N, W]."""
        self.need("vision")
        features: torch.Tensor = self.vision(pixels)
        return features

    def queries(self) -> torch.Tensor:
        """The query tokens [1, T, H]. Nothing reads an image without these."""
        self.need("images")
        return self.query_tokens

    def embed_words(self, ids: torch.Tensor) -> torch.Tensor:
        """Ids int64 [B, L] -> what the Q-Former takes of them [B, L, H]. Nothing reads a text without this."""
        self.need("texts")
        return F.embedding(ids, self.words) + self.positions[: ids.shape[1]]

    def slots(self) -> dict[str, torch.Tensor]:
        """Every tensor by the name that a checkpoint has for it (`imgsearch.model.checkpoints.config.expected_shapes`);
        writing to one fills the network."""
        found = {
            "query_tokens": self.query_tokens,
            "embeddings.word_embeddings.weight": self.words,
            "embeddings.position_embeddings.weight": self.positions,
            **dict(self.vision.slots()),
            **dict(self.qformer.slots()),
        }
        for name in ("vision_projection", "text_projection", "itm_head"):
            found |= slots_of(name, getattr(self, name))
        return {name: tensor.detach() for name, tensor in found.items()}

    def owners(self) -> dict[str, tuple[Linear, int]]:
        """The slots that are, or are a part of, the weight of a `Linear`: that map, and the place of the slot's first
        number in its weight."""
        maps = {one.weight.untyped_storage().data_ptr(): one for one in self.modules() if isinstance(one, Linear)}
        found = {}
        for name, slot in self.slots().items():
            owner = maps.get(slot.untyped_storage().data_ptr())
            if owner is not None:
                found[name] = (owner, int(slot.storage_offset()))
        return found


def empty_network(sizes: Blip2Sizes, device: torch.device, dtype: torch.dtype) -> Blip2Network:
    """A network for inference whose weights are not set yet: memory is reserved, and taken as it is filled."""
    with torch.device("meta"):
        network = Blip2Network(sizes)
    return network.to(dtype).to_empty(device=device).eval().requires_grad_(False)
