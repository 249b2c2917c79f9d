"""The processes that read single files and pairs of files for one search. They start once for traits, samples and
looks, because a start costs as much as 50 looks."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from imgsearch.errors import MediaError
from imgsearch.media.decode_pool import HardenedPool, Job

T = TypeVar("T")

_LIMIT_S = 60.0  # for a job: a film of 10,000 frames, two images of 200 megapixels


class FilePool:
    """Starts no process before the first file; leaving it ends all of them."""

    def __init__(self) -> None:
        self._pool = HardenedPool("imgsearch.dedup.pixels.inspection.task:answer", {}, time_limit_s=_LIMIT_S)

    def __enter__(self) -> FilePool:
        return self

    def __exit__(self, *raised: Any) -> None:
        self._pool.__exit__(*raised)

    def doing(self, task: str) -> FileTask:
        """A pool for one of `inspection.task`'s tasks: "describe", "samples" or "inspect"."""
        return FileTask(self._pool, task)


class FileTask:
    """A `FilePool` as a pool for one task, for `batches.run_batches`. One run at a time."""

    def __init__(self, pool: HardenedPool, task: str) -> None:
        self._pool, self._task = pool, task

    def run(
        self, jobs: Iterable[Job], read: Callable[[dict[str, Any], bytes], T]
    ) -> Iterator[tuple[Job, T | MediaError]]:
        """Same as `HardenedPool.run`; the returned jobs have the tags of those that were given."""
        return self._pool.run((Job([self._task, job.arguments], job.size_bytes, job.tag) for job in jobs), read)


@contextlib.contextmanager
def file_pool(lent: FilePool | None = None) -> Iterator[FilePool]:
    """Yields the pool that is ``lent`` and leaves it running, or a pool for this block."""
    if lent is not None:
        yield lent
        return
    with FilePool() as own:
        yield own
