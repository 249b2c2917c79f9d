"""The ledger: every input of a job by number, and which shards are committed. While a job runs, nothing changes but the
folders that appear below ``shards``."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from imgsearch.errors import LibraryError
from indexer.jobs.inputs.rows import InputRow, read_row
from indexer.jobs.shards.reader import committed
from indexer.jobs.shards.results import ShardSums
from indexer.jobs.spec import JobSpec, Shard


def read_list(spec: JobSpec, shard: Shard) -> Iterator[InputRow]:
    """The inputs of a shard, in order. Raises LibraryError if the list is not what was written."""
    path = spec.layout.list_of(shard.index)
    digest, count = hashlib.sha256(), 0
    try:
        with path.open("rb") as file:
            for line in file:
                digest.update(line)
                count += 1
                yield read_row(line)
    except OSError as exc:
        raise LibraryError(f"the list {path} cannot be read: {exc.strerror}", _HINT) from exc
    if (count, digest.hexdigest()) != (shard.count, shard.digest):
        raise LibraryError(f"the list {path} is not what was written when the job was created", _HINT)


_HINT = "put it back from a backup, or create the job again in another folder"


@dataclass(frozen=True, slots=True)
class JobSums:
    """A job's account. ``inputs`` = ``embedded`` + ``copies`` + ``failed`` + ``pending``: those of shards that are not
    committed are pending. Until it is published, a content that several shards hold counts as embedded in each."""

    inputs: int
    embedded: int
    copies: int
    failed: int
    transient: int
    pending: int
    shards: int
    shards_done: int
    seconds: float
    encoding: float

    @property
    def complete(self) -> bool:
        return self.shards_done == self.shards


def sums_of(shards: Sequence[Shard], done: Iterable[ShardSums]) -> JobSums:
    """The account of ``shards``, of which those with these counts are committed."""
    found, inputs = list(done), sum(shard.count for shard in shards)

    def total(name: str) -> int:
        return sum(getattr(sums, name) for sums in found)

    return JobSums(
        inputs=inputs,
        embedded=total("embedded"),
        copies=total("copies"),
        failed=total("failed"),
        transient=total("transient"),
        pending=inputs - total("inputs"),
        shards=len(shards),
        shards_done=len(found),
        seconds=sum(sums.seconds for sums in found),
        encoding=sum(sums.encoding for sums in found),
    )


def done_shards(spec: JobSpec) -> dict[int, ShardSums]:
    """The committed shards, by number. Raises SegmentDamaged for a marker of something else."""
    found = ((shard.index, committed(spec, shard)) for shard in spec.shards)
    return {index: sums for index, sums in found if sums is not None}
