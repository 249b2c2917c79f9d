"""A library's vectors for other programs: NumPy and Parquet files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from imgsearch.errors import UsageError
from imgsearch.records import Float32, Int64
from imgsearch.storage import Store

BLOCK = 1024
"""Images a block: 32 MB as float32 at 32 x 256."""


class VectorExport:
    """The vectors of every image that a search can return, as of the moment this was made. ``image_ids``: int64
    [N]."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._view = store.view()
        self.image_ids: Int64 = self._view.image_ids

    def __len__(self) -> int:
        return len(self.image_ids)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(N, T, D)."""
        return len(self), self._view.query_tokens, self._view.dims

    def blocks(self) -> Iterator[tuple[Int64, Float32]]:
        """(image ids [n], vectors float32 [n, T, D]), n <= `BLOCK`: memory stays bounded whatever N is."""
        for first in range(0, len(self), BLOCK):
            part = slice(first, first + BLOCK)
            yield self.image_ids[part], self._view.read(self._view.live_slots[part])

    def to_npy(self, path: str | os.PathLike[str]) -> None:
        """Write the vectors as one float32 array [N, T, D]; the image ids beside it, as ``NAME.ids.npy``."""
        target = Path(path)
        table = np.lib.format.open_memmap(target, "w+", np.float32, self.shape) if len(self) else None
        if table is None:
            np.save(target, np.empty(self.shape, np.float32))
        else:
            start = 0
            for ids, vectors in self.blocks():
                table[start : start + len(ids)] = vectors
                start += len(ids)
            table.flush()
        np.save(target.with_suffix(".ids.npy"), self.image_ids)

    def to_parquet(self, path: str | os.PathLike[str]) -> None:
        """Write one row an image: image_id, path, content_hash, vectors (T * D float32 in one list). Raises UsageError
        if pyarrow is not installed."""
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError as exc:
            raise UsageError("writing Parquet needs pyarrow", "pip install 'imgsearch[parquet]'") from exc
        _, tokens, dims = self.shape
        kind = pa.list_(pa.float32(), tokens * dims)
        fields = [("image_id", pa.int64()), ("path", pa.string()), ("content_hash", pa.string()), ("vectors", kind)]
        with pq.ParquetWriter(os.fspath(path), pa.schema(fields)) as writer:
            for ids, vectors in self.blocks():
                records, paths = self._store.images(ids.tolist()), self._store.paths(ids.tolist())
                columns = [
                    pa.array(ids),
                    pa.array([_text(paths.get(number)) for number in ids.tolist()], pa.string()),
                    pa.array([records[number].facts.content_hash for number in ids.tolist()]),
                    pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), tokens * dims),
                ]
                writer.write_batch(pa.record_batch(columns, schema=pa.schema(fields)))


def _text(path: Path | None) -> str | None:
    """Parquet holds text only: bytes of a path that are not UTF-8 become the replacement character."""
    return None if path is None else os.fsencode(path).decode("utf-8", "replace")
