"""The worker: a process that reads jobs from stdin, runs its one task on each and writes answers to stdout.

The task is named when the process starts and never by a message, so no message can choose code. The worker imports only
what the task needs, and never torch. It ends when its parent is gone. The pool starts it; ``python -m
imgsearch.media.decode_pool.worker --check TASK`` shows whether it can start.
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
"""``task(arguments, settings, limits) -> (head, body)``: the work for one job. ``arguments`` and ``settings`` have
come through JSON, and ``head`` will go through it. Raises MediaError, and TooMuchMemory to be called again with more
memory."""

_SLACK_BYTES = 64 * MIB  # besides the image: the file itself (up to 32 MiB), codec tables, libraries loaded late
_ALARM_GRACE_S = 2.0
_HEAD_ROOM_BYTES = 256  # for the parts of a message's head that are not the task's


def main(arguments: list[str]) -> int:
    """``arguments``: the task, its settings as JSON, the memory limit and the heavy limit in bytes, the time limit in
    seconds. Returns the exit status."""
    if arguments[:1] == ["--check"]:
        for name in arguments[1:]:
            find_task(name)
        return 0
    task, settings = find_task(arguments[0]), json.loads(arguments[1])
    memory_bytes, heavy_bytes = int(arguments[2]), int(arguments[3])
    time_limit_s = float(arguments[4])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
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
    """The function named "package.module:function". Raises ImportError or AttributeError."""
    module, _, function = name.partition(":")
    task: Task = getattr(importlib.import_module(module), function)
    return task


def _answer(
    task: Task, arguments: Any, settings: dict[str, Any], limits: DecodeLimits, *, may_grow: bool
) -> tuple[bytes, bytes]:
    """Run the task on one job. Returns a message's head as JSON, and its body. "heavy" in the head asks the parent to
    try again, alone and with more memory."""
    try:
        head, body = task(arguments, settings, limits)
        text = dump({"kind": "answer", "head": head})
        if len(text) > MAX_HEAD_BYTES - _HEAD_ROOM_BYTES or len(body) > MAX_BODY_BYTES:
            raise MediaError(_too_long(len(text), len(body)), stage="decode")
    except MediaError as exc:
        # Also "heavy" if it will not fit there either, so that the message names the larger limit.
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
    """stdin and stdout for the messages. C libraries that print to 1 and 2 must reach neither the parent nor the
    user."""
    jobs = os.fdopen(os.dup(0), "rb")
    results = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)
    return jobs, results


def _end_with_parent(descriptor: int) -> None:
    """End this process as soon as the parent's end of the pipe is closed, even in the middle of a file. A sleeping
    thread waits for that; codecs release the GIL while they work. If a codec does not, the alarm ends the process.
    Without `poll`, the process ends at the end of the file."""
    if not hasattr(select, "poll"):
        return
    waiter = select.poll()
    waiter.register(descriptor, 0)  # 0 asks for the hang-up alone, which is always reported

    def wait() -> None:
        waiter.poll()
        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()


def _alarm(seconds: float) -> None:
    """Let SIGALRM kill this process, even inside a C loop, if the parent that should do so is gone."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _memory_limiter() -> Callable[[int], None]:
    """A function that limits what this process may allocate from now on, beyond what it held at the start."""
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
