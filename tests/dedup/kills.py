"""Ends work at every moment at which the disk could differ: after each call that changes something on it."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from typing import Any

from imgsearch.dedup import disk

CHANGING = {"open", "mkdir", "rename", "replace", "link", "unlink", "rmdir", "write", "pwrite", "ftruncate", "utime"}
CHANGING |= {"fchmod", "fchown", "setxattr"}
WATCHED = [(os, name) for name in sorted(CHANGING) if hasattr(os, name)] + [(disk, "_renameat2")]
"""What stands in for each while work is watched counts its calls. That all go through these names was compared with
what a profile of the interpreter shows, which takes as long again as the work."""
REALLY_EACH = 20
"""Every so many kills the work runs in a process that really ends; a fork takes 50 times as long as an exception."""
_KILLED = 99


class Killed(BaseException):
    """Nothing in the program catches it: on its way out only descriptors and locks are let go, as by a real end."""


def killed_after(calls: int, work: Callable[[], object], *, really: bool = False) -> bool:
    """End ``work`` after its ``calls``-th changing call; False if it came to its end before. ``really``: in a fork that
    ends with no handler and no flush."""
    if not really:
        try:
            _watched(calls, work, _raise)
        except Killed:
            return True
        return False
    child = os.fork()
    if child == 0:
        code = 1
        try:
            _watched(calls, work, lambda: os._exit(_KILLED))
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, _KILLED), f"the work itself failed: {code}"
    return code == _KILLED


def _raise() -> None:
    raise Killed


def _watched(calls: int, work: Callable[[], object], end: Callable[[], object]) -> None:
    remaining = calls
    kept = [(owner, name, getattr(owner, name)) for owner, name in WATCHED]

    def watched(real: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(real)
        def call(*given: Any, **named: Any) -> Any:
            nonlocal remaining
            answer = real(*given, **named)
            remaining -= 1
            if remaining == 0:
                restore()
                end()
            return answer

        return call

    def restore() -> None:
        for owner, name, real in kept:
            setattr(owner, name, real)

    try:
        for owner, name, real in kept:
            setattr(owner, name, watched(real))
        work()
    finally:
        restore()


def every_kill(work: Callable[[], object], fresh: Callable[[], object]) -> Iterator[int]:
    """For each changing call of ``work``: make a ``fresh`` state, end it after that call, and yield its number."""
    calls = 0
    while True:
        calls += 1
        fresh()
        if not killed_after(calls, work, really=calls % REALLY_EACH == 0):
            return
        yield calls
