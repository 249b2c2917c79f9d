"""Folders -> the files in them that look like pictures. Bounded memory, nothing opened that could block."""

from __future__ import annotations

import errno
import os
import stat
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from operator import attrgetter
from typing import NamedTuple

from imgsearch.media.program_folders import Included, program_folder_above, program_folder_in
from imgsearch.media.sniff import IMAGE_EXTENSIONS, sniff

_SORTED_AT_A_TIME = 20_000  # entries of one folder held in memory (about 10 MB) and yielded by name
_MAX_OTHER_EXTENSIONS = 200
_TYPE_BITS = 0o170000  # of st_mode; what stat.S_IFMT masks
# "._IMG_1.jpg" holds macOS attributes, not a picture; Android renames what was thrown away or is half written.
_NOT_PICTURES = ("._", ".trashed-", ".pending-")
_SNIFF_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class FileEntry(NamedTuple):
    """One regular file that looks like a picture; sizes and times are of the file that a link leads to."""

    path: str  # absolute
    relative_path: str  # under the root, "/" between folders, surrogateescape; "" if the root is the file
    size_bytes: int
    mtime_ns: int
    device: int
    inode: int


@dataclass(frozen=True, slots=True)
class WalkProblem:
    """A folder or file that could not be looked at. What lies under it is unknown, not deleted."""

    path: str
    relative_path: str
    reason: str
    folder: bool


@dataclass(slots=True)
class WalkCounts:
    """What a walk met, beside the entries it yielded."""

    images: int = 0
    other: int = 0  # files of other types, links that lead nowhere, pipes, sockets, devices
    folders: int = 0
    hidden_folders: int = 0
    skipped_folders: int = 0  # libraries, links back up
    program_folders: Counter[str] = field(default_factory=Counter)  # by the words of `program_folder`: not entered
    other_by_extension: Counter[str] = field(default_factory=Counter)


class Walk:
    """Iterate once; ``counts`` and ``problems`` are complete when the iteration has ended.

    A file is a candidate by its extension, or, having none, by its first bytes; whether a candidate is what its
    name says is the decoder's business. Hidden folders are left out unless ``hidden``; so are ``skip``, every
    folder that holds an imgsearch library, and folders that belong to a program (`program_folders`). ``include`` names
    hidden ones and ones of programs that are walked all the same (see `Included`); the root always is. A link to a
    folder is followed after all real folders (so a real path wins), each real folder is entered once, a link that leads
    back up never.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        *,
        skip: Iterable[str | os.PathLike[str]] = (),
        hidden: bool = False,
        include: Sequence[str] = (),
    ) -> None:
        self.root = os.path.abspath(os.fspath(root))  # noqa: PTH100  Path costs 10 us a file, and drops ".."
        self.counts = WalkCounts()
        self.problems: list[WalkProblem] = []
        self._hidden = hidden
        self._include = Included(include) if include else None
        self._skip = {os.path.realpath(os.fspath(folder)) for folder in skip}
        self._entered: set[tuple[int, int]] = set()
        self._folders: deque[str] = deque()  # relative paths, still to be entered
        self._links: deque[str] = deque()  # relative paths of links to folders, for afterwards

    def unread(self, relative_path: str) -> bool:
        """True if nothing is known about that path because it, or a folder above it, could not be read."""
        return any(
            problem.relative_path in ("", relative_path) or relative_path.startswith(problem.relative_path + "/")
            for problem in self.problems
        )

    def __iter__(self) -> Iterator[FileEntry]:
        status = self._root_status()
        if status is None:
            return
        if stat.S_ISREG(status.st_mode):
            self.counts.images += 1
            yield FileEntry(self.root, "", status.st_size, status.st_mtime_ns, status.st_dev, status.st_ino)
            return
        self._folders.append("")
        while self._folders or self._links:
            if self._folders:
                yield from self._enter(self._folders.pop())
            else:
                self._follow(self._links.popleft())

    def _root_status(self) -> os.stat_result | None:
        try:
            status = os.stat(self.root)  # noqa: PTH116
        except (OSError, ValueError) as exc:
            self._problem("", exc, folder=True)
            return None
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            self.problems.append(WalkProblem(self.root, "", "neither a folder nor a regular file", False))
            return None
        return status

    def _absolute(self, relative: str) -> str:
        if not relative:
            return self.root
        return os.path.join(self.root, relative.replace("/", os.sep) if os.sep != "/" else relative)  # noqa: PTH118

    def _follow(self, relative: str) -> None:
        """A link to a folder: queued unless it leads back up, or into a library or the folder of a program."""
        target = os.path.realpath(self._absolute(relative))
        above = os.path.realpath(self.root)
        if above == target or above.startswith(target.rstrip(os.sep) + os.sep) or self._inside_skipped(target):
            self.counts.skipped_folders += 1
            return
        owned = program_folder_above(target, originals=False)
        inside = owned and (above == owned.path or above.startswith(owned.path + os.sep))  # the root lies in it as well
        if owned and not inside and not (self._include and self._include.matches(owned.path)):
            self.counts.program_folders[owned.words] += 1
        else:
            self._folders.append(relative)

    def _inside_skipped(self, real: str) -> bool:
        return any(real == folder or real.startswith(folder + os.sep) for folder in self._skip)

    def _enter(self, relative: str) -> Iterator[FileEntry]:
        folder = self._absolute(relative)
        try:
            status = os.stat(folder)  # noqa: PTH116
            if (status.st_dev, status.st_ino) in self._entered:
                return
            self._entered.add((status.st_dev, status.st_ino))
            if self._is_skipped(folder):
                self.counts.skipped_folders += 1
                return
            with os.scandir(folder) as listing:
                self.counts.folders += 1
                while chunk := list(islice(listing, _SORTED_AT_A_TIME)):
                    chunk.sort(key=attrgetter("name"))
                    yield from self._sift(chunk, relative + "/" if relative else "")
        except OSError as exc:
            self._problem(relative, exc, folder=True)

    def _is_skipped(self, folder: str) -> bool:
        if self._skip and self._inside_skipped(os.path.realpath(folder)):
            return True
        catalog, segments = os.path.join(folder, "catalog.db"), os.path.join(folder, "segments")  # noqa: PTH118
        return os.path.isfile(catalog) and os.path.isdir(segments)  # noqa: PTH113, PTH112

    def _sift(self, chunk: list[os.DirEntry[str]], prefix: str) -> Iterator[FileEntry]:
        below: list[str] = []
        images = 0
        for entry in chunk:
            name = entry.name
            try:
                if entry.is_dir(follow_symlinks=False):
                    if self._wanted(name, entry.path):
                        below.append(prefix + name)
                elif name[name.rfind(".") :].lower() in IMAGE_EXTENSIONS and not name.startswith(_NOT_PICTURES):
                    # The plain case, 100,000 times over, without a call: _file is for links and for trouble.
                    status = None if entry.is_symlink() else entry.stat(follow_symlinks=False)
                    if status is not None and status.st_mode & _TYPE_BITS == stat.S_IFREG:
                        images += 1
                        yield FileEntry(
                            entry.path, prefix + name, status.st_size, status.st_mtime_ns, status.st_dev, status.st_ino
                        )
                    elif (found := self._file(entry, prefix + name)) is not None:
                        yield found
                elif entry.is_symlink() and entry.is_dir():
                    if self._wanted(name, entry.path):
                        self._links.append(prefix + name)
                else:
                    if (found := self._nameless(entry, prefix + name)) is not None:
                        yield found
            except OSError as exc:
                self._problem(prefix + name, exc, folder=False)
        self.counts.images += images
        self._folders.extend(reversed(below))  # the deque is a stack: first by name, first entered

    def _wanted(self, name: str, path: str) -> bool:
        if self._include is not None and self._include.matches(path):
            return True
        if words := program_folder_in(path[: -len(name) - 1], name):
            self.counts.program_folders[words] += 1
            return False
        if name.startswith(".") and not self._hidden:
            self.counts.hidden_folders += 1
            return False
        return True

    def _file(self, entry: os.DirEntry[str], relative: str) -> FileEntry | None:
        """The entry of a candidate if it is, or leads to, a regular file."""
        link = entry.is_symlink()
        try:
            status = entry.stat()
        except FileNotFoundError:
            if link:  # leads nowhere: nothing to index, nothing to mend
                self._other(entry.name)
            return None  # else deleted while we looked
        if stat.S_ISDIR(status.st_mode):  # a link to a folder, named like a picture
            if self._wanted(entry.name, entry.path):
                self._links.append(relative)
            return None
        if not stat.S_ISREG(status.st_mode) or (link and self._inside_skipped(os.path.realpath(entry.path))):
            self._other(entry.name)
            return None
        self.counts.images += 1
        return FileEntry(entry.path, relative, status.st_size, status.st_mtime_ns, status.st_dev, status.st_ino)

    def _nameless(self, entry: os.DirEntry[str], relative: str) -> FileEntry | None:
        """A file of another extension is counted; one without any is a candidate if it begins like a picture."""
        if "." not in entry.name and entry.is_file() and _begins_like_a_picture(entry.path):
            return self._file(entry, relative)
        self._other(entry.name)
        return None

    def _other(self, name: str) -> None:
        self.counts.other += 1
        dot = name.rfind(".")
        extension = name[dot:].lower() if dot > 0 and len(name) - dot <= 12 else ""
        if extension in self.counts.other_by_extension or len(self.counts.other_by_extension) < _MAX_OTHER_EXTENSIONS:
            self.counts.other_by_extension[extension] += 1

    def _problem(self, relative: str, exc: OSError | ValueError, *, folder: bool) -> None:
        number = exc.errno if isinstance(exc, OSError) else None
        if number == errno.ENOENT and relative:
            return  # deleted while we walked
        reason = {
            errno.EACCES: "no permission to read it",
            errno.EPERM: "no permission to read it",
            errno.ENOENT: "does not exist",
            errno.ELOOP: "a symbolic link that leads in a circle",
            errno.ENAMETOOLONG: "the path is too long for this system",
            errno.EIO: "the disk failed to read it (input/output error)",
        }.get(number or 0, str(exc.strerror or exc) if isinstance(exc, OSError) else str(exc))
        self.problems.append(WalkProblem(self._absolute(relative), relative, reason, folder))


def _begins_like_a_picture(path: str) -> bool:
    """Only asked of regular files; an unreadable one counts as none."""
    try:
        descriptor = os.open(path, _SNIFF_FLAGS)
    except OSError:
        return False
    try:
        return bool(sniff(os.read(descriptor, 64)).format)
    except OSError:
        return False
    finally:
        os.close(descriptor)
