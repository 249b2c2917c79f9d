"""All inputs of a job as rows of its ledger: in the order of the command line, each once."""

from __future__ import annotations

import glob
import hashlib
import itertools
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from imgsearch.errors import UsageError
from imgsearch.media.walking.walk import Walk
from indexer.jobs.inputs.archives import list_archive
from indexer.jobs.inputs.listing import Listed, Passed
from indexer.jobs.inputs.manifests import SUFFIXES, ManifestLine, read_manifest
from indexer.jobs.inputs.rows import InputRow

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_BRACES = re.compile(r"\{(\d+)\.\.(\d+)\}")


@dataclass(slots=True)
class Gathered:
    """What `gather` learns besides the rows. ``roots`` grows while it is iterated."""

    roots: list[str] = field(default_factory=list)
    passed: Passed = field(default_factory=Passed)
    newest_ns: int = 0


class Gathering:
    """The inputs that the words of ``--input`` name: folders, manifests, archives, patterns of archives. Iterate it
    once. A path that was named before becomes a row "again". ``skip``: folders that are not walked. Needs about 100
    bytes of memory an input."""

    def __init__(
        self,
        words: Sequence[str],
        column: str = "",
        skip: Sequence[Path] = (),
        walked: Callable[[int], None] = lambda count: None,
    ) -> None:
        self.found = Gathered()
        self._sources = [source for word in words for source in _sources(word, column)]
        self._skip, self._walked = skip, walked
        self._numbers: dict[bytes, int] = {}
        self._count = 0

    def __iter__(self) -> Iterator[InputRow]:
        for source in self._sources:
            roots = _Roots(self.found.roots, source.folders)
            for listed in source.inputs(self._skip, self.found.passed):
                yield self._row(listed, roots)
                self._count += 1
                if self._count % 4096 == 0:
                    self._walked(self._count)

    def _row(self, listed: Listed, roots: _Roots) -> InputRow:
        root, path = roots.place(listed.path)
        if listed.lost:
            return InputRow("lost", root, path, reason=listed.lost)
        key = hashlib.blake2b(os.fsencode(listed.path), digest_size=16).digest()
        first = self._numbers.setdefault(key, self._count)
        if first != self._count:
            return InputRow("again", root, path, first=first)
        self.found.newest_ns = max(self.found.newest_ns, listed.mtime_ns)
        if not listed.archive:
            return InputRow("file", root, path, listed.size_bytes, listed.mtime_ns)
        archive = path[: len(path) - (len(listed.path) - len(listed.archive))]
        size, time = listed.size_bytes, listed.mtime_ns
        return InputRow("member", root, path, size, time, archive, listed.offset, listed.archive_stamp)


class _Roots:
    """Which folder of the job a path is below; folders are numbered as they are met."""

    def __init__(self, known: list[str], folders: Sequence[str]) -> None:
        self._known = known
        self._folders = sorted(folders, key=len, reverse=True)

    def place(self, path: str) -> tuple[int, str]:
        for folder in self._folders:
            if path == folder or path.startswith(folder.rstrip("/") + "/"):
                return self._number(folder), path[len(folder) :].lstrip("/")
        return self._number("/"), path.lstrip("/")

    def _number(self, folder: str) -> int:
        if folder not in self._known:
            self._known.append(folder)
        return self._known.index(folder)


@dataclass(frozen=True, slots=True)
class _Source:
    """One word of ``--input``. ``folders``: what its inputs are below."""

    folders: tuple[str, ...]
    inputs: Callable[[Sequence[Path], Passed], Iterator[Listed]]


def _sources(word: str, column: str) -> list[_Source]:
    path = os.path.abspath(os.path.expanduser(word))  # noqa: PTH100, PTH111  links stay as the person wrote them
    if os.path.isdir(path):  # noqa: PTH112
        return [_Source((path,), lambda skip, passed: _walked(path, skip, passed))]
    if os.path.isfile(path):  # noqa: PTH113
        if path.lower().endswith(SUFFIXES):
            return [_manifest(path, column)]
        return [_archives([path]) if path.lower().endswith(".tar") else _single(path)]
    found = _matching(path)
    if not found:
        hint = "name a folder, a manifest (.txt, .csv, .tsv, .jsonl, .parquet), or archives: --input 'shards/*.tar'"
        raise UsageError(f"{word} is not there", hint)
    archives = [name for name in found if name.lower().endswith(".tar")]
    others = [source for name in found if name not in archives for source in _sources(name, column)]
    return ([_archives(archives)] if archives else []) + others


def _matching(pattern: str) -> list[str]:
    """Files and folders that match a pattern with ``*``, ``?``, ``[...]`` and ``{000..099}``, sorted."""
    spread = _BRACES.search(pattern)
    if spread is None:
        return sorted(glob.glob(pattern))  # noqa: PTH207  keeps names that are no text
    first, last = spread[1], spread[2]
    numbers = [f"{number:0{len(first)}d}" for number in range(int(first), int(last) + 1)]
    names = [f"{pattern[: spread.start()]}{number}{pattern[spread.end() :]}" for number in numbers]
    return list(itertools.chain.from_iterable(_matching(name) or [name] for name in names))


def _single(path: str) -> _Source:
    return _Source((os.path.dirname(path),), lambda skip, passed: iter([_file(path)]))  # noqa: PTH120


def _archives(paths: list[str]) -> _Source:
    def inputs(skip: Sequence[Path], passed: Passed) -> Iterator[Listed]:
        for path in paths:
            yield from list_archive(path, passed)

    return _Source(tuple({os.path.dirname(path): None for path in paths}), inputs)  # noqa: PTH120


def _walked(folder: str, skip: Sequence[Path], passed: Passed) -> Iterator[Listed]:
    walk = Walk(folder, skip=skip)
    for entry in walk:
        yield Listed(entry.path, entry.size_bytes, entry.mtime_ns)
    for problem in walk.problems:
        what = "the folder" if problem.folder else "the file"
        yield Listed(problem.path, lost=f"{what} could not be read: {problem.reason}")
    for (reason, _), count in walk.counts.passed_files.items():
        passed.add(f"files: {reason}", count)
    for reason, count in walk.counts.passed_folders.items():
        passed.add(f"folders: {reason}", count)


def _manifest(path: str, column: str) -> _Source:
    """The paths of a manifest, which are relative to its folder. They are read twice: what folders they share must be
    known before the first one is placed."""
    folder, name = os.path.split(path)
    shared: dict[str, str] = {}  # the first folder of a path -> what all those paths share; never "/" itself
    for line in read_manifest(Path(path), column):
        if found := _absolute(folder, line):
            above, top = os.path.dirname(found), found.split("/", 2)[1]  # noqa: PTH120
            shared[top] = os.path.commonpath([shared.get(top, above), above])
    folders = tuple(shared.values()) or (folder,)

    def inputs(skip: Sequence[Path], passed: Passed) -> Iterator[Listed]:
        for line in read_manifest(Path(path), column):
            found = _absolute(folder, line)
            why = line.lost or f"it is no path of a file here: {line.path[:200]}"
            yield _file(found) if found else Listed(f"{folders[0]}/{name}, {line.where}", lost=why)

    return _Source(folders, inputs)


def _absolute(folder: str, line: ManifestLine) -> str:
    """'' for what names no file here: an address, a name with a NUL."""
    if line.lost or _ADDRESS.match(line.path) or "\0" in line.path:
        return ""
    return os.path.normpath(os.path.join(folder, line.path))  # noqa: PTH118


def _file(path: str) -> Listed:
    """A file by its path, whether it is there or not: the decoder says what is wrong with it."""
    try:
        status = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):
        return Listed(path)
    if stat.S_ISDIR(status.st_mode):
        return Listed(path, lost="it is a folder, expected a picture")
    return Listed(path, status.st_size, status.st_mtime_ns)
