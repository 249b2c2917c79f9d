"""Runs several calls of one task as one job, which share the cost of a message, a process switch and decoded images.

A call that fails fails alone; a call that needs more memory, or breaks, has to be repeated by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from imgsearch.errors import MediaError
from imgsearch.media.decode_pool.jobs import JobResult
from imgsearch.media.limits import DecodeLimits, TooMuchMemory
from imgsearch.media.source import ContentChanged

Call = Callable[[list[Any], DecodeLimits], tuple[dict[str, Any], bytes]]


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
