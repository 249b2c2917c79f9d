"""Runs several jobs as one in the hardened pool, which share the cost of a message, a process switch and what the task
keeps from one to the next. A job that fails fails alone; one that needs more memory, or breaks the batch, runs again by
itself.

The parent calls `run_batches`, the task in the worker `call_all`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imgsearch.errors import MediaError
from imgsearch.media.decode_pool.jobs import Job, JobResult
from imgsearch.media.limits import DecodeLimits, TooMuchMemory
from imgsearch.media.source import ContentChanged

if TYPE_CHECKING:
    from imgsearch.media.decode_pool.pool import HardenedPool

Call = Callable[[list[Any], DecodeLimits], tuple[dict[str, Any], bytes]]

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
    pool: HardenedPool, task: str, batches: Iterable[list[Job]]
) -> Iterator[tuple[Job, JobResult | MediaError]]:
    """One outcome for each job, in order of completion, as if every job had run by itself. The pool's task is given
    [``task``, the arguments of each job], and answers as `call_all` does. One run at a time."""
    alone: list[Job] = []
    for batch, outcome in pool.run((_together(task, batch) for batch in batches), taken_apart):
        if isinstance(outcome, MediaError) and len(batch.tag) > 1:  # a worker died of one of them, or took too long
            alone += batch.tag
            continue
        parts = [outcome] if isinstance(outcome, MediaError) else outcome
        for job, part in zip(batch.tag, parts, strict=True):
            if part is None:
                alone.append(job)
            else:
                yield job, part
    for single, outcome in pool.run((_together(task, [job]) for job in alone), taken_apart):
        yield single.tag[0], outcome if isinstance(outcome, MediaError) else _one(outcome)


def _together(task: str, batch: list[Job]) -> Job:
    return Job([task, [job.arguments for job in batch]], sum(job.size_bytes for job in batch), batch)


def _one(parts: list[JobResult | MediaError | None]) -> JobResult | MediaError:
    part = parts[0]
    assert part is not None  # a call by itself answers or raises
    return part


def _text(arguments: object) -> int:
    if isinstance(arguments, str):
        return len(arguments)
    return sum(map(_text, arguments)) if isinstance(arguments, list) else 10


def call_all(call: Call, calls: list[list[Any]], limits: DecodeLimits) -> tuple[dict[str, Any], bytes]:
    """The answers to ``calls``, in their order, as one; `taken_apart` splits it. One call by itself may raise."""
    if len(calls) == 1:
        head, body = call(calls[0], limits)
        return {"heads": [head], "sizes": [len(body)]}, body
    heads: list[dict[str, Any] | None] = []
    bodies: list[bytes] = []
    for each in calls:
        told, body = _tried(call, each, limits)
        heads.append(told)
        bodies.append(body)
    return {"heads": heads, "sizes": [len(body) for body in bodies]}, b"".join(bodies)


def taken_apart(head: dict[str, Any], body: bytes) -> list[JobResult | MediaError | None]:
    """The outcome of each call; None for one that has to be repeated by itself. Raises ValueError, KeyError or
    TypeError if the answer makes no sense."""
    found: list[JobResult | MediaError | None] = []
    at = 0
    for each, size in zip(head["heads"], head["sizes"], strict=True):
        if each is None:
            found.append(None)
        elif "failed" in each:
            make = ContentChanged if each["changed"] else MediaError
            found.append(make(str(each["failed"]), stage=str(each["stage"]), transient=bool(each["transient"])))
        else:
            found.append(JobResult(each, body[at : at + int(size)]))
        at += int(size)
    if at != len(body):
        raise ValueError(f"got {len(body)} bytes, expected {at}")
    return found


def _tried(call: Call, arguments: list[Any], limits: DecodeLimits) -> tuple[dict[str, Any] | None, bytes]:
    try:
        return call(arguments, limits)
    except TooMuchMemory:
        return None, b""
    except MediaError as error:
        if isinstance(error.__cause__, MemoryError):
            return None, b""
        changed = isinstance(error, ContentChanged)
        told = {"failed": error.message[:1000], "stage": error.stage, "transient": error.transient}
        return told | {"changed": changed}, b""
    except Exception:  # noqa: BLE001  the pool tells what happened when it is asked alone; MemoryError is one
        return None, b""
