"""Runs several jobs as one in the hardened pool; if one of them breaks the batch, each runs again alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from imgsearch.dedup.file_pool import FileTask
from imgsearch.dedup.pixels.inspection.several import taken_apart
from imgsearch.errors import MediaError
from imgsearch.media.decode_pool import HardenedPool, Job, JobResult

_MOST_TEXT = 6_000
"""Characters of paths in one job: at most six bytes each in JSON, within the 64 KiB allowed for a job's arguments."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The limits of one batch. ``cost`` of a job is in the caller's own measure."""

    jobs: int
    cost: int


def in_batches(jobs: Iterable[Job], bounds: Bounds, cost: Callable[[Job], int]) -> Iterator[list[Job]]:
    """The jobs in their order; a job that costs more than a batch may becomes a batch of its own."""
    batch: list[Job] = []
    held = text = 0
    for job in jobs:
        own, own_text = cost(job), _text(job.arguments)
        full = len(batch) >= bounds.jobs or held + own > bounds.cost or text + own_text > _MOST_TEXT
        if batch and full:
            yield batch
            batch, held, text = [], 0, 0
        batch.append(job)
        held += own
        text += own_text
    if batch:
        yield batch


def run_batches(
    pool: HardenedPool | FileTask, batches: Iterable[list[Job]]
) -> Iterator[tuple[Job, JobResult | MediaError]]:
    """One outcome for each job, in order of completion, as if every job had run by itself. The pool's task is one of
    `inspection.task`'s."""
    alone: list[Job] = []
    for batch, outcome in pool.run((_together(batch) for batch in batches), taken_apart):
        if isinstance(outcome, MediaError) and len(batch.tag) > 1:  # a worker died of one of them, or took too long
            alone += batch.tag
            continue
        parts = [outcome] if isinstance(outcome, MediaError) else outcome
        for job, part in zip(batch.tag, parts, strict=True):
            if part is None:
                alone.append(job)
            else:
                yield job, part
    for single, outcome in pool.run((_together([job]) for job in alone), taken_apart):
        yield single.tag[0], outcome if isinstance(outcome, MediaError) else _one(outcome)


def _together(batch: list[Job]) -> Job:
    return Job([job.arguments for job in batch], sum(job.size_bytes for job in batch), batch)


def _one(parts: list[JobResult | MediaError | None]) -> JobResult | MediaError:
    part = parts[0]
    assert part is not None  # a call by itself answers or raises
    return part


def _text(arguments: object) -> int:
    if isinstance(arguments, str):
        return len(arguments)
    return sum(map(_text, arguments)) if isinstance(arguments, list) else 10
