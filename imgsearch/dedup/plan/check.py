"""Checks that a plan makes sense, before it is written, shown or carried out."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from imgsearch.dedup.evidence.records import NEVER_MOVED, Companion, Copy, Group, Member
from imgsearch.dedup.plan.as_json import wrong
from imgsearch.media.walking.program_folders import ProgramFolder, program_folder_above

_DIGEST_BYTES = 16
_KEEPER, _MEMBER, _COMPANION, _KEPT = b"K", b"M", b"C", b"R"
_ROW = np.dtype([("digest", f"V{_DIGEST_BYTES}"), ("role", "S1")])


class PlanCheck:
    """Checks groups one after the other, then rules that concern all of them. Keeps 17 bytes of each file."""

    def __init__(self, roots: Mapping[int, str]) -> None:
        self._roots = roots
        self._rows = bytearray()
        self._number = 0
        self._programs: tuple[str, ProgramFolder | None] = ("", None)  # of the last folder
        for number, root in roots.items():
            check_text(root, f"roots.{number}")

    def watched(self, groups: Iterable[Group]) -> Iterator[Group]:
        """The groups, each checked before it is yielded. Raises UsageError, naming the group and the file."""
        for group in groups:
            self._take(group, f"groups[{self._number}]")
            self._number += 1
            yield group

    def settle(self, groups: Iterable[Group]) -> None:
        """Checks that each file is named once. ``groups`` are the watched ones once more; they are read only if a file
        is named twice. Raises UsageError."""
        rows = np.frombuffer(bytes(self._rows), _ROW)
        once = rows[rows["role"] != _KEPT]
        doubtful = _several(once["digest"])
        kept = rows["digest"][rows["role"] == _KEPT]
        moved = once["digest"][once["role"] != _KEEPER]
        doubtful |= {one.tobytes() for one in np.intersect1d(_sortable(kept), _sortable(moved))}
        if doubtful:
            _name_twice(groups, doubtful)

    def _take(self, group: Group, place: str) -> None:
        self._file(group.keeper, f"{place}.keeper", _KEEPER)
        if not group.members:
            wrong(place, "no members", "at least one file besides the keeper")
        for index, member in enumerate(group.members):
            where = f"{place}.members[{index}]"
            self._file(member.copy, where, _MEMBER)
            _check_member(member, group.keeper, where)
            if member.move:
                self._check_folder(member.copy.path, where)
            for position, companion in enumerate(member.companions):
                self._companion(companion, member.copy, f"{where}.companions[{position}]")
        for index, one in enumerate(group.kept):
            self._file(one.copy, f"{place}.kept[{index}]", _KEPT)

    def _file(self, copy: Copy, where: str, role: bytes) -> None:
        path, root = copy.path, self._roots.get(copy.root_id)
        if root is None:
            wrong(where, f"root {copy.root_id}", f"one of {sorted(self._roots)}")
        _check_path(path, where)
        if path != root and not path.startswith(root.rstrip("/") + "/"):
            wrong(where, f"path {path!r}", f"a path below its root {root!r}")
        self._rows += path_digest(path) + role

    def _companion(self, companion: Companion, copy: Copy, where: str) -> None:
        """Checks that it lies in the folder of its image, so below the root, or beside a root that is one file."""
        _check_path(companion.path, where)
        folder = copy.path.rpartition("/")[0]
        if companion.path.rpartition("/")[0] != folder:
            wrong(where, f"path {companion.path!r}", f"a file in its picture's folder {folder!r}")
        self._rows += path_digest(companion.path) + _COMPANION

    def _check_folder(self, path: str, where: str) -> None:
        folder = path.rpartition("/")[0]
        if self._programs[0] != folder:
            self._programs = (folder, program_folder_above(folder))
        found = self._programs[1]
        if found is not None:
            wrong(where, f"move true for {path!r} in {found.words}, {found.path}", "false: its program needs it there")


def path_digest(path: str) -> bytes:
    """16 bytes that distinguish two paths."""
    return hashlib.blake2b(os.fsencode(path), digest_size=_DIGEST_BYTES).digest()


def _check_path(path: str, where: str) -> None:
    check_text(path, where)
    if os.path.normpath(path) != path or not path.startswith("/"):
        wrong(where, f"path {path!r}", "an absolute path without '..'")


def check_text(path: str, where: str) -> None:
    """Raises UsageError for a path that no file system accepts: with a NUL, or a surrogate that stands for no byte."""
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        wrong(where, f"path {path!r}", "characters that a file's name can have")
    if "\0" in path:
        wrong(where, f"path {path!r}", "a path without a NUL character")


def _check_member(member: Member, keeper: Copy, where: str) -> None:
    tier = member.evidence.tier
    if member.move and tier in NEVER_MOVED:
        wrong(where, f"move true for tier {tier}", "false: such pictures are never moved")
    if tier == "bytes" and member.copy.facts.content_hash != keeper.facts.content_hash:
        wrong(where, "tier bytes with another sha256 than the keeper's", "the same sha256, or another tier")


def _sortable(digests: NDArray[np.void]) -> NDArray[np.void]:
    """The same bytes as pairs of numbers: NumPy does not sort bare bytes."""
    return np.ascontiguousarray(digests).view([("high", "u8"), ("low", "u8")])


def _several(digests: NDArray[np.void]) -> set[bytes]:
    ordered = np.sort(_sortable(digests), order=["high", "low"])
    return {one.tobytes() for one in ordered[1:][ordered[1:] == ordered[:-1]]}


def _name_twice(groups: Iterable[Group], doubtful: set[bytes]) -> None:
    """Raises UsageError for the first file that is named in two places, with both. A file of a reference folder may be
    noted in several groups and be a keeper, nothing else."""
    seen: dict[str, str] = {}
    kept: list[tuple[str, str]] = []
    for number, group in enumerate(groups):
        for path, where in _places(group, f"groups[{number}]"):
            if path_digest(path) not in doubtful:
                continue
            if ".kept[" in where:
                kept.append((path, where))
            elif path in seen:
                wrong(where, f"path {path!r}, which is {seen[path]} too", "each file once")
            else:
                seen[path] = where
    for path, where in kept:
        if ".members[" in seen.get(path, ""):
            wrong(where, f"path {path!r}, which is {seen[path]} too", "kept or member")


def _places(group: Group, place: str) -> Iterator[tuple[str, str]]:
    yield group.keeper.path, f"{place}.keeper"
    for index, member in enumerate(group.members):
        where = f"{place}.members[{index}]"
        yield member.copy.path, where
        yield from ((one.path, f"{where}.companions[{at}]") for at, one in enumerate(member.companions))
    yield from ((one.copy.path, f"{place}.kept[{index}]") for index, one in enumerate(group.kept))
