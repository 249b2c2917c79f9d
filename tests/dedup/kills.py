"""Ends a process at every moment at which the disk could differ: after each call that changes something on it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

CHANGING = {"open", "mkdir", "rename", "replace", "link", "unlink", "rmdir", "write", "pwrite", "ftruncate", "utime"}
CHANGING |= {"fchmod", "fchown", "setxattr"}
WRAPPED = ("_renameat2",)  # called through ctypes, which the interpreter does not show
KILLED = 99


def killed_after(calls: int, work: Callable[[], object]) -> bool:
    """Run ``work`` in a fork that ends, with no handler and no flush, after its ``calls``-th changing call; False if it
    got to its end before."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            remaining = calls

            def watch(frame, event, argument):
                nonlocal remaining
                own = event == "c_return" and argument.__module__ == "posix" and argument.__name__ in CHANGING
                if own or (event == "return" and frame.f_code.co_name in WRAPPED):
                    remaining -= 1
                    if remaining == 0:
                        os._exit(KILLED)

            sys.setprofile(watch)
            work()
            sys.setprofile(None)
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, KILLED), f"the work itself failed: {code}"
    return code == KILLED


def every_kill(work: Callable[[], object], fresh: Callable[[], object]):
    """For each changing call of ``work``: make a ``fresh`` state, kill after that call, and yield its number."""
    calls = 0
    while True:
        calls += 1
        fresh()
        if not killed_after(calls, work):
            return
        yield calls
