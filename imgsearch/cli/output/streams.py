"""Makes standard input, output and error safe to use when they are closed, full, or a pipe that nobody reads."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
import warnings
from collections.abc import Iterator
from typing import Any

_CLOSED = "standard output is closed"


class _ClosedOutput(io.TextIOBase):
    """Replaces a standard output that was closed before the program began."""

    encoding = "utf-8"
    fault: OSError | None = None

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return 1  # /dev/null has this number by now

    @property
    def buffer(self) -> _ClosedOutput:
        return self

    def write(self, text: Any) -> int:
        self.fault = OSError(errno.EBADF, _CLOSED)
        raise self.fault


class _Output(io.TextIOWrapper):
    """Standard output that remembers why it could not be written. argparse and others ignore such errors."""

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
    """A terminal on which the first write erases the sign of `show_start`."""

    def write(self, text: str) -> int:
        if text:
            end_start()
        return super().write(text)

    def flush(self) -> None:
        end_start()
        super().flush()


_started: list[int] = []
"""The descriptor of the terminal that shows a sign, if one does."""


def show_start(what: str) -> None:
    """Say at once what is being started, on a terminal only. Importing what a command needs takes longer than a person
    waits without a sign (a search 0.5 s, torch several). The first output erases it."""
    if isinstance(sys.stderr, _Terminal) and os.environ.get("TERM", "dumb") != "dumb":
        os.write(sys.stderr.fileno(), f"{what} ...".encode())
        _started.append(sys.stderr.fileno())


def end_start() -> None:
    """Erase the sign, if it is shown."""
    while _started:
        with contextlib.suppress(OSError):
            os.write(_started.pop(), b"\r\x1b[K")


class _Errors(io.TextIOWrapper):
    """Standard error that ignores write errors, because there is nowhere to report them."""

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
    """Make the three streams safe to use. A closed descriptor becomes /dev/null, because otherwise the next opened file
    would get its number and receive what is printed. Reading then gives the end of the input, writing to standard
    output raises OSError, and what is written to standard error is lost. Python's standard error gets a descriptor of
    its own, so that `without_chatter` silences only what bypasses Python."""
    missing = [number for number in (0, 1, 2) if not _is_open(number)]
    for _ in missing:
        os.open(os.devnull, os.O_RDWR)  # gets the lowest free number
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
        sys.stderr = _Errors(_raw(os.dup(2)), "utf-8", "backslashreplace", line_buffering=True)
    elif sys.stderr is sys.__stderr__ and isinstance(sys.stderr, io.TextIOWrapper):
        kind = _Terminal if sys.stderr.isatty() else _Errors
        sys.stderr = kind(_raw(os.dup(2)), sys.stderr.encoding, "backslashreplace", line_buffering=True)


def _raw(number: int) -> io.BufferedWriter:
    return io.BufferedWriter(io.FileIO(number, "w", closefd=False))


def output_fault() -> OSError | None:
    """Why standard output cannot be written, None if it can. Its buffer is dropped, so that the interpreter does not
    try again at its end."""
    try:
        sys.stdout.flush()
    except OSError as exc:
        return exc
    return getattr(sys.stdout, "fault", None)


def give_up_output() -> None:
    """Drop what standard output still has in its buffer."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
    except (OSError, ValueError, io.UnsupportedOperation):
        return


@contextlib.contextmanager
def without_chatter() -> Iterator[None]:
    """Silence libraries: libtiff and others print a line to descriptor 2 for every flaw of a file, bypassing Python,
    and some warn or log. What the command itself says (`guard_streams`) is still seen. Only for the command line, where
    no other thread prints."""
    import logging  # imported here because most commands do without, the help among them

    try:
        kept = os.dup(2)
    except OSError:  # it is closed
        yield
        return
    disabled = logging.root.manager.disable
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        logging.disable(logging.WARNING)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
        os.dup2(kept, 2)
        os.close(kept)


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True
