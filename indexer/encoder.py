"""Pixels -> vectors, in a thread beside the decoding. The model is loaded when the first image needs it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np

from imgsearch import app as library
from imgsearch.errors import ImgsearchError, MediaError, NotEnoughMemory
from imgsearch.model.arrays import as_numpy
from imgsearch.model.runtime_profile import IMAGES_WITHOUT_TORCH, RuntimeProfile
from imgsearch.records import Float32, ModelId, UInt8
from imgsearch.settings import Settings
from imgsearch.storage import FeatureStore, QuantisedFeatures, Store

_ONE = np.ones((1, 1), np.float32)


class ImageEncoder(Protocol):
    """The parts of a model that are used here; see imgsearch.model.contract."""

    @property
    def profile(self) -> RuntimeProfile: ...

    def preprocess_arrays(self, arrays: UInt8) -> Any: ...

    def encode_images(self, pixels: Any) -> Any: ...

    def embed_features(self, features: Any) -> Any: ...


@runtime_checkable
class Quantises(Protocol):
    """A model that makes the numbers of `QuantisedFeatures` where the features are, as torch's does: on a GPU 23 MB are
    copied for a batch of 64, not 185."""

    def quantise(self, features: Any) -> tuple[Any, Float32]:
        """[B, N, W] -> int8 [B, N, W], float32 [B, N]."""
        ...


@dataclass(slots=True)
class Encoded:
    """One result an image: float32 [T, D], or the reason why there is none. ``seconds`` without loading. ``features``:
    one an image if they are to be kept, else none at all."""

    vectors: list[Float32 | MediaError]
    seconds: float
    features: list[QuantisedFeatures | None]


class VectorSource(Protocol):
    """The source of a batch's vectors."""

    def expect(self, images: int) -> None: ...

    def submit(self, pixels: Sequence[UInt8]) -> Future[Encoded]: ...

    def close(self) -> None: ...


class NoVectors:
    """For a library without a model: one number an image, no thread, nothing loaded. The number is 1, so that a reader
    still gets unit vectors."""

    def expect(self, images: int) -> None:
        pass

    def submit(self, pixels: Sequence[UInt8]) -> Future[Encoded]:
        """The answer is available at once; ``pixels`` are only counted."""
        done: Future[Encoded] = Future()
        done.set_result(Encoded([_ONE] * len(pixels), 0.0, []))
        return done

    def close(self) -> None:
        pass


class Encoder:
    """Embeds batches in threads of its own, two at most: on a GPU one is stacked, copied and kept while the other is
    computed; on a CPU nobody gives it a second. If memory runs out, the batch is halved, for the rest of the run
    too; an image that fails alone is a failure of that image, never of the run.

    ``load_numpy`` gives the same model in a form that starts sooner and encodes more slowly, or None; it is used until
    more than ``IMAGES_WITHOUT_TORCH`` images have come or are expected. ``keep_likely``: features are given where a
    re-rank is short of time (`imgsearch.storage.caches.likely_features`)."""

    def __init__(
        self,
        load: Callable[[], ImageEncoder],
        load_numpy: Callable[[], ImageEncoder | None] = lambda: None,
        *,
        keep_features: bool = False,
        keep_likely: bool = False,
    ) -> None:
        self._keep_likely = keep_likely
        self._load, self._load_numpy = load, load_numpy
        self._keep_features = keep_features
        self._model: ImageEncoder | None = None
        self._in_numpy = False
        self._seen = self._expected = 0  # images
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="encode")
        self._loading = threading.Lock()
        self._done = 0.0  # when the last batch was finished, a time.monotonic()
        self.most = 1 << 30  # images that are known to fit at once

    @property
    def loaded(self) -> bool:
        return self._model is not None

    def expect(self, images: int) -> None:
        """About this many images will come in addition."""
        self._expected = self._seen + images

    def submit(self, pixels: Sequence[UInt8]) -> Future[Encoded]:
        """Embed uint8 [S, S, 3] images. The future raises ModelError if the model cannot be loaded."""
        return self._threads.submit(self.encode, pixels)

    def close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)

    def encode(self, pixels: Sequence[UInt8]) -> Encoded:
        """``submit`` in this thread."""
        with self._loading:
            model = self._model_for(len(pixels))
        self._keep_features = self._keep_features or (self._keep_likely and model.profile.one_by_one)
        started = time.monotonic()
        results: list[tuple[Float32 | MediaError, QuantisedFeatures | None]] = []
        while len(results) < len(pixels):
            part = pixels[len(results) : len(results) + self.most]
            results += self._try(model, part)
        features = [kept for _, kept in results] if self._keep_features else []
        begun, self._done = max(started, self._done), time.monotonic()  # of two at once each counts what it adds
        return Encoded([vectors for vectors, _ in results], self._done - begun, features)

    def _model_for(self, images: int) -> ImageEncoder:
        """The loaded model, in the form that suits the number of images."""
        self._seen += images
        many = max(self._seen, self._expected) > IMAGES_WITHOUT_TORCH
        if self._model is None or (self._in_numpy and many):
            model = None if many else self._load_numpy()
            self._in_numpy = model is not None
            self._model = self._load() if model is None else model
        return self._model

    def _try(
        self, model: ImageEncoder, part: Sequence[UInt8]
    ) -> list[tuple[Float32 | MediaError, QuantisedFeatures | None]]:
        """The results for all of ``part``; [] if it was too much at once, and then ``most`` is lower."""
        try:
            features = model.encode_images(model.preprocess_arrays(np.stack(part)))
            found = np.asarray(model.embed_features(features), dtype=np.float32)
            kept = self._quantised(model, features, len(part))
        except (NotEnoughMemory, MemoryError) as exc:
            if len(part) > 1:
                self.most = len(part) // 2
                return []
            return [(_failure(f"not enough memory to encode it: {_first_line(exc)}"), None)]
        except (ImgsearchError, RuntimeError, ValueError) as exc:
            if len(part) == 1:
                return [(_failure(f"the model failed on it: {_first_line(exc)}"), None)]
            return [one for picture in part for one in self._try(model, [picture])]
        return list(zip(map(_checked, found), kept, strict=True))

    def _quantised(self, model: ImageEncoder, features: Any, count: int) -> list[QuantisedFeatures | None]:
        if not self._keep_features:
            return [None] * count
        if isinstance(model, Quantises):
            steps, scales = model.quantise(features)
            return [QuantisedFeatures(*one) for one in zip(steps, scales, strict=True)]
        return [QuantisedFeatures.of(one) for one in as_numpy(features)]


def library_encoder(settings: Settings, store: Store, kept: FeatureStore | None = None) -> Encoder:
    """The encoder of the library's model, which gives the features that ``kept`` wants; loading raises ModelMismatch if
    the model is another one's."""

    def opened(opener: Callable[[Settings, ModelId], Any]) -> Any:
        made_with = store.model
        as_made = replace(settings, dtype=made_with.dtype) if settings.dtype == "auto" else settings
        model = opener(as_made, made_with)
        if model is not None:
            store.require_model(model.model_id)
        return model

    def in_numpy() -> Any:
        model = opened(library.open_numpy_model)
        return model if model is not None and model.profile.images_without_torch else None

    return Encoder(
        lambda: opened(library.open_model),
        in_numpy,
        keep_features=kept is not None and kept.keeps_all,
        keep_likely=kept is not None,
    )


def _checked(vectors: Float32) -> Float32 | MediaError:
    if np.isfinite(vectors).all():
        return vectors
    return _failure("the model gave vectors that are not finite")


def _failure(reason: str) -> MediaError:
    return MediaError(reason, stage="encode", transient=True)


def _first_line(exc: BaseException) -> str:
    text = exc.message if isinstance(exc, ImgsearchError) else str(exc)
    return text.splitlines()[0][:200] if text else type(exc).__name__
