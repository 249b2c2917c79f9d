"""The worker: a process of its own that reads jobs from stdin, runs its one task on each and writes answers to stdout.

The task is named when the process starts and never by a message, so that no message can choose code. Never imports
torch, and nothing but what the task needs. Ends when its parent is gone. Started by the pool; ``python -m
imgsearch.media.decode_pool.worker --check TASK`` tells whether it could start.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from imgsearch.errors import MediaError
from imgsearch.media.decode_pool.frames import MAX_BODY_BYTES, MAX_HEAD_BYTES, dump, read_frame, write_frame
from imgsearch.media.limits import HEAVY_PATIENCE, MIB, DecodeLimits, TooMuchMemory
from imgsearch.media.source import ContentChanged

Task = Callable[[Any, dict[str, Any], DecodeLimits], tuple[dict[str, Any], bytes]]
"""``task(arguments, settings, limits) -> (head, body)``: what a worker does for one job. ``arguments`` and ``settings``
came through JSON and ``head`` goes through it. Raises MediaError, and TooMuchMemory to be asked again with more."""

_SLACK_BYTES = 64 * MIB  # beside the picture: the file itself (up to 32 MiB), codec tables, libraries loaded late
_ALARM_GRACE_S = 2.0
_HEAD_ROOM_BYTES = 256  # of a message's head, for what surrounds the task's own


def main(arguments: list[str]) -> int:
    """``arguments``: task, its settings as JSON, memory limit and heavy limit in bytes, time limit in seconds."""
    if arguments[:1] == ["--check"]:
        for name in arguments[1:]:
            find_task(name)
        return 0
    task, settings = find_task(arguments[0]), json.loads(arguments[1])
    memory_bytes, heavy_bytes = int(arguments[2]), int(arguments[3])
    time_limit_s = float(arguments[4])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    jobs, results = _take_pipes()
    _end_with_parent(jobs.fileno())
    limit_memory = _memory_limiter()
    write_frame(results, dump({"ready": os.getpid()}))
    while (message := read_frame(jobs)) is not None:
        heavy = bool(message[0]["heavy"])
        limits = DecodeLimits(memory_bytes=heavy_bytes if heavy else memory_bytes)
        limit_memory(limits.memory_bytes + _SLACK_BYTES)
        for number, each in message[0]["jobs"]:
            _alarm(time_limit_s * (HEAVY_PATIENCE if heavy else 1) + _ALARM_GRACE_S)
            head, body = _answer(task, each, settings, limits, may_grow=not heavy)
            _alarm(0.0)
            try:
                write_frame(results, b'{"id":%d,' % number + head[1:], body)
            except OSError:
                return 0  # the parent is gone
    return 0


def find_task(name: str) -> Task:
    """The function that "package.module:function" names. Raises ImportError, AttributeError."""
    module, _, function = name.partition(":")
    task: Task = getattr(importlib.import_module(module), function)
    return task


def _answer(
    task: Task, arguments: Any, settings: dict[str, Any], limits: DecodeLimits, *, may_grow: bool
) -> tuple[bytes, bytes]:
    """Run the task on one job: a message's head as JSON, and its body; "heavy" asks the parent to try again with more
    memory, alone."""
    try:
        head, body = task(arguments, settings, limits)
        text = dump({"kind": "answer", "head": head})
        if len(text) > MAX_HEAD_BYTES - _HEAD_ROOM_BYTES or len(body) > MAX_BODY_BYTES:
            raise MediaError(_too_long(len(text), len(body)), stage="decode")
    except MediaError as exc:
        # "heavy" also where it will not fit there either: the parent's limit makes the message.
        if may_grow and (isinstance(exc, TooMuchMemory) or isinstance(exc.__cause__, MemoryError)):
            return dump({"kind": "heavy"}), b""
        return _failed(exc), b""
    except MemoryError:
        if may_grow:
            return dump({"kind": "heavy"}), b""
        return _failed(MediaError("not enough memory to decode the picture", stage="decode", transient=True)), b""
    except Exception as exc:  # noqa: BLE001  a task's own fault over one file is that file's failure
        detail = " ".join(str(exc).split())[:200]
        return _failed(
            MediaError(f"the file could not be decoded ({type(exc).__name__}: {detail})", stage="decode")
        ), b""
    return text, body


def _failed(error: MediaError) -> bytes:
    changed = isinstance(error, ContentChanged)
    what = {"message": error.message[:1000], "stage": error.stage, "transient": error.transient, "changed": changed}
    return dump({"kind": "failed", **what})


def _too_long(head_bytes: int, body_bytes: int) -> str:
    limit = f"{MAX_HEAD_BYTES - _HEAD_ROOM_BYTES} and {MAX_BODY_BYTES}"
    return f"the answer is {head_bytes} bytes of head and {body_bytes} of body, expected at most {limit}"


def _take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """stdin and stdout for ourselves: C libraries that chatter on 1 and 2 must not reach the parent or the user."""
    jobs = os.fdopen(os.dup(0), "rb")
    results = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)
    return jobs, results


def _end_with_parent(descriptor: int) -> None:
    """End this process as soon as the other end of its pipe is closed, also in the middle of a file. A thread that
    sleeps: codecs let it run while they work. Where one does not, the alarm ends us; where there is no `poll`, the end
    of the file does."""
    if not hasattr(select, "poll"):
        return
    waiter = select.poll()
    waiter.register(descriptor, 0)  # nothing but the hang-up, which is always told

    def wait() -> None:
        waiter.poll()
        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()


def _alarm(seconds: float) -> None:
    """SIGALRM kills us, even inside a C loop, if the parent that should do so is gone."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _memory_limiter() -> Callable[[int], None]:
    """A function that bounds what this process may allocate from now on, beyond what it holds at the start."""
    status = Path("/proc/self/status")
    if not status.exists():
        return lambda extra_bytes: None
    import resource

    held = next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmData"))
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    current = 0

    def limit(extra_bytes: int) -> None:
        nonlocal current
        if extra_bytes != current:
            wanted = held * 1024 + extra_bytes
            resource.setrlimit(resource.RLIMIT_DATA, (wanted if hard < 0 else min(wanted, hard), hard))
            current = extra_bytes

    return limit


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
