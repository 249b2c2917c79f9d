"""The decode worker: a process of its own that reads jobs from stdin and writes pictures to stdout.

Never imports torch. Ends when its parent is gone (end of stdin; in the middle of a file, by its own alarm).
Started by the pool; ``python -m imgsearch.media.decode_pool.worker --check`` tells whether it could start.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from imgsearch.errors import MediaError
from imgsearch.media.decode import decode_file
from imgsearch.media.decode_pool.frames import Outcome, pack_outcome, read_frame, write_frame
from imgsearch.media.limits import MIB, Limits, TooMuchMemory

_SLACK_BYTES = 64 * MIB  # beside the picture: the file itself (up to 32 MiB), codec tables, libraries loaded late
_ALARM_GRACE_S = 2.0


def main(arguments: list[str]) -> int:
    """``arguments``: image size, memory limit and heavy memory limit in bytes, time limit in seconds."""
    if arguments == ["--check"]:
        return 0
    size, memory_bytes, heavy_bytes = (int(text) for text in arguments[:3])
    time_limit_s = float(arguments[3])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    jobs, results = _take_pipes()
    limit_memory = _memory_limiter()
    write_frame(results, {"ready": os.getpid()})
    while (message := read_frame(jobs)) is not None:
        heavy = bool(message[0]["heavy"])
        limits = Limits(memory_bytes=heavy_bytes if heavy else memory_bytes)
        limit_memory(limits.memory_bytes + _SLACK_BYTES)
        for number, path, known in message[0]["jobs"]:
            _alarm(time_limit_s + _ALARM_GRACE_S)
            head, body = _answer(path, size, limits, frozenset(known), None if heavy else heavy_bytes)
            _alarm(0.0)
            try:
                write_frame(results, {"id": number, **head}, body)
            except OSError:
                return 0  # the parent is gone
    return 0


def _answer(
    path: str, size: int, limits: Limits, known: frozenset[str], heavier: int | None
) -> tuple[dict[str, Any], bytes]:
    """Decode one file; "heavy" asks the parent to try again with ``heavier`` bytes, alone."""
    outcome: Outcome
    try:
        outcome = decode_file(path, size, limits=limits, known_hashes=known)
    except TooMuchMemory as exc:
        if heavier is not None:  # also where it will not fit there either: the parent's limit makes the message
            return {"kind": "heavy"}, b""
        outcome = exc
    except MediaError as exc:
        if heavier is not None and isinstance(exc.__cause__, MemoryError):
            return {"kind": "heavy"}, b""
        outcome = exc
    return pack_outcome(outcome)


def _take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """stdin and stdout for ourselves: C libraries that chatter on 1 and 2 must not reach the parent or the user."""
    jobs = os.fdopen(os.dup(0), "rb")
    results = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)
    return jobs, results


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
