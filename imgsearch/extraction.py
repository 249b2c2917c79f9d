"""Features as LAVIS's extract_features gives them, row by row into NumPy and Parquet files."""

from __future__ import annotations

import contextlib
import csv
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.lib import format as npy

from imgsearch.errors import StorageFull, UsageError
from imgsearch.records import Float32

MODES = ("image", "text", "multimodal")
ENDINGS = (".npy", ".parquet")


@dataclass(frozen=True, slots=True)
class FeatureRow:
    """One row: of a picture (``image_id`` None outside a library), a text, or both. ``embeds`` float32 [T, H],
    ``projected`` [T, D] or None; of a text as many rows as it has word pieces."""

    embeds: Float32
    projected: Float32 | None
    image_id: int | None = None
    path: Path | None = None
    text: str | None = None


class FeatureFile(Protocol):
    """Takes rows, batch by batch."""

    def append(self, rows: list[FeatureRow]) -> None: ...


@contextlib.contextmanager
def feature_file(path: Path, longest: int) -> Iterator[FeatureFile]:
    """A new file: ``.parquet``, or ``.npy`` with the projected vectors in ``NAME.proj.npy`` and what the rows are of in
    ``NAME.rows.csv``. ``longest``: word pieces of the longest text, to which NumPy's rows are filled up with zeros (0:
    rows have one length). What is written under a temporary name appears when the block ends well.

    Raises UsageError as `require_new` does, where another run is writing the same file, and where pyarrow is not
    installed; StorageFull."""
    require_new(path)
    try:
        with _alone(path):
            made = _Npy(path, longest) if path.suffix == ".npy" else _Parquet(path)
            try:
                yield made
                made.finish()
            finally:
                made.close()
    except OSError as exc:
        raise StorageFull(
            f"{path} cannot be written: {exc.strerror or exc}", "free some space, or name another folder"
        ) from exc


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold the lock on the part of a file that is being written; a killed run's leftover is written over."""
    with _part(path).open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise UsageError(
                f"another run is writing {path}", "wait until it is done, or take another name with --out"
            ) from exc
        yield


def _part(path: Path) -> Path:
    """The temporary name of a file until it is whole."""
    return path.with_name(f".{path.name}.part")


def require_new(path: Path) -> None:
    """Raise UsageError for a file of features that cannot be made: of another ending, in no folder, or there already.
    Asked before a model is loaded."""
    if path.suffix not in ENDINGS:
        raise UsageError(f"received {path}, expected a name that ends in {' or '.join(ENDINGS)}", "--out features.npy")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"there is no folder {path.absolute().parent}", "make it first")
    for one in _names(path):
        if one.exists():
            raise UsageError(f"{one} is there already", "take another name, or remove it first")


def _names(path: Path) -> list[Path]:
    if path.suffix == ".parquet":
        return [path]
    return [path, path.with_suffix(".proj.npy"), path.with_suffix(".rows.csv")]


class _Table:
    """One growing array of float32 in a .npy file."""

    def __init__(self, path: Path) -> None:
        self._path, self._file, self._rows = path, path.open("wb"), 0
        self._shape: tuple[int, ...] | None = None

    def append(self, block: Float32) -> None:
        if self._shape is None:
            self._shape = block.shape[1:]
            self._write_header(1 << 40)  # as wide as any number of rows
        self._file.write(np.ascontiguousarray(block, dtype="<f4").tobytes())
        self._rows += len(block)

    def finish(self) -> None:
        if self._shape is None:
            self._shape = (0, 0)
        self._file.seek(0)
        self._write_header(self._rows)

    def close(self) -> None:
        self._file.close()

    def _write_header(self, rows: int) -> None:
        """Of one length for any number of rows."""
        assert self._shape is not None
        about = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {', '.join(map(str, self._shape))}), }}"
        self._file.write(npy.magic(1, 0) + (118).to_bytes(2, "little") + about.ljust(117).encode() + b"\n")


class _Npy:
    def __init__(self, path: Path, longest: int) -> None:
        self._longest = longest
        self._names = _names(path)
        self._parts = [_part(name) for name in self._names]
        self._embeds, self._projected = _Table(self._parts[0]), _Table(self._parts[1])
        self._list = self._parts[2].open("w", encoding="utf-8", errors="backslashreplace", newline="")
        self._csv = csv.writer(self._list)
        self._csv.writerow(("row", "image_id", "path", "text", "tokens"))
        self._count, self._with_projected = 0, False

    def append(self, rows: list[FeatureRow]) -> None:
        self._embeds.append(np.stack([self._filled(row.embeds) for row in rows]))
        projected = [row.projected for row in rows if row.projected is not None]
        if projected:
            self._with_projected = True
            self._projected.append(np.stack([self._filled(one) for one in projected]))
        for row in rows:
            self._csv.writerow((self._count, row.image_id, row.path, row.text, len(row.embeds)))
            self._count += 1

    def finish(self) -> None:
        self._embeds.finish()
        self._projected.finish()
        self._shut()
        for part, name in zip(self._parts, self._names, strict=True):
            if part is not self._parts[1] or self._with_projected:
                part.replace(name)

    def close(self) -> None:
        self._shut()
        for part in self._parts:
            part.unlink(missing_ok=True)

    def _shut(self) -> None:
        self._embeds.close()
        self._projected.close()
        self._list.close()

    def _filled(self, states: Float32) -> Float32:
        return np.pad(states, ((0, max(0, self._longest - len(states))), (0, 0))) if self._longest else states


class _Parquet:
    def __init__(self, path: Path) -> None:
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError as exc:
            raise UsageError("writing Parquet needs pyarrow", "pip install 'imgsearch[parquet]'") from exc
        self._pa, self._pq = pa, pq
        self._path, self._part = path, _part(path)
        self._writer: Any = None

    def append(self, rows: list[FeatureRow]) -> None:
        pa = self._pa
        columns = {
            "image_id": pa.array([row.image_id for row in rows], pa.int64()),
            "path": pa.array([None if row.path is None else _text(row.path) for row in rows], pa.string()),
            "text": pa.array([row.text for row in rows], pa.string()),
            "tokens": pa.array([len(row.embeds) for row in rows], pa.int32()),
            "embeds": pa.array([row.embeds.reshape(-1) for row in rows], pa.list_(pa.float32())),
            "embeds_proj": pa.array(
                [None if row.projected is None else row.projected.reshape(-1) for row in rows], pa.list_(pa.float32())
            ),
        }
        batch = pa.record_batch(columns)
        if self._writer is None:
            self._writer = self._pq.ParquetWriter(os.fspath(self._part), batch.schema)
        self._writer.write_batch(batch)

    def finish(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._part.replace(self._path)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._part.unlink(missing_ok=True)


def _text(path: Path) -> str:
    return os.fsencode(path).decode("utf-8", "replace")
