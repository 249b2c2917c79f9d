"""BLIP-2 without torch: the `Embedder` and `Matcher` contract on NumPy, from the same checkpoint directory.

Importing torch and transformers takes seconds, and a search for one text needs a few hundred matrix products. This
reads model.safetensors itself, only the tensors that a call needs: a text alone does not read the ViT. It computes in
float32 on the CPU; all else is left to `imgsearch.model.load_model`. Answers agree with it to 1e-5
(tests/model/test_numpy.py).

Cost for the small model on one EPYC core, first call and its weights included: a text 12 ms, 16 images 140, 16 pairs
70; later calls 2, 120 and 46, and 33 where the images are cached. An image of
the real model (ViT-g, 224 px) takes 7.1 s of one core's time, in torch too (a block's time, times 39); a text reads
0.4 GB of its weights first. Letters in shapes as in `imgsearch.model.runtimes.torch.blip2`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import numpy as np

from imgsearch.errors import NotEnoughMemory
from imgsearch.media.preprocess import PIXEL_MEAN, PIXEL_STD, resize_to_model
from imgsearch.model.checkpoints.config import Blip2Sizes
from imgsearch.model.contract import DEFAULT_MAX_TOKENS
from imgsearch.model.memory import available_bytes, check_memory
from imgsearch.model.runtimes.costs import profile_of
from imgsearch.model.runtimes.numpy.layers import Linear, unit
from imgsearch.model.runtimes.numpy.qformer import ImageCache, NumpyQFormer
from imgsearch.model.runtimes.numpy.vision import NumpyVision
from imgsearch.model.runtimes.numpy.weights import Weights
from imgsearch.model.tokenizer import TextTokenizer
from imgsearch.model.words import VocabularyWord
from imgsearch.records import Float32, ModelId, UInt8

if TYPE_CHECKING:
    from PIL import Image

_TEXT_BATCH = 128
_PAIR_BATCH = 16
"""Pairs of one Q-Former pass: the small model's working arrays (2 MB at 32 + 10 positions) stay in the L3 cache, the
real one's take 60 MB."""
_CACHED_BATCH = 16
"""As many candidates as a query has by default. Two threads on two busy cores: 28.4 queries of 16 a second, 23.5 by
eight, with twice the waits for the interpreter."""
_HIDDEN = np.float32(-1e30)  # added to an attention score that must not count

P = ParamSpec("P")
R = TypeVar("R")


def _in_memory(method: Callable[Concatenate[NumpyModel, P], R]) -> Callable[Concatenate[NumpyModel, P], R]:
    """Raises our own error where memory runs out."""

    @wraps(method)
    def wrapped(self: NumpyModel, /, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(self, *args, **kwargs)
        except MemoryError as exc:
            raise NotEnoughMemory(
                f"the RAM ran out while {self.model_id.name} was reading a batch",
                "take a smaller batch (--batch-size 1 needs least), or close other programs",
            ) from exc

    return wrapped


class NumpyModel:
    """A BLIP-2 opened by `imgsearch.model.open_numpy`; float32 NumPy arrays in and out, on the CPU.

    Weights are read when they are first used, so the first call of each kind takes longer."""

    device = "cpu"
    dtype = "float32"

    def __init__(self, weights: Weights, sizes: Blip2Sizes, tokenizer: TextTokenizer, model_id: ModelId) -> None:
        self._weights = weights
        self._sizes = sizes
        self._tokenizer = tokenizer
        self._words: dict[int, Float32] = {}  # word vectors read so far
        self.model_id = model_id
        self.image_size = sizes.vision.image
        self.query_tokens = sizes.tokens
        self.dims = sizes.dims
        self.profile = profile_of(sizes, "numpy", self.device, self.dtype)

    @property
    def tokenizer(self) -> TextTokenizer:
        """Cleans and cuts texts into word pieces."""
        return self._tokenizer

    def preprocess(self, images: Sequence[Image.Image]) -> Float32:
        """Upright PIL images -> float32 [B, 3, S, S]: squashed to S x S, CLIP's mean and deviation."""
        from PIL import Image

        if isinstance(images, Image.Image):
            raise TypeError("preprocess takes a list of images; received one image")
        size = self.image_size
        arrays = [resize_to_model(image, size) for image in images]
        return self.preprocess_arrays(np.stack(arrays) if arrays else np.empty((0, size, size, 3), np.uint8))

    @_in_memory
    def preprocess_arrays(self, arrays: UInt8) -> Float32:
        """uint8 [B, S, S, 3] from `resize_to_model` -> float32 [B, 3, S, S]."""
        side = self.image_size
        if arrays.dtype != np.uint8 or arrays.ndim != 4 or arrays.shape[1:] != (side, side, 3):
            raise ValueError(f"received {arrays.dtype} {list(arrays.shape)}, expected uint8 [B, {side}, {side}, 3]")
        deviation = np.array(PIXEL_STD, np.float32)
        pixels = arrays * (1 / (255 * deviation))
        pixels -= np.array(PIXEL_MEAN, np.float32) / deviation
        return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))

    @_in_memory
    def encode_images(self, pixels: Any) -> Float32:
        """Pixels [B, 3, S, S] -> features [B, N, W], the ViT's output after its last norm. All B in one go."""
        side = self.image_size
        batch = np.asarray(pixels, np.float32)
        if batch.ndim != 4 or batch.shape[1:] != (3, side, side):
            raise ValueError(f"received pixels {list(batch.shape)}, expected [B, 3, {side}, {side}]")
        return self._vision(batch) if len(batch) else np.empty((0, *self._features_shape), np.float32)

    @_in_memory
    def embed_features(self, features: Any) -> Float32:
        """Features [B, N, W] -> float32 [B, T, D], every token of L2 norm 1."""
        return unit(self._vision_projection(self.query_states(features)))

    @_in_memory
    def query_states(self, features: Any) -> Float32:
        """Features [B, N, W] -> the Q-Former's output for its queries [B, T, H]."""
        batch = self._check_features(features)
        states = np.empty((len(batch), self.query_tokens, self._sizes.qformer.width), np.float32)
        for rows in _batches(len(batch), _PAIR_BATCH):
            states[rows] = self._qformer.read_images(self._queries, batch[rows])
        return states

    def embed_images(self, pixels: Any) -> Float32:
        """Pixels [B, 3, S, S] -> float32 [B, T, D]: `encode_images`, then `embed_features`."""
        return self.embed_features(self.encode_images(pixels))

    @_in_memory
    def embed_texts(self, texts: Sequence[str], max_tokens: int = DEFAULT_MAX_TOKENS) -> Float32:
        """Q texts -> float32 [Q, D], L2 norm 1: the [CLS] state, projected. At most ``max_tokens`` word pieces each,
        [CLS] and [SEP] included, cut on the right, and never past the model's own positions."""
        encoded = self._encode(texts, max_tokens)
        result = np.empty((len(encoded), self.dims), np.float32)
        # Texts of like length share a batch: less padding, the same answers.
        order = np.array(sorted(range(len(encoded)), key=lambda row: len(encoded[row])), np.int64)
        for part in _batches(len(order), _TEXT_BATCH):
            words, mask = self._embed_words([encoded[row] for row in order[part]])
            states = self._qformer.read_texts(words, mask)[:, 0]  # [Q, H]
            result[order[part]] = unit(self._text_projection(states))
        return result

    def match_logits(self, texts: Sequence[str], features: Any, max_tokens: int = DEFAULT_MAX_TOKENS) -> Float32:
        """Text i with image i: K texts, features [K, N, W] -> float32 [K], the raw logit of "matches"."""
        return self.match_both(texts, features, max_tokens)[:, 1]

    def match_probabilities(self, texts: Sequence[str], features: Any, max_tokens: int = DEFAULT_MAX_TOKENS) -> Float32:
        """The same pairs -> float32 [K] in 0..1: softmax over the two logits, class 1."""
        both = self.match_both(texts, features, max_tokens)
        odds = np.exp(both - both.max(axis=1, keepdims=True))
        probabilities: Float32 = odds[:, 1] / odds.sum(axis=1)
        return probabilities

    @_in_memory
    def match_both(self, texts: Sequence[str], features: Any, max_tokens: int = DEFAULT_MAX_TOKENS) -> Float32:
        """The same pairs -> float32 [K, 2]: "does not match" and "matches", averaged over the T queries (LAVIS,
        Blip2Qformer.compute_itm)."""
        encoded = self._encode(texts, max_tokens)
        batch = self._check_features(features)
        if len(encoded) != len(batch):
            raise ValueError(f"received {len(encoded)} texts and features of {len(batch)} images, expected pairs")
        result = np.empty((len(encoded), 2), np.float32)
        for rows in _batches(len(encoded), _PAIR_BATCH):
            part = encoded[rows]
            if part.count(part[0]) == len(part):
                words, _ = self._embed_words(part[:1])
                states = self._qformer.read_pairs_once(self._queries, words, batch[rows])
            else:
                words, mask = self._embed_words(part, self.query_tokens)
                states = self._qformer.read_images(self._queries, batch[rows], words, mask)
            result[rows] = self._itm_head(states.mean(axis=1))
        return result

    @_in_memory
    def attention_maps(self, texts: Sequence[str], features: Any, max_tokens: int = DEFAULT_MAX_TOKENS) -> Float32:
        """Text i with image i, or with the one image: K texts, features [K or 1, N, W] -> float32 [K, T, N - 1],
        the share of each query token's attention that each patch gets (`imgsearch.model.contract`)."""
        encoded = self._encode(texts, max_tokens)
        batch = self._check_features(features)
        if len(batch) not in (1, len(encoded)):
            raise ValueError(f"received {len(encoded)} texts and features of {len(batch)} images, expected pairs")
        result = np.empty((len(encoded), self.query_tokens, batch.shape[1] - 1), np.float32)
        for rows in _batches(len(encoded), _PAIR_BATCH):
            words, mask = self._embed_words(encoded[rows], self.query_tokens)
            maps: list[Float32] = []
            self._qformer.read_images(self._queries, batch if len(batch) == 1 else batch[rows], words, mask, maps)
            result[rows] = np.mean(maps, axis=0)[..., 1:]
        return result

    @_in_memory
    def cache_images(self, features: Any) -> list[ImageCache]:
        """Features [B, N, W] -> for each image what matching takes from it, whatever the text: 400 kB for the
        small model, 9.5 MB for the real one."""
        return [self._qformer.cache_image(one) for one in self._check_features(features)]

    @_in_memory
    def match_cached(self, texts: Sequence[str], caches: Sequence[ImageCache]) -> Float32:
        """``match_both`` of text i with the image of cache i, to 1e-5. -> float32 [K, 2].

        A text that comes with several images is read with all of them at once. Cost for the small model, 16 images
        with one text: 0.75 of ``match_both``."""
        if len(texts) != len(caches):
            raise ValueError(f"received {len(texts)} texts and {len(caches)} images, expected pairs")
        rows_of: dict[str, list[int]] = {}
        for row, text in enumerate(texts):
            rows_of.setdefault(text, []).append(row)
        result = np.empty((len(texts), 2), np.float32)
        for text, rows in rows_of.items():
            words, _ = self._embed_words(self._encode([text], DEFAULT_MAX_TOKENS))
            for part in _batches(len(rows), _CACHED_BATCH):
                chosen = [caches[row] for row in rows[part]]
                states = self._qformer.read_pairs(self._queries, words, chosen)
                result[rows[part]] = self._itm_head(states.mean(axis=1))
        return result

    def count_tokens(self, text: str) -> int:
        """Word pieces of the cleaned text with [CLS] and [SEP], before any cut."""
        return len(self._tokenizer.encode([text], 1 << 30)[0])

    def words(self, text: str) -> list[VocabularyWord]:
        """The words of a text, and the pieces that the vocabulary has for each."""
        return self._tokenizer.words(text)

    def _encode(self, texts: Sequence[str], max_tokens: int) -> list[list[int]]:
        if isinstance(texts, str):
            raise TypeError("a list of texts is expected; received one string")
        return self._tokenizer.encode(texts, min(max_tokens, self._sizes.qformer.positions))

    def _embed_words(self, encoded: list[list[int]], before: int = 0) -> tuple[Float32, Float32 | None]:
        """Word and position vectors [Q, L, H] padded to the longest, and the mask [Q, before + L] of as many positions
        ``before`` them, or None where nothing is padded."""
        longest = max(map(len, encoded))
        pad = self._tokenizer.pad_id
        ids = [row + [pad] * (longest - len(row)) for row in encoded]
        unread = {number for row in ids for number in row} - self._words.keys()
        self._words |= self._weights.rows("embeddings.word_embeddings.weight", unread)
        words = np.array([[self._words[number] for number in row] for row in ids])  # [Q, L, H]
        words += self._places[:longest]
        lengths = np.array([len(row) for row in encoded])
        if (lengths == longest).all():
            return words, None
        ends = before + lengths[:, None]
        return words, np.where(np.arange(before + longest) < ends, np.float32(0), _HIDDEN)

    def _check_features(self, features: Any) -> Float32:
        batch: Float32 = np.asarray(features, np.float32)
        if batch.ndim != 3 or batch.shape[1:] != self._features_shape:
            patches, width = self._features_shape
            raise ValueError(f"received features {list(batch.shape)}, expected [B, {patches}, {width}]")
        return batch

    @property
    def _features_shape(self) -> tuple[int, int]:
        return self._sizes.vision.positions, self._sizes.vision.width

    @cached_property
    def _vision(self) -> NumpyVision:
        values = sum(int(np.prod(shape)) for name, shape in self._weights.shapes.items() if name.startswith("vision_m"))
        hint = "close other programs, search with --rerank 0, or take a smaller model (`imgsearch models` lists them)"
        check_memory(4 * values, available_bytes(), "RAM", hint)
        return NumpyVision(self._weights, self._sizes.vision)

    @cached_property
    def _qformer(self) -> NumpyQFormer:
        return NumpyQFormer(self._weights, self._sizes.qformer)

    @cached_property
    def _places(self) -> Float32:
        return self._weights.tensor("embeddings.position_embeddings.weight")

    @cached_property
    def _queries(self) -> Float32:
        return self._weights.tensor("query_tokens")

    @cached_property
    def _text_projection(self) -> Linear:
        return self._weights.linear("text_projection")

    @cached_property
    def _vision_projection(self) -> Linear:
        return self._weights.linear("vision_projection")

    @cached_property
    def _itm_head(self) -> Linear:
        return self._weights.linear("itm_head")


def _batches(count: int, step: int) -> list[slice]:
    return [slice(start, start + step) for start in range(0, count, step)]
