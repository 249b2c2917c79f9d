"""Which folders of this machine the page may offer and read: those below a few roots, whatever links say."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from imgsearch.errors import UsageError
from imgsearch.media.sniff import IMAGE_EXTENSIONS
from web.problems import Forbidden, NotFound, printable

MOST = 2000
"""Folders of one listing; a folder of 100,000 would be a long page."""

_LONGEST = 4096  # bytes of a path, as Linux has it


@dataclass(frozen=True, slots=True)
class Listing:
    """The folders in one folder. ``path`` is None for the list of roots, ``parent`` at a root. ``pictures``: files that
    are called like pictures, in this folder alone. ``elsewhere``: links that lead out of the roots, and are left out.
    ``cut``: there are more than `MOST`."""

    path: str | None
    parent: str | None
    folders: tuple[tuple[str, str], ...]  # (name, path)
    pictures: int = 0
    elsewhere: int = 0
    cut: bool = False


@dataclass(frozen=True, slots=True)
class FolderRules:
    """``roots``: real paths of the folders below which folders may be listed and read."""

    roots: tuple[str, ...]

    @classmethod
    def of(cls, folders: Iterable[str | os.PathLike[str]]) -> FolderRules:
        """The rules for these roots; one inside another adds nothing."""
        reals = sorted({os.path.realpath(folder) for folder in folders}, key=len)
        kept = list[str]()
        for real in reals:
            if not any(_under(real, root) for root in kept):
                kept.append(real)
        return cls(tuple(kept))

    def real(self, given: str) -> Path:
        """The real path of a folder that may be read. ``~`` is the home folder of the server's user.

        Raises UsageError for what is no whole path or no folder, Forbidden for one outside of the roots, whether it is
        there or not, NotFound for one that is not there."""
        if not self.roots:
            raise Forbidden("this server reads no folders that a page names", "imgsearch serve --allow-folder DIR")
        shown = printable(given[:200])
        path = os.path.expanduser(given) if given.startswith("~") else given  # noqa: PTH111
        if "\0" in given or not _is_path(path):
            raise UsageError(f"got the folder {shown!r}, expected a whole path", f"for example {self.roots[0]}")
        real = os.path.realpath(path)
        if not any(_under(real, root) for root in self.roots):
            raise Forbidden(
                f"{shown} lies outside of what this page may read: {', '.join(map(printable, self.roots))}",
                "imgsearch serve --allow-folder DIR lets it read more",
            )
        try:
            kind = os.stat(real).st_mode  # noqa: PTH116
        except (FileNotFoundError, NotADirectoryError):
            raise NotFound(f"there is no folder {shown}", "check the spelling") from None
        except OSError as exc:
            raise UsageError(f"{shown} cannot be looked at: {exc.strerror}", "choose another folder") from exc
        if not stat.S_ISDIR(kind):
            raise UsageError(f"{shown} is no folder", "choose the folder that it lies in")
        return Path(real)

    def listing(self, given: str | None) -> Listing:
        """The folders in a folder, by name; hidden ones are left out. Without one, the roots, or what is in the only
        root. Raises as ``real`` does. Costs a stat an entry."""
        if given is None and len(self.roots) != 1:
            if not self.roots:
                self.real("")
            return Listing(None, None, tuple((os.path.basename(root) or root, root) for root in self.roots))  # noqa: PTH119
        real = os.fspath(self.real(self.roots[0] if given is None else given))
        found, pictures, elsewhere = list[tuple[str, str]](), 0, 0
        try:
            for entry in _entries(real):
                if not _is_folder(entry):
                    pictures += os.path.splitext(entry.name)[1].lower() in IMAGE_EXTENSIONS  # noqa: PTH122
                elif entry.is_symlink() and not self._inside(entry.path):
                    elsewhere += 1
                else:
                    found.append((entry.name, entry.path))
        except OSError as exc:
            raise UsageError(
                f"{printable(real)} cannot be listed: {exc.strerror}", "its rights may not allow it; choose another"
            ) from exc
        found.sort(key=lambda one: (one[0].casefold(), one[0]))
        return Listing(real, self._parent(real), tuple(found[:MOST]), pictures, elsewhere, len(found) > MOST)

    def _inside(self, path: str) -> bool:
        real = os.path.realpath(path)
        return any(_under(real, root) for root in self.roots)

    def _parent(self, real: str) -> str | None:
        if real in self.roots:
            return "" if len(self.roots) > 1 else None
        return os.path.dirname(real)  # noqa: PTH120


def _entries(folder: str) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        yield from (entry for entry in entries if not entry.name.startswith("."))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _is_path(text: str) -> bool:
    try:
        return len(os.fsencode(text)) <= _LONGEST and os.path.isabs(text)  # noqa: PTH117
    except UnicodeEncodeError:
        return False


def _under(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip(os.sep) + os.sep)
