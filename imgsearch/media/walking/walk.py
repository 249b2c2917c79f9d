"""From folders to the files in them that look like images. Memory is bounded, and nothing is opened that could
block."""

from __future__ import annotations

import errno
import os
import stat
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from operator import attrgetter
from typing import NamedTuple

from imgsearch.media.facts.sidecar_names import EXTENSIONS as SIDECAR_EXTENSIONS
from imgsearch.media.facts.sidecar_names import FoundSidecars
from imgsearch.media.sniff import IMAGE_EXTENSIONS, UNREAD_EXTENSIONS
from imgsearch.media.walking.ignore import IGNORE_FILE, read_ignore_file
from imgsearch.media.walking.pass_rules import PROGRAM, Chain, PassRules, Patterns, dotted_names, special_names
from imgsearch.media.walking.peek import begins_like_an_image
from imgsearch.media.walking.program_folders import program_folder_above
from imgsearch.media.walking.walk_counts import (
    DEAD_LINK,
    INTO_LIBRARY,
    MAC_ATTRIBUTES,
    NO_FILE,
    NO_IMAGE,
    THROWN_AWAY,
    UNREAD,
    WalkCounts,
    WalkProblem,
    problem_reason,
)

_SORTED_AT_A_TIME = 20_000  # entries of one folder that are held in memory (about 10 MB) and sorted by name
_TYPE_BITS = 0o170000  # of st_mode, as in stat.S_IFMT
# "._IMG_1.jpg" holds macOS attributes instead of an image; Android renames deleted and unfinished files.
_NOT_IMAGES = ("._", ".trashed-", ".pending-")


class FileEntry(NamedTuple):
    """One regular file that looks like an image. Sizes and times are those of the file that a link leads to."""

    path: str  # absolute
    relative_path: str  # under the root, "/" between folders, surrogateescape; "" if the root is the file
    size_bytes: int
    mtime_ns: int
    device: int
    inode: int


class Walk:
    """Iterate it once. ``counts`` and ``problems`` are complete when the iteration has ended.

    A file is a candidate by its extension or, without one, by its first bytes. The decoder decides whether a candidate
    is what its name says. Left out are hidden files and folders unless ``hidden``, folders in ``skip``, every folder
    that holds an imgsearch library, folders that belong to a program (`program_folders`) or hold ``.nomedia`` or the
    like, and whatever `.imgsearchignore` files exclude (`PassRules`). ``include`` names hidden folders and folders of
    programs that are walked nevertheless (see `Included`); the root always is. Links to folders are followed after all
    real folders, so that a real path wins. Each real folder is entered once, and a link that leads back up never.

    ``rules`` replace ``hidden`` and ``include`` and bring the lists of the folders above. Then OSError and ValueError
    are raised for a list that cannot be read.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        *,
        skip: Iterable[str | os.PathLike[str]] = (),
        hidden: bool = False,
        include: Sequence[str] = (),
        rules: PassRules | None = None,
    ) -> None:
        self.root = os.path.abspath(os.fspath(root))  # noqa: PTH100  Path costs 10 us a file, and drops ".."
        self.counts = WalkCounts()
        self.problems: list[WalkProblem] = []
        self.sidecars = FoundSidecars(self.unread)
        self._rules = rules or PassRules(self.root, [Patterns(self.root, include=tuple(include))], hidden=hidden)
        chain = rules.chain_above(self.root) if rules else ()  # may raise OSError, ValueError
        self._chains: dict[str, Chain] = {"": chain} if chain else {}  # of folders still to be entered
        self._skip = {os.path.realpath(os.fspath(folder)) for folder in skip}
        self._entered: set[tuple[int, int]] = set()
        self._folders: deque[str] = deque()  # relative paths, still to be entered
        self._links: deque[str] = deque()  # relative paths of links to folders, for afterwards

    def unread(self, relative_path: str) -> bool:
        """Whether nothing is known about that path because it, or a folder above it, could not be read."""
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
            self.sidecars.note_folder(os.path.dirname(self.root))  # noqa: PTH120
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
        """Queue a link to a folder, unless it leads back up, or into a library or the folder of a program."""
        target = os.path.realpath(self._absolute(relative))
        above = os.path.realpath(self.root)
        if above == target or above.startswith(target.rstrip(os.sep) + os.sep) or self._inside_skipped(target):
            self.counts.skipped_folders += 1
            return
        owned = program_folder_above(target, originals=False)
        inside = owned and (above == owned.path or above.startswith(owned.path + os.sep))  # the root lies in it, too
        if owned and not inside and not self._rules.includes(owned.path):
            self.counts.pass_folder(PROGRAM + owned.words)
        else:
            self._folders.append(relative)

    def _inside_skipped(self, real: str) -> bool:
        return any(real == folder or real.startswith(folder + os.sep) for folder in self._skip)

    def _enter(self, relative: str) -> Iterator[FileEntry]:
        folder = self._absolute(relative)
        chain = self._chains.pop(relative, ())
        try:
            status = os.stat(folder)  # noqa: PTH116
            if (status.st_dev, status.st_ino) in self._entered:
                return
            self._entered.add((status.st_dev, status.st_ino))
            if self._is_skipped(folder):
                self.counts.skipped_folders += 1
                return
            with os.scandir(folder) as listing:
                chunk = sorted(islice(listing, _SORTED_AT_A_TIME), key=_by_name)
                dotted = dotted_names(chunk) if len(chunk) < _SORTED_AT_A_TIME else special_names(folder)
                if reason := self._rules.marker_reason(folder, dotted):
                    self.counts.pass_folder(reason)
                    return
                if IGNORE_FILE in dotted:
                    found = self._read_list(folder, relative)
                    if found is None:
                        return
                    chain = found + chain
                self.counts.folders += 1
                while chunk:
                    yield from self._sift(chunk, relative + "/" if relative else "", chain)
                    chunk = sorted(islice(listing, _SORTED_AT_A_TIME), key=_by_name)
        except OSError as exc:
            self._problem(relative, exc, folder=True)

    def _read_list(self, folder: str, relative: str) -> Chain | None:
        """The list in that folder; None if it cannot be read, so that nobody knows which of its files may be taken."""
        try:
            found = read_ignore_file(folder, self._rules.source(folder))
        except (OSError, ValueError) as exc:
            reason = f"its {IGNORE_FILE} cannot be read: {problem_reason(exc)}"
            self.problems.append(WalkProblem(folder, relative, reason, True))
            return None
        return (found,) if found else ()

    def _is_skipped(self, folder: str) -> bool:
        if self._skip and self._inside_skipped(os.path.realpath(folder)):
            return True
        if not os.path.isdir(os.path.join(folder, "segments")):  # noqa: PTH118, PTH112
            return False
        catalogs = (os.path.join(folder, name) for name in ("catalog.db", "catalog.json"))  # noqa: PTH118
        return any(map(os.path.isfile, catalogs))

    def _sift(self, chunk: list[os.DirEntry[str]], prefix: str, chain: Chain) -> Iterator[FileEntry]:
        below: list[str] = []
        images = 0
        ruled = bool(chain) or not self._rules.plain
        for entry in chunk:
            name = entry.name
            try:
                if entry.is_dir(follow_symlinks=False):
                    if self._wanted(name, entry.path, prefix + name, chain):
                        below.append(prefix + name)
                elif name[name.rfind(".") :].lower() in IMAGE_EXTENSIONS and not (ruled or name[0] == "."):
                    # The usual case, met 100,000 times, needs no call. _file handles links and problems.
                    status = None if entry.is_symlink() else entry.stat(follow_symlinks=False)
                    if status is not None and status.st_mode & _TYPE_BITS == stat.S_IFREG:
                        images += 1
                        yield FileEntry(
                            entry.path, prefix + name, status.st_size, status.st_mtime_ns, status.st_dev, status.st_ino
                        )
                    elif (found := self._file(entry, prefix + name, chain)) is not None:
                        yield found
                elif (found := self._other_entry(entry, prefix + name, chain)) is not None:
                    yield found
            except OSError as exc:
                self._problem(prefix + name, exc, folder=False)
        self.counts.images += images
        self._folders.extend(reversed(below))  # the deque is a stack, so the first name is entered first

    def _wanted(self, name: str, path: str, relative: str, chain: Chain) -> bool:
        """Whether to enter a folder. If so, the lists above it are kept for it."""
        if reason := self._rules.folder_reason(path, name, chain):
            self.counts.pass_folder(reason)
            return False
        if chain:
            self._chains[relative] = chain
        return True

    def _other_entry(self, entry: os.DirEntry[str], relative: str, chain: Chain) -> FileEntry | None:
        """The entry of anything unusual: a hidden file, one under rules, a link, a file without an image's
        extension."""
        name = entry.name
        extension = name[name.rfind(".") :].lower() if "." in name else ""
        if extension not in IMAGE_EXTENSIONS:
            if entry.is_symlink() and entry.is_dir():
                if self._wanted(name, entry.path, relative, chain):
                    self._links.append(relative)
                return None
            if extension in SIDECAR_EXTENSIONS:
                self.sidecars.note(entry, relative)
            if not begins_like_an_image(entry, extension):
                self._pass_other(entry)
                return None
        if name.startswith(_NOT_IMAGES):
            self.counts.other += 1
            self.counts.pass_file(name, MAC_ATTRIBUTES if name.startswith("._") else THROWN_AWAY)
            return None
        return self._file(entry, relative, chain)

    def _file(self, entry: os.DirEntry[str], relative: str, chain: Chain) -> FileEntry | None:
        """The entry of a candidate that is a regular file, or leads to one, and that no rule passes over."""
        link = entry.is_symlink()
        try:
            status = entry.stat()
        except FileNotFoundError:
            if link:  # it leads nowhere: there is nothing to index and nothing to mend
                self._pass_other(entry)
            return None  # otherwise it was deleted in the meantime
        if stat.S_ISDIR(status.st_mode):  # a link to a folder that is named like an image
            if self._wanted(entry.name, entry.path, relative, chain):
                self._links.append(relative)
            return None
        if not stat.S_ISREG(status.st_mode) or (link and self._inside_skipped(os.path.realpath(entry.path))):
            self._pass_other(entry)
            return None
        if reason := self._rules.file_reason(entry.path, entry.name, chain):
            self.counts.pass_file(entry.name, reason)
            return None
        self.counts.images += 1
        return FileEntry(entry.path, relative, status.st_size, status.st_mtime_ns, status.st_dev, status.st_ino)

    def _pass_other(self, entry: os.DirEntry[str]) -> None:
        """Count a file that is no image, or an entry that is no file."""
        extension = entry.name[entry.name.rfind(".") :].lower()
        reason = UNREAD if extension in UNREAD_EXTENSIONS else NO_IMAGE
        if not entry.is_file():
            reason = DEAD_LINK if entry.is_symlink() and not os.path.exists(entry.path) else NO_FILE  # noqa: PTH110
        elif entry.is_symlink() and extension in IMAGE_EXTENSIONS:
            reason = INTO_LIBRARY
        self.counts.other += 1
        self.counts.pass_file(entry.name, reason)

    def _problem(self, relative: str, exc: OSError | ValueError, *, folder: bool) -> None:
        number = exc.errno if isinstance(exc, OSError) else None
        if number == errno.ENOENT and relative:
            return  # deleted during the walk
        self.problems.append(WalkProblem(self._absolute(relative), relative, problem_reason(exc), folder))


_by_name = attrgetter("name")
