"""One input of a job, and its line in a shard's list."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any, Literal

from imgsearch.errors import LibraryError

Kind = Literal["file", "member", "again", "lost"]

_LETTERS: dict[Kind, str] = {"file": "f", "member": "m", "again": "a", "lost": "x"}


@dataclass(frozen=True, slots=True)
class InputRow:
    """One input, named before anything is read. ``root`` is the number of a folder in the job's specification, ``path``
    the input's name below it, with surrogateescape.

    "file": a file. "member": a file in the tar ``archive`` (below the root), whose ``size_bytes`` begin at ``offset``;
    ``archive_stamp`` is the archive's size and mtime_ns when it was listed. "again": what ``first``, the number of an
    earlier input, is. "lost": an input that cannot be read at all, for ``reason``: a damaged line, the rest of an
    archive that is cut off. ``size_bytes`` is -1 for a file that was not there.
    """

    kind: Kind
    root: int
    path: str
    size_bytes: int = -1
    mtime_ns: int = 0
    archive: str = ""
    offset: int = 0
    archive_stamp: tuple[int, int] = (0, 0)
    first: int = -1
    reason: str = ""

    def name(self, roots: tuple[str, ...]) -> str:
        """The input's name for people: its path."""
        return os.path.join(roots[self.root], self.path) if self.path else roots[self.root]  # noqa: PTH118


def row_line(row: InputRow) -> bytes:
    """The row as a line of JSON, with its line end."""
    start: list[Any] = [_LETTERS[row.kind], row.root, row.path]
    if row.kind == "again":
        start.append(row.first)
    elif row.kind == "lost":
        start.append(row.reason)
    else:
        start += [row.size_bytes, row.mtime_ns]
    if row.kind == "member":
        start += [row.archive, row.offset, *row.archive_stamp]
    return json.dumps(start, separators=(",", ":")).encode("ascii") + b"\n"


def read_row(line: bytes) -> InputRow:
    """The row of a line. Raises LibraryError for a line that is none."""
    try:
        letter, root, path, *rest = json.loads(line)
        if letter == "f":
            return InputRow("file", root, path, rest[0], rest[1])
        if letter == "m":
            return InputRow("member", root, path, rest[0], rest[1], rest[2], rest[3], (rest[4], rest[5]))
        if letter == "a":
            return InputRow("again", root, path, first=rest[0])
        if letter == "x":
            return InputRow("lost", root, path, reason=rest[0])
    except (ValueError, TypeError, IndexError) as exc:
        raise LibraryError(f"a job's list holds a line that is no input: {line[:80]!r}", _HINT) from exc
    raise LibraryError(f"a job's list holds an input of an unknown kind: {line[:80]!r}", _HINT)


_HINT = "create the job again; a newer imgsearch may know more kinds"
