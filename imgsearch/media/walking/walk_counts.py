"""Counts what a walk met and did not take: how many files, of which kinds, and why."""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from imgsearch.media.walking.pass_rules import HIDDEN, PROGRAM

NO_IMAGE = "not a picture"
UNREAD = "a picture or drawing of a format that is not supported"
NO_FILE = "a pipe, a socket or a device"
DEAD_LINK = "a link that leads nowhere"
INTO_LIBRARY = "a link into a library"
MAC_ATTRIBUTES = "attributes that macOS keeps for files"
THROWN_AWAY = "thrown away or half written, by its name"

_MOST_KINDS = 200
_OTHERS = "(others)"


@dataclass(frozen=True, slots=True)
class WalkProblem:
    """A folder or file that could not be read. What lies below it is unknown, not deleted."""

    path: str
    relative_path: str
    reason: str
    folder: bool


@dataclass(slots=True)
class WalkCounts:
    """What a walk met besides the entries that it yielded."""

    images: int = 0
    other: int = 0  # files of other types, links that lead nowhere, pipes, sockets, devices
    folders: int = 0
    hidden_folders: int = 0
    skipped_folders: int = 0  # libraries, links back up
    program_folders: Counter[str] = field(default_factory=Counter)  # not entered, by `program_folder`'s words
    passed_files: Counter[tuple[str, str]] = field(default_factory=Counter)  # by (reason, extension)
    passed_folders: Counter[str] = field(default_factory=Counter)  # not entered, by reason

    def pass_file(self, name: str, reason: str) -> None:
        """Count a file that was not taken."""
        key = (reason, extension_of(name))
        if key not in self.passed_files and len(self.passed_files) >= _MOST_KINDS:
            key = (reason, _OTHERS)
        self.passed_files[key] += 1

    def pass_folder(self, reason: str) -> None:
        """Count a folder that was not entered."""
        self.passed_folders[reason] += 1
        if reason == HIDDEN:
            self.hidden_folders += 1
        elif reason.startswith(PROGRAM):
            self.program_folders[reason.removeprefix(PROGRAM)] += 1


@dataclass(slots=True)
class PassedOver:
    """The counts of several walks, for a summary. ``left``: files that still exist but leave the library, by reason."""

    files: Counter[tuple[str, str]] = field(default_factory=Counter)
    folders: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)

    def add(self, counts: WalkCounts) -> None:
        self.files.update(counts.passed_files)
        self.folders.update(counts.passed_folders)

    def merge(self, other: PassedOver) -> None:
        self.files.update(other.files)
        self.folders.update(other.folders)
        self.left.update(other.left)

    def as_dict(self) -> dict[str, Any]:
        """For --json: totals, and rows with the most frequent first."""
        return {
            "files": self.files.total(),
            "folders": self.folders.total(),
            "kinds": [
                {"reason": reason, "extension": extension, "files": count}
                for (reason, extension), count in _often(self.files)
            ],
            "folder_kinds": [{"reason": reason, "folders": count} for reason, count in _often(self.folders)],
            "left_the_library": [{"reason": reason, "files": count} for reason, count in _often(self.left)],
        }


def extension_of(name: str) -> str:
    """The extension with its dot, in lower case; "" if there is none, or if it is too long to be one."""
    dot = name.rfind(".")
    return name[dot:].lower() if dot > 0 and len(name) - dot <= 12 else ""


def problem_reason(exc: OSError | ValueError) -> str:
    """Why something could not be read, for people."""
    if not isinstance(exc, OSError):
        return str(exc)
    return {
        errno.EACCES: "no permission to read it",
        errno.EPERM: "no permission to read it",
        errno.ENOENT: "does not exist",
        errno.ELOOP: "a symbolic link that leads in a circle",
        errno.ENAMETOOLONG: "the path is too long for this system",
        errno.EIO: "the disk failed to read it (input/output error)",
    }.get(exc.errno or 0, str(exc.strerror or exc))


def _often(counts: Counter[Any]) -> Iterable[tuple[Any, int]]:
    return sorted(counts.items(), key=lambda row: (-row[1], row[0]))
