"""Records each step before and after it is done, one fact a line, durable before it is acted on (docs/dedup.md)."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from imgsearch.files import write_whole

VERSION = 1
REWRITE = "rewrite"
"""The action of a file that got other bytes: those of ``keeper_sha256``, ``keeper`` being its own path."""
ENDED = ("left", "returned", "purged", "missing")
"""States after which nothing of a step is in the quarantine, as far as this program knows."""


@dataclass(frozen=True, slots=True)
class Step:
    """One file to be moved, recorded before anything happens. Holds everything that an undo needs."""

    number: int
    path: str  # as the plan has it
    root: str  # without symbolic links
    folder: str  # without symbolic links, the root or below
    name: str
    sha256: str
    size_bytes: int
    mtime_ns: int
    mode: int
    inode: int
    tier: str
    keeper: str
    keeper_sha256: str
    action: str  # "move", "hardlink", "reflink", "rewrite"
    way: str  # "rename", or "copy" to another file system
    stored: str  # where it lies, from the run's folder
    of: int = 0  # number of the image that this file moves along with, whose "done" follows its own; 0 for an image


@dataclass(slots=True)
class StepState:
    """A step and its progress according to the journal."""

    step: Step
    state: str = (
        "open"  # then "done"; then "left" (put back at once), "returned" (undone), "missing", "purging", "purged"
    )
    placed_inode: int | None = None  # of the link or clone at the file's old name
    returning: tuple[str, int] | None = None  # name and inode of a copy on its way back
    note: str = ""
    given: str = ""  # the name under which it came back

    @property
    def waits(self) -> bool:
        """Whether a file of it may lie in the quarantine."""
        return self.state not in ENDED


@dataclass(slots=True)
class History:
    """The content of a journal. ``bad_lines``: complete lines that are damaged; a torn last line does not count."""

    head: dict[str, Any] = field(default_factory=dict)
    steps: dict[int, StepState] = field(default_factory=dict)
    finished: bool = False
    bad_lines: int = 0
    good_bytes: int = 0  # up to the end of the last whole line


class Journal:
    """Appends to a journal; one writer at a time (the quarantine's lock)."""

    def __init__(self, path: Path, good_bytes: int) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        self._end = good_bytes
        os.ftruncate(self._descriptor, good_bytes)  # a torn last line would swallow the next one

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def write(self, kind: str, number: int | None = None, *, durable: bool = True, **more: Any) -> None:
        """Append a line; if ``durable`` (an fsync), it and all lines before it are on the disk when this returns. A
        line that does not fit on the disk is cut off again before the OSError is passed on."""
        value = {"kind": kind} | ({} if number is None else {"n": number}) | more
        line = _line(value)
        try:
            done = 0
            while done < len(line):
                done += os.pwrite(self._descriptor, line[done:], self._end + done)
            if durable:
                os.fsync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, self._end)
            raise
        self._end += len(line)

    def intend(self, step: Step) -> None:
        """Record a step before it is done; a second step of the same number replaces the first."""
        told = {name: value for name, value in asdict(step).items() if value or name not in _OPTIONAL}
        self.write("intent", step.number, step=told)


def create_journal(path: Path, head: dict[str, Any]) -> None:
    """Write a journal of one line, whole or not at all."""
    write_whole(path, _line({"kind": "run", "version": VERSION} | head))


def _line(value: dict[str, Any]) -> bytes:
    """ASCII JSON without line breaks behind its CRC-32; lone surrogates as ``\\udcXX``."""
    text = json.dumps(value, separators=(",", ":")).encode("ascii")
    return b"%08x %s\n" % (zlib.crc32(text), text)


def read_journal(path: Path) -> History:
    """The journal, line by line. A line that is cut off or does not match its checksum is ignored: a torn last line
    belongs to a step that had not begun."""
    history = History()
    offset = 0
    with path.open("rb") as file:
        for line in file:
            offset += len(line)
            value = _parsed(line)
            if value is not None:
                _take(history, value)
                history.good_bytes = offset
            elif line.endswith(b"\n"):
                history.bad_lines += 1
                history.good_bytes = offset
    return history


def _parsed(line: bytes) -> dict[str, Any] | None:
    checksum, _, text = line[:-1].partition(b" ")
    if not line.endswith(b"\n") or checksum != b"%08x" % zlib.crc32(text):
        return None
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


_OPTIONAL = ("of",)  # not written for images
_STEP_FIELDS = tuple(one.name for one in fields(Step) if one.name not in _OPTIONAL)


def _take(history: History, value: dict[str, Any]) -> None:
    kind = value.get("kind")
    if kind == "run":
        history.head = value
    elif kind == "finished":
        history.finished = True
    elif kind == "intent":
        told = value["step"]
        step = Step(**{name: told[name] for name in _STEP_FIELDS}, of=int(told.get("of", 0)))
        history.steps[step.number] = StepState(step)
    elif (own := history.steps.get(value.get("n", -1))) is not None:
        if kind == "placing":
            own.placed_inode = value["inode"]
        elif kind == "returning":
            own.returning = (value["name"], value["inode"])
        else:
            own.state = str(kind)
            own.note = str(value.get("note", ""))
            own.given = str(value.get("name", ""))


def present(history: History, *, missing: bool = False) -> Iterator[StepState]:
    """Steps that may have a file in the quarantine, the last first; with ``missing`` also those for which an undo found
    nothing."""
    ended = [state for state in ENDED if not (missing and state == "missing")]
    return (own for own in reversed(history.steps.values()) if own.state not in ended)
