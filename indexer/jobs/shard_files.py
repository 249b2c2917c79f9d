"""A shard on disk: a folder with one line an input, the vectors and signatures of new contents, and a marker.

    rows.jsonl       one line an input, in the order of the list: facts, or the content that it equals, or a failure
    vectors.f16      float16 [embedded, T, D], little endian
    signatures.bin   uint8 [embedded, 1536]
    done.json        the marker: counts, and size and sha256 of the three files

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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from imgsearch.errors import SegmentDamaged, StorageFull
from imgsearch.files import fsync_folder, reached, storage_full, write_whole
from imgsearch.records import SIGNATURE_BYTES, Float32, MediaFacts, Word
from indexer.jobs.spec import JobSpec, Shard

ROWS, VECTORS, SIGNATURES, MARKER = "rows.jsonl", "vectors.f16", "signatures.bin", "done.json"


@dataclass(frozen=True, slots=True)
class Embedded:
    """An input with a content that no earlier input of the shard has. Its vectors are the next in the file."""

    facts: MediaFacts
    words: tuple[Word, ...]
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Copied:
    """An input with the content of an earlier one of the shard."""

    content_hash: str
    size_bytes: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Again:
    """An input that names what an earlier one of the job names. ``first``: the number of that one."""

    first: int


@dataclass(frozen=True, slots=True)
class Failed:
    """An input without vectors, and why. ``transient``: another attempt may succeed though the file is the same."""

    stage: str
    reason: str
    transient: bool
    size_bytes: int
    mtime_ns: int


Result = Embedded | Copied | Again | Failed


@dataclass(frozen=True, slots=True)
class ShardSums:
    """Counts of a committed shard: ``inputs`` = ``embedded`` + ``copies`` + ``failed``. ``transient``: failures that
    another attempt may mend. ``seconds``: what it took, of which ``encoding`` in the model."""

    inputs: int
    embedded: int
    copies: int
    failed: int
    transient: int
    seconds: float = 0.0
    encoding: float = 0.0


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


class ShardWriter:
    """Makes a shard in the new folder ``folder``. Raises StorageFull."""

    def __init__(self, spec: JobSpec, shard: Shard, folder: Path) -> None:
        self._spec, self._shard, self._folder = spec, shard, folder
        with writing_job(folder):
            folder.mkdir(parents=True)
            self.staged.mkdir()
            self._files = {name: _Summed(folder / name) for name in (ROWS, VECTORS, SIGNATURES)}

    @property
    def staged(self) -> Path:
        """A folder for files that are needed only while the shard is made."""
        return self._folder / "staged"

    def add(self, vectors: Sequence[Float32], signatures: Sequence[bytes]) -> None:
        """Append new contents: float32 [T, D] and a signature each."""
        if not vectors:
            return
        with writing_job(self._folder):
            self._files[VECTORS].write(np.stack(vectors).astype("<f2").tobytes())
            self._files[SIGNATURES].write(b"".join(signatures))
        reached("job-vectors-written")

    def commit(self, results: Sequence[Result], seconds: float, encoding: float) -> ShardSums:
        """Write the rows and the marker, make all of it durable, and put the folder in its place. A shard that is
        there already stays: it was made from the same inputs."""
        sums = _summed(results, seconds, encoding)
        with writing_job(self._folder):
            shutil.rmtree(self.staged)
            for result in results:
                self._files[ROWS].write(_line(result))
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


class ShardReader:
    """Reads a committed shard once, in the order of its inputs: ``for result, vectors, signature in reader``, the last
    two empty for what is not `Embedded`. When the iteration ends, every checksum and count has been compared. Raises
    SegmentDamaged."""

    def __init__(self, spec: JobSpec, shard: Shard) -> None:
        self._spec, self._shard = spec, shard
        marker = _marker(spec, shard)
        if marker is None:
            raise damaged(spec, shard, "it is not there")
        self._files: dict[str, tuple[int, str]] = {name: tuple(pair) for name, pair in marker["files"].items()}
        self.sums = ShardSums(**marker["sums"])

    def __iter__(self) -> Iterator[tuple[Result, Float32 | None, bytes]]:
        model = self._spec.model
        shape = (model.query_tokens, model.dims)
        found = []
        try:
            with contextlib.ExitStack() as held:
                rows, vectors, signatures = (held.enter_context(self._open(name)) for name in self._files)
                for line in rows:
                    result = _result(line)
                    found.append(type(result))
                    if isinstance(result, Embedded):
                        numbers = np.frombuffer(vectors.read(2 * shape[0] * shape[1]), "<f2").reshape(shape)
                        yield result, numbers.astype(np.float32), signatures.read(SIGNATURE_BYTES)
                    else:
                        yield result, None, b""
                for name, stream in zip(self._files, (rows, vectors, signatures), strict=True):
                    stream.finish(self._files[name])
        except (OSError, ValueError, TypeError, KeyError) as exc:
            raise damaged(self._spec, self._shard, str(exc)) from exc
        if len(found) != self._shard.count or found.count(Embedded) != self.sums.embedded:
            raise damaged(self._spec, self._shard, f"{len(found)} rows for {self._shard.count} inputs")

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


def _summed(results: Sequence[Result], seconds: float, encoding: float) -> ShardSums:
    failed = [result for result in results if isinstance(result, Failed)]
    embedded = sum(isinstance(result, Embedded) for result in results)
    copies = len(results) - embedded - len(failed)
    transient = sum(result.transient for result in failed)
    return ShardSums(len(results), embedded, copies, len(failed), transient, round(seconds, 3), round(encoding, 3))


def _line(result: Result) -> bytes:
    if isinstance(result, Embedded):
        facts = {name: value for name, value in dataclasses.asdict(result.facts).items() if value is not None}
        data: dict[str, Any] = {"facts": facts, "mtime_ns": result.mtime_ns}
        if result.words:
            data["words"] = result.words
    elif isinstance(result, Copied):
        data = {"copy": result.content_hash, "size_bytes": result.size_bytes, "mtime_ns": result.mtime_ns}
    elif isinstance(result, Again):
        data = {"again": result.first}
    else:
        data = {"failed": dataclasses.astuple(result)}
    return json.dumps(data, separators=(",", ":")).encode("ascii") + b"\n"


def _result(line: bytes) -> Result:
    data = json.loads(line)
    if "facts" in data:
        words = tuple(Word(*word) for word in data.get("words", ()))
        return Embedded(MediaFacts(**data["facts"]), words, data["mtime_ns"])
    if "copy" in data:
        return Copied(data["copy"], data["size_bytes"], data["mtime_ns"])
    if "again" in data:
        return Again(data["again"])
    return Failed(*data["failed"])
