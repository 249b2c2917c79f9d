"""Reads committed shards, and compares every checksum and count on the way."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from imgsearch.errors import SegmentDamaged
from imgsearch.records import SIGNATURE_BYTES, Float32
from indexer.jobs.shards.results import Embedded, Result, ShardSums, read_result
from indexer.jobs.shards.writer import FEATURES, LENGTH, MARKER, ROWS, SIGNATURES, VECTORS
from indexer.jobs.spec import JobSpec, Shard


def committed(spec: JobSpec, shard: Shard) -> ShardSums | None:
    """The counts of a shard if it is committed. Raises SegmentDamaged for a marker that is not of this job."""
    marker = _marker(spec, shard)
    return None if marker is None else ShardSums(**marker["sums"])


def _marker(spec: JobSpec, shard: Shard) -> dict[str, Any] | None:
    path = spec.layout.shard(shard.index) / MARKER
    try:
        marker: dict[str, Any] = json.loads(path.read_bytes())
        wanted = (shard.index, shard.digest, spec.model.fingerprint)
        if (marker["shard"], marker["list"], marker["model"]) == wanted:
            return marker
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as exc:
        raise damaged(spec, shard, f"{MARKER} is not what was written") from exc
    raise damaged(spec, shard, f"{MARKER} belongs to other inputs or another model")


def damaged(spec: JobSpec, shard: Shard, detail: str) -> SegmentDamaged:
    """The error for a committed shard that cannot be trusted."""
    return SegmentDamaged(
        f"shard {shard.index} ({spec.layout.shard(shard.index)}) is damaged: {detail}",
        f"imgsearch job resume {spec.folder} --check drops damaged shards and does them again",
    )


class ShardRow(NamedTuple):
    """The result of an input. What is not `Embedded` has no vectors [T, D], no signature and no file of features; nor
    has a job that keeps none."""

    result: Result
    vectors: Float32 | None = None
    signature: bytes = b""
    features: bytes = b""


class ShardReader:
    """Reads a committed shard once, in the order of its inputs. When the iteration ends, every checksum and count has
    been compared. Raises SegmentDamaged."""

    def __init__(self, spec: JobSpec, shard: Shard) -> None:
        self._spec, self._shard = spec, shard
        marker = _marker(spec, shard)
        if marker is None:
            raise damaged(spec, shard, "it is not there")
        self._files: dict[str, tuple[int, str]] = {name: tuple(pair) for name, pair in marker["files"].items()}
        self.sums = ShardSums(**marker["sums"])

    def __iter__(self) -> Iterator[ShardRow]:
        model = self._spec.model
        shape = (model.query_tokens, model.dims)
        found = []
        try:
            with contextlib.ExitStack() as held:
                streams = {name: held.enter_context(self._open(name)) for name in self._files}
                for line in streams[ROWS]:
                    result = read_result(line)
                    found.append(type(result))
                    if isinstance(result, Embedded):
                        numbers = np.frombuffer(streams[VECTORS].read(2 * shape[0] * shape[1]), "<f2").reshape(shape)
                        signature = streams[SIGNATURES].read(SIGNATURE_BYTES)
                        yield ShardRow(result, numbers.astype(np.float32), signature, self._features(streams))
                    else:
                        yield ShardRow(result)
                for name, stream in streams.items():
                    stream.finish(self._files[name])
        except (OSError, ValueError, TypeError, KeyError, struct.error) as exc:
            raise damaged(self._spec, self._shard, str(exc)) from exc
        if len(found) != self._shard.count or found.count(Embedded) != self.sums.embedded:
            raise damaged(self._spec, self._shard, f"{len(found)} rows for {self._shard.count} inputs")

    def _features(self, streams: dict[str, _Checked]) -> bytes:
        if not self._spec.features:
            return b""
        (length,) = LENGTH.unpack(streams[FEATURES].read(LENGTH.size))
        return streams[FEATURES].read(length)

    def _open(self, name: str) -> _Checked:
        return _Checked(self._spec.layout.shard(self._shard.index) / name)


class _Checked:
    """A file that is read once from its start, and its sha256."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._digest = hashlib.sha256()
        self._size = 0

    def __enter__(self) -> _Checked:
        return self

    def __exit__(self, *raised: object) -> None:
        self._file.close()

    def read(self, count: int) -> bytes:
        return self._note(self._file.read(count))

    def __iter__(self) -> Iterator[bytes]:
        return map(self._note, self._file)

    def finish(self, wanted: tuple[int, str]) -> None:
        """Raise ValueError unless the file has this size and sha256."""
        while self.read(1 << 20):
            pass
        if (self._size, self._digest.hexdigest()) != wanted:
            raise ValueError(f"{os.path.basename(self._file.name)} is not what was written")  # noqa: PTH119

    def _note(self, content: bytes) -> bytes:
        self._digest.update(content)
        self._size += len(content)
        return content
