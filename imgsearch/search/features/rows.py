"""ViT features of many images, in bounded memory."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from imgsearch.errors import MediaError, StorageFull, UsageError
from imgsearch.model.arrays import as_numpy
from imgsearch.model.contract import Embedder
from imgsearch.records import Float32, Int64
from imgsearch.search.features.images import decode_all

MEMORY_BYTES = 2 << 30
"""Features up to this size stay in memory as float32: 40,000 images of the small model, 1,480 of the full-size one."""


class FeatureRows:
    """Features [count, N, W], filled in order, read by index.

    Beyond ``memory_bytes`` they are stored in a temporary file as float16, and the operating system caches what it can.
    5,000 images of the full-size model (257 x 1408) take 3.6 GB of disk and are encoded once, not once for every pair.
    float16 moves an ITM logit by about 1e-3.
    """

    def __init__(self, count: int, memory_bytes: int = MEMORY_BYTES) -> None:
        self._count, self._memory_bytes = count, memory_bytes
        self._rows: NDArray[Any] = np.empty((0, 0, 0), np.float32)
        self._filled = 0

    @classmethod
    def of(cls, features: NDArray[Any]) -> FeatureRows:
        """Rows over an array [I, N, W] that is already in memory."""
        rows = cls(len(features))
        rows._rows, rows._filled = features, len(features)
        return rows

    def __len__(self) -> int:
        return self._filled

    def append(self, features: NDArray[Any]) -> None:
        """Add the features [n, N, W] of the next images."""
        if self._filled == 0:
            self._rows = self._allocate((self._count, *features.shape[1:]))
        self._rows[self._filled : self._filled + len(features)] = features
        self._filled += len(features)

    def gather(self, indices: Int64 | slice) -> NDArray[Any]:
        """[n, N, W] float32 or float16; a copy for an index array."""
        rows: NDArray[Any] = self._rows[: self._filled][indices]
        return rows

    def _allocate(self, shape: tuple[int, ...]) -> NDArray[Any]:
        size_bytes = int(np.prod(shape, dtype=np.int64))
        if 4 * size_bytes <= self._memory_bytes:
            return np.empty(shape, np.float32)
        try:
            with tempfile.TemporaryFile(prefix="imgsearch-features-") as file:  # the memory map keeps it open
                if hasattr(os, "posix_fallocate"):  # without it, a full disk would cause a bus error much later
                    os.posix_fallocate(file.fileno(), 0, 2 * size_bytes)
                return np.memmap(file, np.float16, mode="w+", shape=shape)
        except OSError as exc:
            raise StorageFull(
                f"no room for {2 * size_bytes / 1e9:.1f} GB of features in {tempfile.gettempdir()}: {exc}",
                "free space, or set TMPDIR to a folder with more",
            ) from exc


def encode_files(
    model: Embedder, paths: Sequence[Path], *, batch_size: int, progress: bool = False
) -> tuple[FeatureRows, Float32]:
    """Features and token vectors [I, T, D] of the image files. Raises UsageError for a file that cannot be decoded."""
    rows = FeatureRows(len(paths))
    tokens = np.empty((len(paths), model.query_tokens, model.dims), np.float32)
    batch: list[Any] = []
    decoded = decode_all(paths, model.image_size)
    for path, outcome in zip(tqdm(paths, "pictures", unit="img", disable=not progress), decoded, strict=True):
        if isinstance(outcome, MediaError):
            raise UsageError(f"{path} cannot be decoded: {outcome.message}", "mend the file or drop its line")
        batch.append(outcome.pixels)
        if len(batch) == batch_size or len(rows) + len(batch) == len(paths):
            first = len(rows)
            features = model.encode_images(model.preprocess_arrays(np.stack(batch)))
            tokens[first : first + len(batch)] = as_numpy(model.embed_features(features))
            rows.append(as_numpy(features))
            batch.clear()
    return rows, tokens
