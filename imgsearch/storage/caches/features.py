"""ViT features on disk, so that a re-rank need not decode and encode its candidates again.

One file a content, int8 with a float32 scale a token: 12.7 KB an image for the small model, 363 KB for the real one.
This is a cache (file_cache.py): a missing, damaged or foreign file counts as absent. After a power cut a torn file
fails its checksum.
"""

from __future__ import annotations

import contextlib
import hashlib
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgsearch.records import Float32, ModelId
from imgsearch.storage.caches.file_cache import FileCache

SUFFIX = ".q8"
KEEP_ALL = "keep-all"
"""A file of this name in the folder says that an index run keeps the features of every image, without a budget."""
_HEADER = struct.Struct("<8s16sIII")  # magic, model digest, N, W, crc32 of what follows
_MAGIC = b"IMGSFEA1"
_STEPS = 127


@dataclass(frozen=True, slots=True)
class QuantisedFeatures:
    """Features of one image: ``steps`` int8 [N, W] times ``scales`` float32 [N]; off by at most half a scale. A scale
    is 1/127 of the token's largest value."""

    steps: NDArray[np.int8]
    scales: Float32

    @staticmethod
    def of(features: NDArray[Any]) -> QuantisedFeatures:
        """Features [N, W] of any float type."""
        values = np.asarray(features, np.float32)
        scales = np.abs(values).max(axis=1) / np.float32(_STEPS)  # [N]
        safe = np.where(scales > 0, scales, np.float32(1))
        return QuantisedFeatures(np.rint(values / safe[:, None]).astype(np.int8), scales)

    def restored(self) -> Float32:
        """float32 [N, W]."""
        return self.steps.astype(np.float32) * self.scales[:, None]


class FeatureStore:
    """The features of one library's images, by content hash, in a `FileCache`, with the same promises.

    ``budget_bytes``: if more is kept, the least recently used are removed; None keeps all, as `keep_all` does for good.
    """

    def __init__(self, folder: Path, model: ModelId, budget_bytes: int | None) -> None:
        self._folder = folder
        self._digest = features_digest(model)
        self._given_bytes = budget_bytes
        self._files = FileCache(folder, SUFFIX, None if (folder / KEEP_ALL).exists() else budget_bytes)

    def keep_all(self, wanted: bool) -> None:
        """Keep every image's features whatever the budget, from now on and in later processes; or stop doing so."""
        with contextlib.suppress(OSError):
            if wanted:
                (self._folder / KEEP_ALL).touch()
                self._files.budget_bytes = None
            else:
                (self._folder / KEEP_ALL).unlink(missing_ok=True)
                self._files.budget_bytes = self._given_bytes

    @property
    def keeps_all(self) -> bool:
        """True if nothing is ever evicted."""
        return self._files.budget_bytes is None

    @property
    def budget_bytes(self) -> int | None:
        """What may be kept; None where all is."""
        return self._files.budget_bytes

    def size_bytes(self) -> int:
        """What is kept. 5 us a picture."""
        return self._files.size_bytes()

    def get(self, content_hash: str) -> QuantisedFeatures | None:
        """The features kept for a content, now the most recently used; None if there are none or they are damaged."""
        content = self._files.read(content_hash)
        found = None if content is None else self._unpack(content)
        if content is not None and found is None:
            self._files.drop(content_hash)
        return found

    def holds(self, content_hash: str) -> bool:
        """Whether there is a file for a content; it may be damaged."""
        return self._files.path(content_hash).is_file()

    def put(self, content_hash: str, features: QuantisedFeatures) -> None:
        """Keep ``features``; makes room first if the budget requires it."""
        self._files.write(content_hash, packed_features(features, self._digest))

    def peek(self, content_hash: str) -> bytes | None:
        """The kept file as it lies, if it is sound; neither its last use nor a damaged file is touched."""
        try:
            content = self._files.path(content_hash).read_bytes()
        except OSError:
            return None
        return None if self._unpack(content) is None else content

    def place(self, content_hash: str) -> Path:
        """Where the features of a content lie, or would."""
        return self._files.path(content_hash)

    def drop(self, content_hash: str) -> None:
        """Remove the features of a content, because it looks different now."""
        self._files.drop(content_hash)

    def _unpack(self, content: bytes) -> QuantisedFeatures | None:
        if len(content) < _HEADER.size:
            return None
        magic, digest, tokens, width, checksum = _HEADER.unpack_from(content)
        body = memoryview(content)[_HEADER.size :]
        sound = magic == _MAGIC and digest == self._digest and len(body) == tokens * (4 + width)
        if not sound or zlib.crc32(body) != checksum:
            return None
        scales = np.frombuffer(body[: 4 * tokens], "<f4").astype(np.float32)
        return QuantisedFeatures(np.frombuffer(body[4 * tokens :], np.int8).reshape(tokens, width), scales)


def packed_features(features: QuantisedFeatures, digest: bytes) -> bytes:
    """The content of a file of features; ``digest`` as `features_digest` gives it."""
    body = features.scales.astype("<f4").tobytes() + np.ascontiguousarray(features.steps).tobytes()
    return _HEADER.pack(_MAGIC, digest, *features.steps.shape, zlib.crc32(body)) + body


def features_digest(model: ModelId) -> bytes:
    """16 bytes that distinguish models whose features differ; the name does not count."""
    text = "\n".join((model.fingerprint, model.recipe, model.dtype))
    return hashlib.blake2b(text.encode(), digest_size=16).digest()
