"""Ctrl-C: the first lets the batch in flight finish, the second ends the process at once (which harms nothing)."""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType
from typing import Any

_FIRST = b"\nStopping after the batch in flight. Once more: stop at once.\n"
_SECOND = b"\nStopped at once; the library is as of its last commit.\n"


class Stop:
    """Called as ``stop()`` between batches. As a context manager it takes over SIGINT and SIGTERM."""

    def __init__(self) -> None:
        self.signal_number = 0
        self._before: dict[int, Any] = {}

    def __call__(self) -> bool:
        return self.signal_number != 0

    @property
    def exit_code(self) -> int:
        """130 after Ctrl-C, 143 after SIGTERM, as in shells."""
        return 128 + (self.signal_number or signal.SIGINT)

    def __enter__(self) -> Stop:
        if threading.current_thread() is not threading.main_thread():
            return self  # Python lets no other thread listen to signals
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *raised: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.signal_number:
            _say(_SECOND)
            os._exit(128 + number)
        self.signal_number = number
        _say(_FIRST)


def _say(line: bytes) -> None:
    """Write to standard error as Python has it; with os.write, since the signal may interrupt a print."""
    try:
        os.write(sys.stderr.fileno(), line)
    except (OSError, ValueError, AttributeError):  # it is closed, or no file
        return
