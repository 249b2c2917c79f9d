"""What the rest of the code asks of a model. Importing this loads no torch.

Arrays in the annotations are torch tensors from the real model; NumPy arrays do as well, and fakes in tests use
them. Callers go through ``numpy.asarray`` and never import torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

from imgsearch.model.runtime_profile import RuntimeProfile
from imgsearch.records import ModelId, UInt8

if TYPE_CHECKING:
    from PIL import Image

Array: TypeAlias = Any  # torch.Tensor or numpy.ndarray
Purpose: TypeAlias = Literal["any", "index", "search"]
"""What a model is opened for: what that does not need at once is read when it is asked for."""

DEFAULT_MAX_TOKENS = 32  # LAVIS's max_txt_len; the authors' retrieval evaluation uses 35
WATCHED_LAYERS = 2
"""Layers that attend to images, counted from the last, whose attention shows where a text is seen. The peak of a
smoothed map lies in the box for 81 % of 314 object words with one, 93 % with two, 90 % with three
(benchmarks/heatmap.py)."""


@runtime_checkable
class Embedder(Protocol):
    """Images and texts to unit vectors; the similarity is the maximum inner product over an image's tokens."""

    @property
    def model_id(self) -> ModelId:
        """What a library made with this model is marked with."""
        ...

    @property
    def profile(self) -> RuntimeProfile:
        """What it runs in, what that costs, and the defaults that follow from it."""
        ...

    @property
    def image_size(self) -> int:
        """S, pixels."""
        ...

    @property
    def query_tokens(self) -> int:
        """T, vectors of one image."""
        ...

    @property
    def dims(self) -> int:
        """D, numbers of one vector."""
        ...

    def preprocess(self, images: Sequence[Image.Image]) -> Array:
        """Upright images -> float32 [B, 3, S, S]."""
        ...

    def preprocess_arrays(self, arrays: UInt8) -> Array:
        """uint8 [B, S, S, 3] from `imgsearch.media.preprocess.resize_to_model` -> float32 [B, 3, S, S]."""
        ...

    def encode_images(self, pixels: Array) -> Array:
        """float32 [B, 3, S, S] -> features [B, N, W]."""
        ...

    def embed_features(self, features: Array) -> Array:
        """Features [B, N, W] -> float32 [B, T, D], every token of L2 norm 1."""
        ...

    def embed_images(self, pixels: Array) -> Array:
        """float32 [B, 3, S, S] -> float32 [B, T, D]."""
        ...

    def embed_texts(self, texts: Sequence[str], max_tokens: int = DEFAULT_MAX_TOKENS) -> Array:
        """Q texts, cleaned here -> float32 [Q, D], L2 norm 1."""
        ...


@runtime_checkable
class Matcher(Protocol):
    """Matches one text with one image."""

    def match_both(self, texts: Sequence[str], features: Array, max_tokens: int = DEFAULT_MAX_TOKENS) -> Array:
        """Text i with image i: K texts and features [K, N, W] -> float32 [K, 2], the raw logits of "does not match"
        and "matches"."""
        ...

    def match_logits(self, texts: Sequence[str], features: Array, max_tokens: int = DEFAULT_MAX_TOKENS) -> Array:
        """Text i with image i: K texts and features [K, N, W] -> float32 [K], the logit of "matches"."""
        ...

    def match_probabilities(self, texts: Sequence[str], features: Array, max_tokens: int = DEFAULT_MAX_TOKENS) -> Array:
        """The same pairs -> float32 [K] in 0..1, the softmax over "does not match" and "matches"."""
        ...


@runtime_checkable
class Explainer(Embedder, Protocol):
    """Shows where the model attends in an image while it reads a text with it."""

    def attention_maps(self, texts: Sequence[str], features: Array, max_tokens: int = DEFAULT_MAX_TOKENS) -> Array:
        """Text i with image i: K texts, features [K, N, W], or [1, N, W] for all -> float32 [K, T, P], the share of
        its attention that each query token pays to each of the image's P = N - 1 patches, row by row from the top
        left; the mean over the heads of the last two layers that attend to images. What a row lacks to 1 went to the
        class token."""
        ...
