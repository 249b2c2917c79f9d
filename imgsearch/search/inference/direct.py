"""The backend asks the model on behalf of searches, and only the model: the library's vectors belong to
`imgsearch.search.retrieval`.

The direct backend here serves one query at a time; a server's (`imgsearch.search.inference.batched`) serves many."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from imgsearch.errors import MediaError
from imgsearch.model.arrays import as_numpy
from imgsearch.records import Float32, UInt8
from imgsearch.search.features.stored import FeatureSource, ImageSource
from imgsearch.search.inference.held import HeldImages, held_images
from imgsearch.search.inference.in_time import match_in_time
from imgsearch.search.query.parser import ParsedQuery
from imgsearch.search.rerank import (
    Match,
    Matched,
    Reranked,
    SearchModel,
    failure_sentences,
    match_texts,
    matches_from_logits,
)
from imgsearch.storage import FeatureStore


class InferenceBackend(Protocol):
    """Safe between threads."""

    def embed_text(self, text: str) -> Float32:
        """One text -> float32 [1, D]."""
        ...

    def embed_texts(self, texts: Sequence[str]) -> Float32:
        """Q texts -> float32 [Q, D]."""
        ...

    def embed_image(self, pixels: UInt8) -> Float32:
        """uint8 [S, S, 3] -> float32 [T, D]."""
        ...

    def features(self, source: ImageSource) -> Float32:
        """The features of one image, float32 [N, W]. Raises MediaError if it cannot be read."""
        ...

    def match(self, parsed: ParsedQuery, sources: Sequence[ImageSource], deadline: float | None) -> Matched:
        """See `match_candidates`."""
        ...


Matching = Callable[[ParsedQuery, Sequence[ImageSource]], Matched]
"""``InferenceBackend.match`` with its deadline."""


class DirectInference:
    """A query at a time: searches take turns at the model, since two that share a core's cache are slower than one
    after the other."""

    def __init__(self, model: SearchModel, features: FeatureStore | None) -> None:
        self._model = model
        self._features = FeatureSource(model, features)
        self._held = held_images(model, self._features)
        self._lock = threading.Lock()

    def embed_text(self, text: str) -> Float32:
        """See ``InferenceBackend``."""
        return self.embed_texts([text])

    def embed_texts(self, texts: Sequence[str]) -> Float32:
        """See ``InferenceBackend``."""
        with self._lock:
            vectors: Float32 = as_numpy(self._model.embed_texts(list(texts)))
        return vectors

    def embed_image(self, pixels: UInt8) -> Float32:
        """See ``InferenceBackend``."""
        with self._lock:
            tokens: Float32 = as_numpy(self._model.embed_images(self._model.preprocess_arrays(pixels[None])))[0]
        return tokens

    def features(self, source: ImageSource) -> Float32:
        """See ``InferenceBackend``."""
        with self._lock:
            return features_of(self._features, source)

    def match(self, parsed: ParsedQuery, sources: Sequence[ImageSource], deadline: float | None) -> Matched:
        """See ``InferenceBackend``."""
        with self._lock:
            if self._held is not None:
                return match_held(self._model, parsed, sources, self._held, deadline)
            return match_candidates(self._model, parsed, sources, self._features, deadline)


def match_and_replace(match: Matching, parsed: ParsedQuery, sources: Sequence[ImageSource], depth: int) -> Reranked:
    """``match`` the first ``depth`` of ``sources``, and for each that shows what is not wanted one more behind them.
    Otherwise few would be left for "not at night" of a description whose best pictures are at night."""
    matches, notes, complete = match(parsed, sources[:depth])
    dropped = sum(one is not None and one.shows_unwanted for one in matches)
    following = sources[depth : depth + dropped]
    due = min(depth, len(sources)) + len(following)
    if not (following and complete):
        return Reranked(matches, notes, complete, due)
    more, told, complete = match(parsed, following)
    return Reranked([*matches, *more], [*notes, *told], complete, due)


def features_of(features: FeatureSource, source: ImageSource) -> Float32:
    """The features of one image, float32 [N, W]. Raises MediaError if it cannot be read."""
    (found,), reasons = features.features([source])
    if found is None:
        raise MediaError(reasons[0], stage="read")
    return found


def match_held(
    model: Any, parsed: ParsedQuery, sources: Sequence[ImageSource], held: HeldImages, deadline: float | None
) -> Matched:
    """`match_candidates` with features that stay on the accelerator: all texts of a step in one pass."""
    matches: list[Match | None] = []
    reasons: list[str] = []
    step, texts = model.profile.pair_step, match_texts(parsed)
    for first in range(0, len(sources), step):
        if first and deadline is not None and time.perf_counter() > deadline:
            return matches, failure_sentences(reasons), False
        part = sources[first : first + step]
        found, failed = held.get(part)
        reasons += [failed[source.key] for source in part if source.key in failed]
        here = [found[source.key] for source in part if source.key in found]
        rows = [text for text in texts for _ in here]
        logits = np.asarray(model.match_held(rows, here * len(texts)), np.float32).reshape(len(texts), len(here), 2)
        answers = iter(matches_from_logits(parsed, list(logits)) if here else [])
        matches += [next(answers) if source.key in found else None for source in part]
    return matches, failure_sentences(reasons), True


def match_candidates(
    model: SearchModel,
    parsed: ParsedQuery,
    sources: Sequence[ImageSource],
    features: FeatureSource,
    deadline: float | None = None,
) -> Matched:
    """Match each source's picture with the texts: (a match for each, or None where the picture cannot be read; a
    sentence that says how many and why; whether all were reached before ``deadline``, a time.perf_counter()).

    Candidates go to the model a fixed number at a time, whatever is kept of them, so an answer depends on neither.
    With a deadline at least the first ones are matched; after it, those that were not reached are left out. Where one
    image takes seconds, `match_in_time` does it."""

    def match(part: Sequence[ImageSource]) -> tuple[list[Match | None], list[str]]:
        found, failed = features.features(part)
        return match_features(model, parsed, found), failed

    if deadline is not None and model.profile.one_by_one:
        return match_in_time(model.profile, match, sources, [features.is_kept(one) for one in sources], deadline)
    matches: list[Match | None] = []
    reasons: list[str] = []
    step = model.profile.pair_step
    for first in range(0, len(sources), step):
        if first and deadline is not None and time.perf_counter() > deadline:
            return matches, failure_sentences(reasons), False
        matched, failed = match(sources[first : first + step])
        matches += matched
        reasons += failed
    return matches, failure_sentences(reasons), True


def match_features(model: SearchModel, parsed: ParsedQuery, found: Sequence[Float32 | None]) -> list[Match | None]:
    """Match each image's features [N, W] with the query's texts; None stays None."""
    readable = [features for features in found if features is not None]
    if not readable:
        return [None] * len(found)
    batch = np.stack(readable)
    logits = [as_numpy(model.match_both([text] * len(batch), batch)) for text in match_texts(parsed)]
    matches = iter(matches_from_logits(parsed, logits))
    return [None if features is None else next(matches) for features in found]
