"""Pictures and captions for training a generator: what of each picture is computed once, and the batch of a step."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from imgsearch.errors import StorageFull
from imgsearch.files import drafted
from imgsearch.media.preprocess import PIXEL_MEAN, PIXEL_STD
from imgsearch.records import Int64, UInt8
from imgsearch.tuning.pictures.source import Pictures
from imgsearch.wording import counted

_AT_ONCE = 32


class ImageStates:
    """What the ViT sees of each picture, before its last norm: float16 [I, N, W], in a file, computed once.
    `projected` is what the language model reads."""

    def __init__(self, network: Any, pixels: NDArray[np.uint8], path: Path, log: Callable[[str], None]) -> None:
        self._network = network
        self._kept = _kept(network, pixels, path, log)

    def projected(self, rows: Int64) -> torch.Tensor:
        """[B, T, E] of the pictures ``rows``; with gradients of whatever requires them on the way."""
        network = self._network
        weight = network.language_projection.weight
        features = torch.from_numpy(self._kept[rows].astype(np.float32)).to(weight.device)
        norm = network.vision_model.post_layernorm
        features = norm(features.to(norm.weight.dtype))
        queries = network.query_tokens.expand(len(features), -1, -1)
        features = features.to(queries.dtype)
        states = network.qformer(query_embeds=queries, encoder_hidden_states=features).last_hidden_state
        projected: torch.Tensor = network.language_projection(states.to(weight.dtype))
        return projected


class CaptionBatches:
    """The batches of a run: which pictures with which of their captions, by the random state alone. ``rehearsal`` of
    each are pictures of ``general``, which has the captions to rehearse by place, so that what the generator knew stays
    known."""

    def __init__(
        self, pictures: Pictures, own: Int64, general: Mapping[int, tuple[str, ...]], rehearsal: float
    ) -> None:
        self._captions, self._own, self._general = pictures.captions, own.tolist(), list(general)
        self._known = general
        self._rehearsal = rehearsal if general else 0.0

    def batch(self, rng: random.Random, size: int) -> tuple[Int64, list[str]]:
        """Places of B pictures and a caption of each."""
        others = min(len(self._general), round(size * self._rehearsal))
        rows = rng.sample(self._own, min(len(self._own), size - others)) + rng.sample(self._general, others)
        return np.array(rows, np.int64), [rng.choice(self._known.get(row) or self._captions[row]) for row in rows]


def _kept(network: Any, pixels: UInt8, path: Path, log: Callable[[str], None]) -> NDArray[np.float16]:
    if path.exists():
        return _mapped(path)
    log(f"computing what the ViT sees of {counted(len(pixels), 'picture')}, once")
    vision = network.config.vision_config
    shape = len(pixels), 1 + (vision.image_size // vision.patch_size) ** 2, vision.hidden_size
    try:
        with drafted(path) as draft:
            table = np.lib.format.open_memmap(draft, "w+", np.float16, shape)
            for start in range(0, len(pixels), _AT_ONCE):
                part = np.asarray(pixels[start : start + _AT_ONCE])
                table[start : start + len(part)] = before_last_norm(network, part).float().cpu().numpy()
            table.flush()
    except OSError as exc:
        raise StorageFull(f"{path} cannot be written: {exc.strerror}", "free space, or name another --output") from exc
    return _mapped(path)


def _mapped(path: Path) -> NDArray[np.float16]:
    found: NDArray[np.float16] = np.load(path, mmap_mode="r")
    return found


@torch.no_grad()
def before_last_norm(network: Any, pixels: UInt8) -> torch.Tensor:
    """[B, N, W] of pixels uint8 [B, S, S, 3]."""
    embeddings = network.vision_model.embeddings
    kind, device = embeddings.class_embedding.dtype, embeddings.class_embedding.device
    mean = torch.tensor(PIXEL_MEAN, device=device).view(1, 3, 1, 1)
    deviation = torch.tensor(PIXEL_STD, device=device).view(1, 3, 1, 1)
    batch = torch.from_numpy(pixels.copy()).to(device).permute(0, 3, 1, 2).float()
    batch = torch.addcmul(-mean / deviation, batch, 1 / (255 * deviation)).to(kind)
    found: torch.Tensor = network.vision_model.encoder(inputs_embeds=embeddings(batch)).last_hidden_state
    return found
