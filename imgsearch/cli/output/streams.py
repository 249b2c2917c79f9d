"""Standard input, output and error as the program finds them: closed, full, or a pipe that nobody reads."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from collections.abc import Iterator
from typing import Any

_CLOSED = "standard output is closed"


class _ClosedOutput(io.TextIOBase):
    """Stands for a standard output that was closed before the program began."""

    encoding = "utf-8"
    fault: OSError | None = None

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return 1  # /dev/null is there by now

    @property
    def buffer(self) -> _ClosedOutput:
        return self

    def write(self, text: Any) -> int:
        self.fault = OSError(errno.EBADF, _CLOSED)
        raise self.fault


class _Output(io.TextIOWrapper):
    """Standard output that remembers why it could not be written: argparse and others pass over that in silence."""

    fault: OSError | None = None

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError as exc:
            self.fault = exc
            raise

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as exc:
            self.fault = exc
            raise


class _Terminal(io.TextIOWrapper):
    """A terminal, on which the first thing that is written takes away what `show_start` has put there."""

    def write(self, text: str) -> int:
        if text:
            end_start()
        return super().write(text)

    def flush(self) -> None:
        end_start()
        super().flush()


_started: list[int] = []
"""The descriptor of the terminal on which a sign stands, if one does."""


def show_start(what: str) -> None:
    """Say at once what is being started, on a terminal only: importing what a command needs takes longer than a person
    waits without a sign (a search 0.5 s, torch several). It is gone with the first thing that is written."""
    if isinstance(sys.stderr, _Terminal) and os.environ.get("TERM", "dumb") != "dumb":
        os.write(sys.stderr.fileno(), f"{what} ...".encode())
        _started.append(sys.stderr.fileno())


def end_start() -> None:
    """Take the sign away, if it is there."""
    while _started:
        with contextlib.suppress(OSError):
            os.write(_started.pop(), b"\r\x1b[K")


class _Errors(io.TextIOWrapper):
    """Standard error, where what cannot be written is lost in silence: there is nobody else to tell."""

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError:
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError:
            return


def guard_streams() -> None:
    """Make the three streams fit to be used. A descriptor that is closed becomes /dev/null, since the next file that
    is opened would otherwise take its number, and what is printed would go there. Then what is read is at its end,
    what is written to standard output raises OSError, and what is written to standard error is lost."""
    missing = [number for number in (0, 1, 2) if not _is_open(number)]
    for _ in missing:
        os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
    for number in missing:
        os.set_inheritable(number, True)
    if sys.stdin is None:
        sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)), encoding="utf-8")
    if sys.stdout is None:
        sys.stdout = _ClosedOutput()
    elif sys.stdout is sys.__stdout__ and isinstance(sys.stdout, io.TextIOWrapper):
        old = sys.stdout
        at_once = old.line_buffering or old.write_through
        kind: type[io.TextIOWrapper] = _Terminal if old.isatty() else _Output
        sys.stdout = kind(_raw(1), old.encoding, old.errors, line_buffering=at_once)
    if sys.stderr is None:
        sys.stderr = _Errors(_raw(2), "utf-8", "backslashreplace", line_buffering=True)
    elif sys.stderr is sys.__stderr__ and isinstance(sys.stderr, io.TextIOWrapper):
        kind = _Terminal if sys.stderr.isatty() else _Errors
        sys.stderr = kind(_raw(2), sys.stderr.encoding, "backslashreplace", line_buffering=True)


def _raw(number: int) -> io.BufferedWriter:
    return io.BufferedWriter(io.FileIO(number, "w", closefd=False))


def output_fault() -> OSError | None:
    """Why standard output cannot be written, None if it can. What it still holds is given up, so that the interpreter
    does not try again when it ends."""
    try:
        sys.stdout.flush()
    except OSError as exc:
        return exc
    return getattr(sys.stdout, "fault", None)


def give_up_output() -> None:
    """Send what standard output still holds nowhere."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
    except (OSError, ValueError, io.UnsupportedOperation):
        return


@contextlib.contextmanager
def without_chatter() -> Iterator[None]:
    """Standard error leads nowhere meanwhile: libtiff and others write a line there for every flaw of a file, past
    Python. For the command line alone, where no other thread has anything to say."""
    try:
        kept = os.dup(2)
    except OSError:  # it is closed
        yield
        return
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True
