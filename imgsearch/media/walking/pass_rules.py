"""Decides whether a walk enters a folder and takes a file: patterns, hidden names, folders of programs, marker
files."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice, takewhile
from operator import attrgetter
from typing import cast

from imgsearch.errors import UsageError
from imgsearch.media.walking.ignore import IGNORE_FILE, IgnoreList, IgnorePattern, decide, read_ignore_file
from imgsearch.media.walking.program_folders import Included, program_folder_in

NO_MEDIA, NO_INDEX = ".nomedia", ".noindex"
MARKERS = (NO_MEDIA, NO_INDEX, ".metadata_never_index")
"""A folder that holds one of these files is not walked, nor anything below it (Android, "MediaStore"; Apple,
Spotlight). macOS also skips folders whose names end in ``.noindex``."""

_BY_NAME = attrgetter("name")

HIDDEN = "hidden"
PROGRAM = "belongs to a program: "

Chain = tuple[IgnoreList, ...]
"""The lists of a folder's `.imgsearchignore` and of those above it, the deepest first."""


@dataclass(frozen=True, slots=True)
class Patterns:
    """The patterns on the command line for one folder or file, ``base`` (absolute): gitignore lines to exclude, and
    lines to include whatever excludes. An ``include`` that names a hidden folder or a program's folder walks it
    (`Included`). Relative paths begin at ``cwd``."""

    base: str
    exclude: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    cwd: str = ""

    def __bool__(self) -> bool:
        return bool(self.exclude or self.include)

    def check(self) -> None:
        """Raise UsageError for a pattern that cannot mean anything."""
        for option, texts in (("--exclude", self.exclude), ("--include", self.include)):
            for text in texts:
                if not text.strip("!/ ") or "\0" in text or "\n" in text:
                    raise UsageError(
                        f"received {option} {text!r}, expected a pattern as in a .gitignore file",
                        f"for example {option} '*.png', {option} raw/",
                    )

    def as_list(self) -> IgnoreList:
        """One list, with the includes last so that they decide."""
        lines = [_line(text, self.base) for text in self.exclude]
        lines += [_line(text, self.base).negated() for text in self.include]
        return IgnoreList(self.base, lines, "(--exclude)")


class PassRules:
    """The rules of one walk. ``said``: the command line's patterns for the root and for folders in or above it, in any
    order. Of two that match, that of the deeper folder decides, and both win over `.imgsearchignore` files."""

    def __init__(
        self, root: str, said: Iterable[Patterns] = (), *, hidden: bool = False, top: str | None = None
    ) -> None:
        """``top``: the folder above the root at which `.imgsearchignore` files begin to count, because it is a root,
        too."""
        self.root = root
        self.top = top or root
        self._hidden = hidden
        self._folders: dict[str, tuple[str, Chain]] = {}
        self.used: set[str] = set()  # patterns, as they were written, that excluded something
        deepest_first = sorted((one for one in said if one), key=lambda one: -len(one.base))
        self._said: Chain = tuple(one.as_list() for one in deepest_first)
        self._included = [
            (one.base.rstrip(os.sep) + os.sep, Included(one.include, one.cwd)) for one in deepest_first if one.include
        ]

    @property
    def plain(self) -> bool:
        """Whether the command line had no patterns. Without an `.imgsearchignore`, no file then needs a check."""
        return not self._said

    def includes(self, path: str) -> bool:
        """Whether a person named the folder ``path`` as one to walk nevertheless."""
        return any(path.startswith(base) and included.matches(path) for base, included in self._included)

    def folder_reason(self, path: str, name: str, chain: Chain) -> str:
        """Why the folder ``path`` is passed over; "" if it is walked. Does not read the folder."""
        if self._included and self.includes(path):
            return ""
        decision = decide(self._said + chain, path, folder=True) if self._said or chain else None
        if decision is not None and decision.excluded:
            self.used.add(decision.pattern.text)
            return decision.reason
        if words := program_folder_in(path[: -len(name) - 1], name):
            return PROGRAM + words
        taken_back = decision is not None and decision.pattern.names_hidden
        if name.startswith(".") and not self._hidden and not taken_back:
            return HIDDEN
        if name.lower().endswith(NO_INDEX) and decision is None:
            return f"its name ends in {NO_INDEX}"
        return ""

    def file_reason(self, path: str, name: str, chain: Chain) -> str:
        """Why the file ``path`` is passed over because of its name or path; "" if it is not."""
        decision = decide(self._said + chain, path, folder=False) if self._said or chain else None
        named = any(path.startswith(base) and included.names_path(path) for base, included in self._included)
        if decision is not None and decision.excluded and not named:
            self.used.add(decision.pattern.text)
            return decision.reason
        if name.startswith(".") and not self._hidden and not named:
            return "" if decision is not None and decision.pattern.names_hidden else HIDDEN
        return ""

    def marker_reason(self, path: str, names: Iterable[str]) -> str:
        """Why the folder ``path`` is passed over because of a file in it. ``names``: its files that begin with a dot.
        The root is always walked, because a person named it."""
        found = next((name for name in names if name.lower() in MARKERS), "")
        return "" if not found or path == self.root or self.includes(path) else f"holds {found}"

    def source(self, folder: str) -> str:
        """The place of ``folder``'s list, for people."""
        below = os.path.relpath(folder, self.top)
        return f"in {IGNORE_FILE}" if below == "." else f"in {below}/{IGNORE_FILE}"

    def chain_above(self, path: str) -> Chain:
        """The lists from ``top`` down to the folder of ``path``. Raises as `read_ignore_file` does."""
        return () if path == self.top else self._folder(os.path.dirname(path))[1]  # noqa: PTH120

    def reason(self, path: str) -> str:
        """Why a walk of the root passes over the absolute ``path`` below it, or a folder it lies in; "" if it does not.
        Reads each folder in between once in the life of these rules. Raises OSError or ValueError if a list cannot be
        read."""
        if os.path.isdir(path):  # noqa: PTH112
            return self._folder(path)[0]
        said, chain = self._folder(os.path.dirname(path))  # noqa: PTH120
        return said or self.file_reason(path, path[path.rfind(os.sep) + 1 :], chain)

    def _folder(self, folder: str) -> tuple[str, Chain]:
        """(why the folder is passed over, the lists that apply in it)."""
        found = self._folders.get(folder)
        if found is None:
            said, chain = "", cast("Chain", ())
            if folder != self.top and len(folder) > len(self.top):
                said, chain = self._folder(os.path.dirname(folder))  # noqa: PTH120
            inside = folder != self.root and folder.startswith(self.root.rstrip(os.sep) + os.sep)
            if inside and not said:
                name = folder[folder.rfind(os.sep) + 1 :]
                said = self.folder_reason(folder, name, chain) or self.marker_reason(folder, special_names(folder))
            own = read_ignore_file(folder, self.source(folder))
            found = self._folders[folder] = (said, (own, *chain) if own else chain)
        return found


def _line(text: str, base: str) -> IgnorePattern:
    """A pattern as git takes --exclude: no comments, spaces stay. A path below ``base`` becomes relative to it."""
    bare = text.removeprefix("!")
    full = os.path.expanduser(bare) if bare.startswith("~/") else bare  # noqa: PTH111
    if full.startswith(base.rstrip(os.sep) + os.sep):
        bare = full[len(base.rstrip(os.sep)) :]
    return IgnorePattern.of(os.fsencode(bare), negative=text.startswith("!"), text=text)


def dotted_names(chunk: list[os.DirEntry[str]]) -> set[str]:
    """The names that begin with a dot, from sorted entries."""
    after = islice(chunk, bisect_left(chunk, ".", key=_BY_NAME), None)
    return {entry.name for entry in takewhile(lambda entry: entry.name.startswith("."), after) if entry.is_file()}


def special_names(folder: str) -> set[str]:
    """`dotted_names` that matter here, of a folder too large to be listed at once."""
    return {name for name in (*MARKERS, IGNORE_FILE) if os.path.isfile(os.path.join(folder, name))}  # noqa: PTH113, PTH118
