"""The result of one input, and its line in a committed shard; the counts of a shard."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from imgsearch.media.facts.answers import packed, unpacked
from imgsearch.records import FileFacts, MediaFacts, Word


@dataclass(frozen=True, slots=True)
class Beside:
    """What the sidecars of an input say, and their digest (`sidecar_names.digest_of`)."""

    digest: int
    facts: FileFacts


@dataclass(frozen=True, slots=True)
class Embedded:
    """An input with a content that no earlier input of the shard has. Its vectors are the next in the file."""

    facts: MediaFacts
    words: tuple[Word, ...]
    mtime_ns: int
    beside: Beside | None = None


@dataclass(frozen=True, slots=True)
class Copied:
    """An input with the content of an earlier one of the shard."""

    content_hash: str
    size_bytes: int
    mtime_ns: int
    beside: Beside | None = None


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


def sum_results(results: Sequence[Result], seconds: float, encoding: float) -> ShardSums:
    """The counts of a shard with these results."""
    failed = [result for result in results if isinstance(result, Failed)]
    embedded = sum(isinstance(result, Embedded) for result in results)
    copies = len(results) - embedded - len(failed)
    transient = sum(result.transient for result in failed)
    return ShardSums(len(results), embedded, copies, len(failed), transient, round(seconds, 3), round(encoding, 3))


def result_line(result: Result) -> bytes:
    """A result as a line of JSON, with its line end."""
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
    if isinstance(result, Embedded | Copied) and result.beside is not None:
        told = {name: value for name, value in packed(result.beside.facts).items() if value is not None}
        data["beside"] = [result.beside.digest, told]
    return json.dumps(data, separators=(",", ":")).encode("ascii") + b"\n"


def read_result(line: bytes) -> Result:
    """The result of a line. Raises ValueError, KeyError, TypeError for a line that is none."""
    data = json.loads(line)
    beside = Beside(data["beside"][0], unpacked(data["beside"][1])) if "beside" in data else None
    if "facts" in data:
        words = tuple(Word(*word) for word in data.get("words", ()))
        return Embedded(MediaFacts(**data["facts"]), words, data["mtime_ns"], beside)
    if "copy" in data:
        return Copied(data["copy"], data["size_bytes"], data["mtime_ns"], beside)
    if "again" in data:
        return Again(data["again"])
    return Failed(*data["failed"])
