"""A pool that reads small images: upright, within a number of pixels, of the expected content."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from imgsearch.errors import MediaError
from imgsearch.media.decode_pool.frames import MAX_BODY_BYTES
from imgsearch.media.decode_pool.jobs import Job
from imgsearch.media.decode_pool.pool import HardenedPool
from imgsearch.media.limits import MIB
from imgsearch.records import UInt8

_TASK = "imgsearch.media.decode_pool.decoding:small_task"
_AHEAD_BYTES = 48 * MIB  # of images that wait for the consumer
_MOST_AHEAD = 96


@dataclass(frozen=True, slots=True)
class SmallJob:
    """One image to read."""

    path: str
    content_hash: str | None = None  # sha256 that its bytes must have, else ContentChanged
    size_bytes: int = 0  # of the file, if known; decides how many jobs share a message
    tag: Any = None  # the caller's; it never leaves this process


class SmallPool:
    """Reads images within ``side`` pixels, as `open_upright` does, in workers that stay from run to run. At most about
    48 MiB of images wait for the consumer. Raises ValueError for a side whose images do not fit into an answer."""

    def __init__(self, side: int, *, workers: int = 0, time_limit_s: float = 9.0) -> None:
        largest = max(3 * side * side, 1)
        if side < 1 or largest > MAX_BODY_BYTES:
            raise ValueError(f"side is {side}, expected 1 to {int((MAX_BODY_BYTES // 3) ** 0.5)} pixels")
        ahead = max(1, min(_MOST_AHEAD, _AHEAD_BYTES // largest))
        self._pool = HardenedPool(_TASK, {"side": side}, workers=workers, ahead=ahead, time_limit_s=time_limit_s)
        self._side = side

    def __enter__(self) -> SmallPool:
        return self

    def __exit__(self, *raised: Any) -> None:
        self._pool.__exit__(*raised)

    def run(self, jobs: Iterable[SmallJob], *, ordered: bool = False) -> Iterator[tuple[SmallJob, UInt8 | MediaError]]:
        """Each image as uint8 [h, w, 3], sRGB, read-only, as they come, or in the order of the jobs if ``ordered``; see
        `HardenedPool.run`."""
        wrapped = (Job([job.path, job.content_hash], job.size_bytes, job) for job in jobs)
        for wrapper, outcome in self._pool.run(wrapped, self._read, ordered=ordered):
            yield wrapper.tag, outcome

    def close(self) -> None:
        """End the workers at once."""
        self._pool.close()

    def _read(self, head: dict[str, Any], body: bytes) -> UInt8:
        height, width = int(head["height"]), int(head["width"])
        if not (1 <= height <= self._side and 1 <= width <= self._side):
            raise ValueError(f"got a picture of {width} x {height} pixels, expected at most {self._side}")
        return np.frombuffer(body, np.uint8).reshape(height, width, 3)


def read_small(
    jobs: Iterable[SmallJob], side: int, *, workers: int = 0, time_limit_s: float = 9.0, ordered: bool = False
) -> Iterator[tuple[SmallJob, UInt8 | MediaError]]:
    """`SmallPool.run` with workers of its own, which end with the iterator. Gives uint8 [h, w, 3] within ``side``
    pixels, or a MediaError, for each job."""
    with SmallPool(side, workers=workers, time_limit_s=time_limit_s) as pool:
        yield from pool.run(jobs, ordered=ordered)
