"""A shard on disk: a folder with one line an input, the vectors and signatures of new contents, and a marker.

    rows.jsonl       one line an input, in the order of the list: facts, or the content that it equals, or a failure
    vectors.f16      float16 [embedded, T, D], little endian
    signatures.bin   uint8 [embedded, 1536]
    features.q8      where the job keeps features: for each new content a length (4 bytes, little endian) and their file
    done.json        the marker: counts, and size and sha256 of the other files

A shard is made in a folder of its own below ``work``. Its files are fsynced, then the marker, then one rename puts the
folder below ``shards``. So a shard is there whole or not at all, and two workers cannot both commit it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from imgsearch.errors import StorageFull
from imgsearch.files import fsync_folder, reached, storage_full, write_whole
from imgsearch.records import Float32
from indexer.jobs.shards.results import Result, ShardSums, result_line, sum_results
from indexer.jobs.spec import JobSpec, Shard

ROWS, VECTORS, SIGNATURES, MARKER = "rows.jsonl", "vectors.f16", "signatures.bin", "done.json"
FEATURES = "features.q8"
LENGTH = struct.Struct("<I")


@contextlib.contextmanager
def writing_job(path: Path) -> Iterator[None]:
    """Refusals of the disk while ``path`` is written, as StorageFull."""
    try:
        yield
    except OSError as exc:
        if refusal := storage_full(exc, path):
            raise StorageFull(refusal.message, _SPACE_HINT) from exc
        raise


_SPACE_HINT = "free some space or make the folder writable, then go on with `imgsearch job resume DIR`; nothing is lost"


class _Summed:
    """A new file that knows its size and sha256."""

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("xb")
        self._digest = hashlib.sha256()
        self._size = 0

    def drop(self) -> None:
        """Close it, whatever becomes of its bytes."""
        with contextlib.suppress(OSError):
            self._file.close()

    def write(self, content: bytes) -> None:
        self._file.write(content)
        self._digest.update(content)
        self._size += len(content)

    def finish(self) -> tuple[int, str]:
        """Make it durable and close it; its size and sha256."""
        with self._file:
            self._file.flush()
            os.fsync(self._file.fileno())
        return self._size, self._digest.hexdigest()


def features_bytes_of(spec: JobSpec) -> int:
    """What the kept features of all committed shards take."""
    return sum(path.stat().st_size for path in spec.layout.shards.glob(f"*/{FEATURES}"))


class ShardWriter:
    """Makes a shard in the new folder ``folder``. Raises StorageFull."""

    def __init__(self, spec: JobSpec, shard: Shard, folder: Path) -> None:
        self._spec, self._shard, self._folder = spec, shard, folder
        with writing_job(folder):
            folder.mkdir(parents=True)
            self.staged.mkdir()
            names = (ROWS, VECTORS, SIGNATURES, *([FEATURES] if spec.features else []))
            self._files = {name: _Summed(folder / name) for name in names}

    @property
    def staged(self) -> Path:
        """A folder for files that are needed only while the shard is made."""
        return self._folder / "staged"

    def add(self, vectors: Sequence[Float32], signatures: Sequence[bytes], features: Sequence[bytes] = ()) -> None:
        """Append new contents: float32 [T, D] and a signature each, and, where the job keeps them, the file of its
        features."""
        if not vectors:
            return
        with writing_job(self._folder):
            self._files[VECTORS].write(np.stack(vectors).astype("<f2").tobytes())
            self._files[SIGNATURES].write(b"".join(signatures))
            for each in features:
                self._files[FEATURES].write(LENGTH.pack(len(each)) + each)
        reached("job-vectors-written")

    def commit(self, results: Sequence[Result], seconds: float, encoding: float) -> ShardSums:
        """Write the rows and the marker, make all of it durable, and put the folder in its place. A shard that is
        there already stays: it was made from the same inputs."""
        sums = sum_results(results, seconds, encoding)
        with writing_job(self._folder):
            shutil.rmtree(self.staged)
            for result in results:
                self._files[ROWS].write(result_line(result))
            files = {name: file.finish() for name, file in self._files.items()}
            reached("job-shard-fsynced")
            marker = {
                "format": 1,
                "shard": self._shard.index,
                "list": self._shard.digest,
                "model": self._spec.model.fingerprint,
                "sums": dataclasses.asdict(sums),
                "files": files,
            }
            write_whole(self._folder / MARKER, json.dumps(marker, indent=1).encode("ascii") + b"\n")
            reached("job-shard-marked")
            place = self._spec.layout.shard(self._shard.index)
            if not place.exists():
                self._folder.rename(place)
                fsync_folder(place.parent)
                reached("job-shard-committed")
        self.discard()
        return sums

    def discard(self) -> None:
        """Remove what is left in ``work``."""
        for file in self._files.values():
            file.drop()
        shutil.rmtree(self._folder, ignore_errors=True)
