"""A pool that decodes files for the index: facts, signature and, if a model wants them, pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from imgsearch.errors import MediaError
from imgsearch.media.decode_pool.jobs import Job
from imgsearch.media.decode_pool.outcomes import unpack_outcome
from imgsearch.media.decode_pool.pool import HardenedPool
from imgsearch.media.decoded import DecodedImage, KnownContent

Outcome = DecodedImage | KnownContent | MediaError

_TASK = "imgsearch.media.decode_pool.decoding:decode_task"
_MOST_HASHES = (
    256  # hashes sent with a job: 17 KiB; if more files share a size, decoding one is cheaper than sending all
)


@dataclass(frozen=True, slots=True)
class DecodeJob:
    """One file to decode."""

    path: str
    size_bytes: int  # as the walk saw it; decides how many jobs share a message
    known_hashes: frozenset[str] = frozenset()  # sha256 of contents of exactly this size that need no decoding
    tag: Any = None  # the caller's; it never leaves this process
    told: int = 0  # the orientation from a sidecar, for an image that has none of its own


class DecodePool:
    """Decodes files for a model of ``size`` pixels: uint8 [size, size, 3]. Without ``pixels`` they are [0, 0, 3], for a
    library without a model, which needs only facts and signatures. Otherwise it behaves as `HardenedPool`."""

    def __init__(
        self,
        size: int,
        *,
        pixels: bool = True,
        workers: int = 0,
        ahead: int = 96,
        time_limit_s: float = 9.0,
        memory_bytes: int = 0,
        heavy_memory_bytes: int = 0,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self._pool = HardenedPool(
            _TASK,
            {"size": size, "pixels": pixels},
            workers=workers,
            ahead=ahead,
            time_limit_s=time_limit_s,
            memory_bytes=memory_bytes,
            heavy_memory_bytes=heavy_memory_bytes,
            stop=stop,
        )
        self.size = size
        self.workers = self._pool.workers
        self._side = size if pixels else 0

    def __enter__(self) -> DecodePool:
        return self

    def __exit__(self, *raised: Any) -> None:
        self._pool.__exit__(*raised)

    def run(self, jobs: Iterable[DecodeJob], *, ordered: bool = False) -> Iterator[tuple[DecodeJob, Outcome]]:
        """One outcome for each job, as they come, or in the order of the jobs if ``ordered``; see `HardenedPool.run`.
        Raises ImgsearchError if no worker can be started."""
        wrapped = (Job([job.path, _listed(job.known_hashes), job.told], job.size_bytes, job) for job in jobs)
        for wrapper, outcome in self._pool.run(wrapped, self._read, ordered=ordered):
            job: DecodeJob = wrapper.tag
            if isinstance(outcome, DecodedImage) and outcome.facts.content_hash in job.known_hashes:
                facts = outcome.facts
                yield job, KnownContent(facts.content_hash, facts.size_bytes, outcome.mtime_ns)
            else:
                yield job, outcome

    def close(self) -> None:
        """End the workers at once. They hold nothing worth keeping."""
        self._pool.close()

    def _read(self, head: dict[str, Any], body: bytes) -> DecodedImage | KnownContent:
        return unpack_outcome(head, body, self._side)


def _listed(known_hashes: frozenset[str]) -> list[str]:
    return sorted(known_hashes) if len(known_hashes) <= _MOST_HASHES else []
