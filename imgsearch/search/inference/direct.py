"""Who asks the model for a search: the plain one here asks for one query at a time; a server may bring another that
asks for many at once."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Protocol

from imgsearch.errors import MediaError
from imgsearch.model.arrays import as_numpy
from imgsearch.records import Float32, UInt8
from imgsearch.search.features.stored import FeatureSource, ImageSource
from imgsearch.search.rerank import Match, MatchPrompt, SearchModel, match_candidates
from imgsearch.storage import FeatureStore


class InferenceBackend(Protocol):
    """Safe between threads."""

    def embed_text(self, text: str) -> Float32:
        """One text -> float32 [1, D]."""
        ...

    def embed_texts(self, texts: Sequence[str]) -> Float32:
        """Q texts -> float32 [Q, D]."""
        ...

    def embed_picture(self, pixels: UInt8) -> Float32:
        """uint8 [S, S, 3] -> float32 [T, D]."""
        ...

    def features(self, source: ImageSource) -> Float32:
        """One picture's features, float32 [N, W]. Raises MediaError where it cannot be read."""
        ...

    def match(
        self, reading: MatchPrompt, sources: Sequence[ImageSource], deadline: float | None
    ) -> tuple[list[Match | None], list[str], bool]:
        """See `imgsearch.search.rerank.match_candidates`."""
        ...


class DirectInference:
    """A query at a time: searches take turns at the model, since two that share a core's cache are slower than one
    after the other."""

    def __init__(self, model: SearchModel, features: FeatureStore | None) -> None:
        self._model = model
        self._features = FeatureSource(model, features)
        self._lock = threading.Lock()

    def embed_text(self, text: str) -> Float32:
        """See ``InferenceBackend``."""
        return self.embed_texts([text])

    def embed_texts(self, texts: Sequence[str]) -> Float32:
        """See ``InferenceBackend``."""
        with self._lock:
            vectors: Float32 = as_numpy(self._model.embed_texts(list(texts)))
        return vectors

    def embed_picture(self, pixels: UInt8) -> Float32:
        """See ``InferenceBackend``."""
        with self._lock:
            tokens: Float32 = as_numpy(self._model.embed_images(self._model.preprocess_arrays(pixels[None])))[0]
        return tokens

    def features(self, source: ImageSource) -> Float32:
        """See ``InferenceBackend``."""
        with self._lock:
            return features_of(self._features, source)

    def match(
        self, reading: MatchPrompt, sources: Sequence[ImageSource], deadline: float | None
    ) -> tuple[list[Match | None], list[str], bool]:
        """See ``InferenceBackend``."""
        with self._lock:
            return match_candidates(self._model, reading, sources, self._features, deadline)


def features_of(features: FeatureSource, source: ImageSource) -> Float32:
    """One picture's, float32 [N, W]. Raises MediaError where it cannot be read."""
    (found,), reasons = features.features([source])
    if found is None:
        raise MediaError(reasons[0], stage="read")
    return found
