"""ViT features of candidates: read from disk if they are kept, otherwise decoded and encoded again.

Both go through int8 (`imgsearch.storage.caches.features`), so that an answer does not depend on what happened to be
kept. On a CPU each image is encoded alone, because other images in a batch change the last bits of a feature and now
and then an int8 step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from imgsearch.errors import MediaError
from imgsearch.model.arrays import as_numpy
from imgsearch.model.contract import Embedder
from imgsearch.records import Float32, MediaFacts, UInt8
from imgsearch.search.features.images import DECODE_THREADS, decode_all
from imgsearch.storage.caches.features import FeatureStore, QuantisedFeatures

_SIDE_BY_SIDE = 32
"""Files from which threads pay: on a CPU a re-rank asks for four at a time, a GPU's for 64."""


@dataclass(frozen=True, slots=True)
class ImageSource:
    """The files of a candidate, best first, the content that was indexed (sha256, hex), and the orientation that a
    sidecar gave then, 0 for none."""

    paths: Sequence[Path]
    content_hash: str
    told: int = 0

    @staticmethod
    def of(paths: Sequence[Path], facts: MediaFacts) -> ImageSource:
        """The source of an image of the library."""
        return ImageSource(paths, facts.content_hash, facts.told_orientation)

    @property
    def key(self) -> str:
        """See `MediaFacts.shown_key`."""
        return f"{self.content_hash}-o{self.told}" if self.told else self.content_hash


class FeatureSource:
    """Gives features of images by content, and keeps what it computes in ``kept`` if there is one."""

    def __init__(self, model: Embedder, kept: FeatureStore | None) -> None:
        self._model, self._kept = model, kept
        self._step = model.profile.feature_step

    def features(self, sources: Sequence[ImageSource]) -> tuple[list[Float32 | None], list[str]]:
        """float32 [N, W] for each source, None for an image that is gone, cannot be decoded or has changed since it was
        indexed, and the reasons for these. Pixels are made exactly as indexing made them."""
        found, reasons = self.quantised(sources)
        return [None if one is None else one.restored() for one in found], reasons

    def quantised(self, sources: Sequence[ImageSource]) -> tuple[list[QuantisedFeatures | None], list[str]]:
        """``features`` in the form in which they are kept. Files are read side by side: 363 KB each of the full-size
        model, whose checksum takes longer than the reading."""
        found = self._kept_features(sources)
        missing = [index for index, features in enumerate(found) if features is None]
        pixels, reasons = _read_pixels([sources[index] for index in missing], self._model.image_size)
        readable = sorted(pixels)
        for first in range(0, len(readable), self._step):
            part = readable[first : first + self._step]
            batch = self._model.preprocess_arrays(np.stack([pixels[index] for index in part]))
            for index, features in zip(part, as_numpy(self._model.encode_images(batch)), strict=True):
                quantised = found[missing[index]] = QuantisedFeatures.of(features)
                if self._kept is not None:
                    self._kept.put(sources[missing[index]].key, quantised)
        return found, reasons

    def is_kept(self, source: ImageSource) -> bool:
        """Whether the features of an image lie on disk."""
        return self._kept is not None and self._kept.holds(source.key)

    def _kept_features(self, sources: Sequence[ImageSource]) -> list[QuantisedFeatures | None]:
        kept = self._kept
        if kept is None:
            return [None] * len(sources)
        if len(sources) < _SIDE_BY_SIDE:
            return [kept.get(source.key) for source in sources]
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(DECODE_THREADS, thread_name_prefix="features") as pool:
            return list(pool.map(lambda source: kept.get(source.key), sources))


def _read_pixels(sources: Sequence[ImageSource], size: int) -> tuple[dict[int, UInt8], list[str]]:
    """Pixels by the source's index, from the first path that works, and the reason for each source without any."""
    pixels: dict[int, UInt8] = {}
    reasons: dict[int, str] = dict.fromkeys(range(len(sources)), "gone")
    for attempt in range(max((len(source.paths) for source in sources), default=0)):
        waiting = [i for i, source in enumerate(sources) if i not in pixels and attempt < len(source.paths)]
        told = [sources[i].told for i in waiting]
        decoded = decode_all([sources[i].paths[attempt] for i in waiting], size, told)
        for index, outcome in zip(waiting, decoded, strict=True):
            if isinstance(outcome, MediaError):
                reasons[index] = outcome.message
            elif outcome.facts.content_hash != sources[index].content_hash:
                reasons[index] = f"{sources[index].paths[attempt].name} has changed since it was indexed"
            else:
                pixels[index] = outcome.pixels
    return pixels, [reason for index, reason in reasons.items() if index not in pixels]
