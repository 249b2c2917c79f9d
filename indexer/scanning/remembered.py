"""Stores the patterns of earlier commands, so that a later run without any applies them: ``patterns.json`` of a
library.

Patterns hold for everything below the folder that they were given for. A command with patterns replaces those of the
folders that it names; one without leaves them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from imgsearch.errors import LibraryError
from imgsearch.files import write_whole
from imgsearch.media.walking.pass_rules import Patterns
from imgsearch.media.walking.program_folders import Included
from imgsearch.records import Root
from imgsearch.storage.disk_errors import disk_errors

FILE_NAME = "patterns.json"
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """The patterns of one folder: ``below`` is its path under the root, "" for the root itself."""

    root: int
    below: str
    exclude: tuple[str, ...]
    include: tuple[str, ...]
    cwd: str


class Remembered:
    """The patterns of one library, in memory; ``save`` writes them, under the writer lock."""

    def __init__(self, library: Path) -> None:
        """Raises LibraryError for a damaged file: without it a run would take in files that must stay out."""
        self._path = library / FILE_NAME
        self._entries: list[Entry] = []
        try:
            stored = json.loads(self._path.read_bytes())
            if stored["version"] > _VERSION:
                raise ValueError(f"its version is {stored['version']}, this program reads {_VERSION}")
            for row in stored["patterns"]:
                lists = tuple(row["exclude"]), tuple(row["include"])
                self._entries.append(Entry(int(row["root"]), str(row["below"]), *lists, str(row["cwd"])))
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise LibraryError(
                f"{self._path} cannot be read: it says which files are left out ({exc})",
                "restore it from a backup, or remove it and give the patterns again: --exclude, --include",
            ) from exc

    def say(self, root: int, below: str, exclude: Sequence[str], include: Sequence[str], cwd: str) -> Entry | None:
        """Set the patterns of the folder (empty: none for it or for anything below). Returns the previous entry if it
        differs."""
        before = next((one for one in self._entries if (one.root, one.below) == (root, below)), None)
        self._entries = [one for one in self._entries if not (one.root == root and one.below == below)]
        if exclude or include:
            self._entries.append(Entry(root, below, tuple(exclude), tuple(include), cwd))
        same = before and (before.exclude, before.include) == (tuple(exclude), tuple(include))
        return None if same else before

    def patterns(self, roots: Iterable[Root]) -> list[Patterns]:
        """All patterns, with absolute folders."""
        paths = {root.root_id: os.fspath(root.path) for root in roots}
        return [
            Patterns(
                os.path.join(paths[one.root], one.below) if one.below else paths[one.root],  # noqa: PTH118
                one.exclude,
                one.include,
                one.cwd,
            )
            for one in self._entries
            if one.root in paths
        ]

    def save(self, roots: Iterable[Root]) -> None:
        """Replace the file as a whole, without forgotten folders. Raises StorageFull."""
        known = {root.root_id for root in roots}
        rows = [asdict(one) for one in self._entries if one.root in known]
        with disk_errors(self._path):
            write_whole(self._path, json.dumps({"version": _VERSION, "patterns": rows}, indent=1).encode("ascii"))


class AnyIncluded:
    """Whether any of some patterns includes a folder that would be passed over."""

    def __init__(self, patterns: Iterable[Patterns]) -> None:
        self._rows = [
            (one.base.rstrip(os.sep) + os.sep, Included(one.include, one.cwd)) for one in patterns if one.include
        ]

    def matches(self, path: str) -> bool:
        return any(path.startswith(base) and included.matches(path) for base, included in self._rows)


def described(exclude: Sequence[str], include: Sequence[str]) -> str:
    """The patterns as written in a command."""
    return " ".join([*(f"--exclude {one}" for one in exclude), *(f"--include {one}" for one in include)])
