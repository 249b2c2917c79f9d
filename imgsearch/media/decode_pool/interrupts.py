"""Holds back Ctrl-C while something must be finished."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interrupts_held(*, drop: bool = False) -> Iterator[None]:
    """Hold back Ctrl-C within the block and deliver it afterwards, unless ``drop`` (an interrupt is already being
    handled). Does nothing outside the main thread, because only that one is interrupted."""
    previous = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(previous):
        yield
        return
    held: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: held.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
    if held and not drop:
        previous(signal.SIGINT, None)
