"""The `Embedder` and `Matcher` contract on our own ViT and Q-Former. Imports no transformers, which takes seconds.

Letters in shapes: B images, N = 1 + patches, W the ViT's width, T query tokens, H the Q-Former's width, D dimensions,
L word pieces, S pixels a side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from imgsearch.errors import NotEnoughMemory
from imgsearch.media.preprocess import PIXEL_MEAN, PIXEL_STD, resize_to_model
from imgsearch.model.checkpoints.config import Blip2Sizes
from imgsearch.model.contract import DEFAULT_MAX_TOKENS
from imgsearch.model.runtimes.costs import bytes_of_pair, profile_of
from imgsearch.model.runtimes.torch.held import HeldFeatures
from imgsearch.model.runtimes.torch.network import Blip2Network
from imgsearch.model.tokenizer import TextTokenizer
from imgsearch.model.words import VocabularyWord
from imgsearch.records import ModelId, UInt8

_TEXT_BATCH = 128

P = ParamSpec("P")
R = TypeVar("R")


def _on_device(method: Callable[Concatenate[Blip2Model, P], R]) -> Callable[Concatenate[Blip2Model, P], R]:
    """Inference mode around a public method, and memory running out told as our own error."""

    @wraps(method)
    def wrapped(self: Blip2Model, /, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            with torch.inference_mode():
                return method(self, *args, **kwargs)
        except (torch.OutOfMemoryError, MemoryError) as exc:
            raise self._out_of_memory() from exc
        except RuntimeError as exc:
            # The CPU allocator has no error class of its own.
            if "not enough memory" in str(exc) or "can't allocate memory" in str(exc):
                raise self._out_of_memory() from exc
            raise

    return wrapped


class Blip2Model(HeldFeatures):
    """A loaded BLIP-2; made by `imgsearch.model.load_model`.

    Results meant for the rest of the code (`embed_*`, `match_*`) are float32 on the CPU; pixels and features stay on
    ``device``."""

    def __init__(
        self,
        network: Blip2Network,
        sizes: Blip2Sizes,
        config: dict[str, Any],
        tokenizer: TextTokenizer,
        model_id: ModelId,
    ) -> None:
        """``config``: the checkpoint's Blip2Config at this image size, for export. ``parts``: our own modules."""
        self.parts = network
        self.sizes = sizes
        self._tokenizer = tokenizer
        self._device: torch.device = network.query_tokens.device
        self._dtype: torch.dtype = network.query_tokens.dtype
        self._features_shape = (sizes.vision.positions, sizes.vision.width)
        self._pair_bytes = bytes_of_pair(sizes)
        self.config = config
        self.model_id = model_id
        self.device = str(self._device)
        self.dtype = model_id.dtype
        self.image_size = sizes.vision.image
        self.query_tokens = sizes.tokens
        self.dims = sizes.dims
        self.profile = profile_of(sizes, "torch", self.device, self.dtype)
        deviation = torch.tensor(PIXEL_STD, device=self._device).view(1, 3, 1, 1)
        self._pixel_scale = 1 / (255 * deviation)
        self._pixel_shift = -torch.tensor(PIXEL_MEAN, device=self._device).view(1, 3, 1, 1) / deviation

    @cached_property
    def network(self) -> Any:
        """transformers' Blip2ForImageTextRetrieval on the same memory, for training: what trains it trains this model.
        Made when first asked for, which imports transformers (seconds). Raises UsageError for a ViT of CLIP's kind."""
        from imgsearch.model.runtimes.torch.transformers_form import retrieval_network

        return retrieval_network(self.parts.complete(), self.sizes, self.config)

    def slots(self) -> dict[str, torch.Tensor]:
        """Every tensor by its name in a checkpoint, on the model's own memory."""
        return self.parts.complete().slots()

    @property
    def tokenizer(self) -> TextTokenizer:
        """Cleans and cuts texts into word pieces."""
        return self._tokenizer

    def preprocess(self, images: Sequence[Image.Image]) -> torch.Tensor:
        """Upright PIL images -> float32 [B, 3, S, S] on the model's device: squashed to S x S, CLIP's mean and
        deviation."""
        if isinstance(images, Image.Image):
            raise TypeError("preprocess takes a list of images; received one image")
        size = self.image_size
        arrays = [resize_to_model(image, size) for image in images]
        return self.preprocess_arrays(np.stack(arrays) if arrays else np.empty((0, size, size, 3), np.uint8))

    @_on_device
    def preprocess_arrays(self, arrays: UInt8) -> torch.Tensor:
        """uint8 [B, S, S, 3] from `resize_to_model` -> float32 [B, 3, S, S] on the model's device."""
        side = self.image_size
        if arrays.dtype != np.uint8 or arrays.ndim != 4 or arrays.shape[1:] != (side, side, 3):
            raise ValueError(f"received {arrays.dtype} {list(arrays.shape)}, expected uint8 [B, {side}, {side}, 3]")
        upright = self._sent(arrays).permute(0, 3, 1, 2)  # [B, 3, S, S]
        return torch.addcmul(self._pixel_shift, upright.float(), self._pixel_scale).contiguous()

    @_on_device
    def encode_images(self, pixels: Any) -> torch.Tensor:
        """Pixels [B, 3, S, S] -> features [B, N, W], the ViT's output after its last norm, in the model's dtype on its
        device. All B images in one go."""
        side = self.image_size
        batch = self._move(pixels)
        if batch.ndim != 4 or tuple(batch.shape[1:]) != (3, side, side):
            raise ValueError(f"received pixels {list(batch.shape)}, expected [B, 3, {side}, {side}]")
        if not len(batch):
            return batch.new_empty((0, *self._features_shape))
        return self.parts.see(batch)

    @_on_device
    def embed_features(self, features: Any) -> torch.Tensor:
        """Features [B, N, W] -> float32 [B, T, D] on the CPU, every token of L2 norm 1."""
        queries = self.query_states(features)
        return F.normalize(self.parts.vision_projection(queries).float(), dim=-1).cpu()

    @_on_device
    def query_states(self, features: Any) -> torch.Tensor:
        """Features [B, N, W] -> the Q-Former's output for its queries [B, T, H], on the model's device."""
        batch = self._features(features)
        queries = self.parts.queries()
        parts = [self.parts.qformer.read_images(queries, batch[rows]) for rows in self._chunks(len(batch))]
        return torch.cat(parts) if parts else batch.new_empty((0, *queries.shape[1:]))

    def embed_images(self, pixels: Any) -> torch.Tensor:
        """Pixels [B, 3, S, S] -> float32 [B, T, D] on the CPU: `encode_images`, then `embed_features`."""
        return self.embed_features(self.encode_images(pixels))

    @_on_device
    def embed_texts(self, texts: Sequence[str], max_tokens: int = DEFAULT_MAX_TOKENS) -> torch.Tensor:
        """Q texts -> float32 [Q, D] on the CPU, L2 norm 1: the [CLS] state, projected. At most ``max_tokens`` word
        pieces each, [CLS] and [SEP] included, cut on the right, and never past the model's own positions."""
        encoded = self.encode(texts, max_tokens)
        result = torch.empty((len(encoded), self.dims))
        # Texts of like length share a batch: less padding, the same answers.
        order = sorted(range(len(encoded)), key=lambda row: len(encoded[row]))
        for start in range(0, len(order), _TEXT_BATCH):
            rows = order[start : start + _TEXT_BATCH]
            ids, mask = self.pad([encoded[row] for row in rows])
            states = self.read_texts(ids, mask, rows=1)[:, 0]  # [Q, H]
            result[rows] = self.project_texts(states).cpu()
        return result

    def match_logits(self, texts: Sequence[str], features: Any, max_tokens: int = DEFAULT_MAX_TOKENS) -> torch.Tensor:
        """Text i with image i: K texts, features [K, N, W] -> float32 [K] on the CPU, the raw logit of "matches"."""
        return self.match_both(texts, features, max_tokens)[:, 1]

    def match_probabilities(
        self, texts: Sequence[str], features: Any, max_tokens: int = DEFAULT_MAX_TOKENS
    ) -> torch.Tensor:
        """The same pairs -> float32 [K] in 0..1: softmax over the two logits, class 1."""
        return self.match_both(texts, features, max_tokens).softmax(dim=-1)[:, 1]

    @_on_device
    def match_both(self, texts: Sequence[str], features: Any, max_tokens: int = DEFAULT_MAX_TOKENS) -> torch.Tensor:
        """The same pairs -> float32 [K, 2] on the CPU: "does not match" and "matches", averaged over the T queries
        (LAVIS, Blip2Qformer.compute_itm)."""
        encoded = self.encode(texts, max_tokens)
        self._check_features(features)
        if len(encoded) != len(features):
            raise ValueError(f"received {len(encoded)} texts and features of {len(features)} images, expected pairs")
        result = torch.empty((len(encoded), 2))
        for rows in self._chunks(len(encoded)):
            result[rows] = self._read_pairs(encoded[rows], features[rows]).cpu()
        return result

    @_on_device
    def attention_maps(self, texts: Sequence[str], features: Any, max_tokens: int = DEFAULT_MAX_TOKENS) -> torch.Tensor:
        """Text i with image i, or with the one image: K texts, features [K or 1, N, W] -> float32 [K, T, N - 1] on
        the CPU, the share of each query token's attention that each patch gets (`imgsearch.model.contract`)."""
        encoded = self.encode(texts, max_tokens)
        self._check_features(features)
        if len(features) not in (1, len(encoded)):
            raise ValueError(f"received {len(encoded)} texts and features of {len(features)} images, expected pairs")
        result = torch.empty((len(encoded), self.query_tokens, self._features_shape[0] - 1))
        for rows in self._chunks(len(encoded)):
            ids, mask = self.pad(encoded[rows])
            batch = self._features(features if len(features) == 1 else features[rows])
            maps: list[torch.Tensor] = []
            self._read_with(ids, mask, batch, maps)
            result[rows] = torch.stack(maps).mean(dim=0)[..., 1:].float().cpu()
        return result

    def count_tokens(self, text: str) -> int:
        """Word pieces of the cleaned text with [CLS] and [SEP], before any cut."""
        return len(self.encode([text], 1 << 30, bounded=False)[0])

    def words(self, text: str) -> list[VocabularyWord]:
        """The words of a text, and the pieces that the vocabulary has for each."""
        return self._tokenizer.words(text)

    def read_texts(self, ids: torch.Tensor, mask: torch.Tensor | None, rows: int | None = None) -> torch.Tensor:
        """Ids int64 [B, L] and bool [B, L], True for a piece that counts, both on the device -> the Q-Former's states
        of all pieces [B, L, H], or of the first ``rows``."""
        seen = None if mask is None else mask[:, None, None]
        return self.parts.qformer.read_texts(self.parts.embed_words(ids), seen, rows)

    def project_texts(self, states: torch.Tensor) -> torch.Tensor:
        """The Q-Former's states of texts [..., H] -> float32 [..., D], L2 norm 1, on the device."""
        return F.normalize(self.parts.text_projection(states).float(), dim=-1)

    @_on_device
    def read_pairs(self, encoded: list[list[int]], features: Any) -> torch.Tensor:
        """Ids of K texts, each with its image's features [K, N, W] -> the states of the queries [K, T, H] on the
        device. Where all texts are one, it is read once until the queries look at the images."""
        batch = self._features(features)
        if len(batch) > 1 and all(row == encoded[0] for row in encoded):
            encoded = encoded[:1]
        ids, mask = self.pad(encoded)
        return self._read_with(ids, mask, batch)

    def _read_with(
        self,
        ids: torch.Tensor,
        mask: torch.Tensor | None,
        features: torch.Tensor,
        maps: list[torch.Tensor] | None = None,
    ) -> torch.Tensor:
        seen = None
        if mask is not None:
            seen = F.pad(mask, (self.query_tokens, 0), value=True)[:, None, None]  # [K, 1, 1, T + L]
        words = self.parts.embed_words(ids)
        return self.parts.qformer.read_images(self.parts.queries(), features, words, seen, maps)

    def _read_pairs(self, encoded: list[list[int]], features: Any) -> torch.Tensor:
        return self.parts.itm_head(self.read_pairs(encoded, features)).float().mean(dim=1)  # type: ignore[no-any-return]

    def encode(self, texts: Sequence[str], max_tokens: int, bounded: bool = True) -> list[list[int]]:
        """Ids of each text, at most ``max_tokens`` and, where ``bounded``, never past the model's own positions."""
        if isinstance(texts, str):
            raise TypeError("a list of texts is expected; received one string")
        return self._tokenizer.encode(texts, min(max_tokens, self.sizes.qformer.positions) if bounded else max_tokens)

    def pad(self, encoded: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Ids int64 [Q, L] padded to the longest, and the mask bool [Q, L], or None where nothing is padded."""
        longest = max(map(len, encoded))
        ids = torch.tensor([row + [self._tokenizer.pad_id] * (longest - len(row)) for row in encoded])
        if all(len(row) == longest for row in encoded):
            return ids.to(self._device), None
        mask = torch.arange(longest) < torch.tensor([[len(row)] for row in encoded])
        return ids.to(self._device), mask.to(self._device)

    def match_on_device(self, texts: Sequence[str], features: torch.Tensor, max_tokens: int) -> torch.Tensor:
        """K texts and features [K, N, W] on the device -> float32 [K, 2] there, in one pass."""
        return self._read_pairs(self.encode(texts, max_tokens), features)

    def _pairs_at_once(self) -> int:
        return max(1, self.profile.pair_working_bytes // self._pair_bytes)

    def _chunks(self, count: int) -> list[slice]:
        step = self._pairs_at_once()
        return [slice(start, start + step) for start in range(0, count, step)]

    def _features(self, features: Any) -> torch.Tensor:
        self._check_features(features)
        return self._move(features)

    def _check_features(self, features: Any) -> None:
        patches, width = self._features_shape
        if len(features.shape) != 3 or tuple(features.shape[1:]) != self._features_shape:
            raise ValueError(f"received features {list(features.shape)}, expected [B, {patches}, {width}]")

    def _move(self, array: Any) -> torch.Tensor:
        # torch.tensor copies: a read-only memory map must not become a tensor that looks writable.
        tensor = array if isinstance(array, torch.Tensor) else torch.tensor(np.asarray(array))
        return tensor.to(self._device, self._dtype)

    def _out_of_memory(self) -> NotEnoughMemory:
        place = "RAM" if self._device.type == "cpu" else f"memory of {self.device}"
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        return NotEnoughMemory(
            f"the {place} ran out while {self.model_id.name} was reading a batch",
            "take a smaller batch (--batch-size 1 needs least), or close other programs",
        )
