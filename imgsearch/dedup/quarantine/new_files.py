"""New files beside a person's own: listed in their run's folder before they are written, so that undo removes them."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from imgsearch.dedup.quarantine.folder import RunFolder
from imgsearch.files import write_whole


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file that is to be made, with its whole content."""

    path: str
    content: bytes


def make_files(run: RunFolder, files: Sequence[NewFile]) -> Iterator[tuple[NewFile, str]]:
    """Write them one after the other, each whole or not at all; yields each with "" or why it was left. Raises OSError
    if their list cannot be written: then none of them is."""
    if not files:
        return
    listed = [[os.fspath(Path(one.path).absolute()), _digest(one.content)] for one in files]
    write_whole(run.new_files, json.dumps(listed).encode("ascii"))
    for one in files:
        try:
            if os.path.lexists(one.path):
                yield one, "it was made in the meantime"
                continue
            write_whole(Path(one.path), one.content)
            yield one, ""
        except OSError as exc:
            yield one, exc.strerror or str(exc)


def remove_files(run: RunFolder) -> Iterator[tuple[str, str]]:
    """Remove the files of the run's list that are as they were written, then the list; yields each path with "" or why
    it stays. What could not be removed stays in the list; what a person has edited or removed does not."""
    try:
        listed = json.loads(run.new_files.read_bytes())
    except FileNotFoundError:
        return
    still = []
    for path, digest in listed:
        try:
            if not stat.S_ISREG(os.lstat(path).st_mode) or _digest(Path(path).read_bytes()) != digest:
                yield path, "it was edited since"
                continue
            Path(path).unlink()
            yield path, ""
        except FileNotFoundError:
            continue
        except OSError as exc:
            still.append([path, digest])
            yield path, exc.strerror or str(exc)
    if still:
        write_whole(run.new_files, json.dumps(still).encode("ascii"))
    else:
        run.new_files.unlink()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
