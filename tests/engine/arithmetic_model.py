"""A model made of arithmetic, and pictures made for it: numbered, of 4 x 4 pixels, some of them alike to the last bit.

Fulfils `imgsearch.model.contract` and what a search asks beside it, in a millisecond and without torch."""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from PIL import Image

from imgsearch.media.decode import decode_bytes
from imgsearch.media.preprocess import RECIPE, resize_to_model
from imgsearch.model.runtime_profile import RuntimeProfile
from imgsearch.model.text import clean_text
from imgsearch.model.words import VocabularyWord
from imgsearch.records import MediaFacts, ModelId

SIZE, TOKENS, DIMS = 4, 3, 8
INSIDE = (SIZE * SIZE - 1) * 3
"""Numbers of a picture that the model looks at: all but the first pixel, which tells twins apart."""

PICTURES = 44
TWINS = 16
"""The first pictures are pairs of twins: other bytes, equal vectors and logits."""


def unit(values: np.ndarray) -> np.ndarray:
    return (values / np.linalg.norm(values)).astype(np.float32)


def dice(*seeds: int) -> np.random.Generator:
    return np.random.default_rng(seeds)


class ArithmeticModel:
    """Features are the pixels, tokens an orthonormal basis spanned by them, a text the sum of its words' directions.
    Every picture and pair is computed alone, so that none depends on its company; logits are multiples of 1/2, so that
    many are equal."""

    device = "cpu"
    profile = RuntimeProfile("numpy", "cpu", "float32", image_gflop=0.1, pair_gflop=0.1, weight_bytes=1)
    image_size, query_tokens, dims = SIZE, TOKENS, DIMS
    model_id = ModelId("arithmetic", "cd" * 32, f"{RECIPE}-{SIZE}", "float32", TOKENS, DIMS)
    _spread = dice(1).standard_normal((INSIDE, TOKENS * DIMS))

    def preprocess(self, images: Sequence[Image.Image]) -> np.ndarray:
        return self.preprocess_arrays(np.stack([resize_to_model(image, SIZE) for image in images]))

    def preprocess_arrays(self, arrays: np.ndarray) -> np.ndarray:
        return arrays.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)

    def encode_images(self, pixels: np.ndarray) -> np.ndarray:
        """-> float32 [B, 16, 4], whole numbers up to 127, which an int8 cache keeps as they are."""
        levels = np.rint(pixels * 255).reshape(len(pixels), 3, -1).transpose(0, 2, 1) - 128
        full = np.full((*levels.shape[:2], 1), 127)
        return np.concatenate([levels, full], axis=2).astype(np.float32)

    def embed_features(self, features: np.ndarray) -> np.ndarray:
        bases = [np.linalg.qr((inside(one) @ self._spread).reshape(TOKENS, DIMS).T)[0].T for one in features]
        return np.stack(bases).astype(np.float32)

    def embed_images(self, pixels: np.ndarray) -> np.ndarray:
        return self.embed_features(self.encode_images(pixels))

    def embed_texts(self, texts: Sequence[str], max_tokens: int = 32) -> np.ndarray:
        return np.stack([unit(sum(_direction(word, DIMS) for word in clean_text(text).split())) for text in texts])

    def match_both(self, texts: Sequence[str], features: np.ndarray, max_tokens: int = 32) -> np.ndarray:
        found = [
            0.4 * float(inside(one) @ _direction(clean_text(text), INSIDE))
            for text, one in zip(texts, features, strict=True)
        ]
        return np.array([[round(-value), round(2 * value) / 2] for value in found], np.float32).reshape(-1, 2)

    def match_logits(self, texts: Sequence[str], features: np.ndarray, max_tokens: int = 32) -> np.ndarray:
        return self.match_both(texts, features)[:, 1]

    def match_probabilities(self, texts: Sequence[str], features: np.ndarray, max_tokens: int = 32) -> np.ndarray:
        powers = np.exp(self.match_both(texts, features))
        return powers[:, 1] / powers.sum(axis=1)

    def count_tokens(self, text: str) -> int:
        return len(clean_text(text).split()) + 2

    def words(self, text: str) -> list[VocabularyWord]:
        return [VocabularyWord(word, (word,)) for word in clean_text(text).split()]


def inside(features: np.ndarray) -> np.ndarray:
    """Features [16, 4] -> float64 [45], in -1..1."""
    return features[1:, :3].astype(np.float64).reshape(-1) / 127


def _direction(text: str, dims: int) -> np.ndarray:
    return dice(dims, zlib.crc32(text.encode())).standard_normal(dims)


@dataclass(frozen=True)
class Content:
    """What is in picture ``number``: a PNG's bytes, made-up facts beside the true hash, tokens [T, D], features."""

    data: bytes
    facts: MediaFacts
    tokens: np.ndarray
    features: np.ndarray


@cache
def content(number: int) -> Content:
    scene = number - number % 2 if number < TWINS else number
    pixels = dice(2, scene).integers(1, 256, (SIZE, SIZE, 3)).astype(np.uint8)
    pixels[0, 0] = number + 1
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    decoded = decode_bytes(stream.getvalue(), SIZE)
    model = ArithmeticModel()
    features = model.encode_images(model.preprocess_arrays(decoded.pixels[None]))
    return Content(stream.getvalue(), _told(decoded.facts, number), model.embed_features(features)[0], features[0])


def _told(facts: MediaFacts, number: int) -> MediaFacts:
    """Facts as a camera might have told them, so that filters have something to tell apart."""
    rng: Any = dice(3, number)
    day = f"{rng.integers(2017, 2021)}-{rng.integers(1, 13):02d}-{rng.integers(1, 29):02d}T10:00:00"
    return replace(
        facts,
        width=int(rng.choice([480, 640, 1000, 2000])),
        height=int(rng.choice([480, 640, 1000])),
        format=str(rng.choice(["JPEG", "PNG"])),
        taken_at=day if rng.random() < 0.8 else None,
        camera=[None, "Canon EOS 5D", "NIKON D90"][rng.integers(3)],
        latitude=float(rng.integers(40, 50)) if number % 3 else None,
        longitude=2.0 if number % 3 else None,
    )
