"""Shows what the program is doing before there is a result: one line on a terminal, which disappears at the end."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

_EVERY_S = 0.3  # a person takes longer silence for a program that hangs


class Sign:
    """Is told what is being done: ``sign("loading the model")``. This class shows nothing."""

    def __call__(self, text: str) -> None:
        """Show ``text`` instead of the previous text."""

    def above(self, lines: Sequence[str]) -> None:
        """Show ``lines``, which stay, above it."""

    def close(self) -> None:
        """Remove it."""


class Line(Sign):
    """The text on one line of a terminal, after two seconds with the time it has taken."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._text = ""
        self._since = time.monotonic()
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._ticker = threading.Thread(target=self._tick, daemon=True)
        self._ticker.start()

    def __call__(self, text: str) -> None:
        with self._lock:
            self._text, self._since = text, time.monotonic()
            self._draw()

    def above(self, lines: Sequence[str]) -> None:
        with self._lock:
            self._write("\r\x1b[K" + "".join(f"{line}\n" for line in lines))
            self._draw()

    def close(self) -> None:
        self._over.set()
        self._ticker.join(1.0)
        with self._lock:
            self._write("\r\x1b[K")

    def _tick(self) -> None:
        while not self._over.wait(_EVERY_S):
            with self._lock:
                if not self._over.is_set():
                    self._draw()

    def _draw(self) -> None:
        took = time.monotonic() - self._since
        self._write(f"\r\x1b[K{self._text} ..." + (f" {took:.0f} s" if took >= 1 else ""))

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            return


@contextmanager
def signs() -> Iterator[Sign]:
    """A sign on standard error, if that is a terminal whose lines can be erased. It stays visible inside
    `imgsearch.cli.output.streams.without_chatter`."""
    import os

    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield Sign()
        return
    with _of_its_own(sys.stderr) as stream:
        sign = Line(stream)
        try:
            yield sign
        finally:
            sign.close()


@contextmanager
def _of_its_own(stream: TextIO) -> Iterator[TextIO]:
    """The same terminal by another descriptor; the stream itself if it has none."""
    import os

    stream.flush()  # erases the sign that `show_start` wrote
    try:
        copy = os.fdopen(os.dup(stream.fileno()), "w", encoding="utf-8", errors="replace")
    except (OSError, ValueError, AttributeError):
        yield stream
        return
    with copy:
        yield copy
