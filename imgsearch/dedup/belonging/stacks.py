"""Finds images that belong together though they show one scene: a RAW and its JPEG, an edit and its original.

A stack differs from a copy by a difference that a program or a camera writes on purpose: one file is a camera's RAW,
one name carries the mark of an edit (``-edited``, ``IMG_E``, ``-Edit``, ``~2``, Pixel's ``.PORTRAIT``), one file has a
film in it, or XMP says that one was made from the other. A counter or a word for "copy" behind the name (``(1)``,
`` - Copy``, ``_1``, ``-2``) is no such difference: copies are named like that. Nor is another suffix alone: IMG_1.heic
and IMG_1.jpg are one image in two formats, which the other tiers compare.

Names are compared without case and with composed accents. Nothing is read from the disk.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from imgsearch.dedup.belonging.version_names import VersionName, fold, version_name
from imgsearch.media.sniff import RAW_EXTENSIONS

if TYPE_CHECKING:
    from imgsearch.media.samples.whole import FileTraits

EDITED = "an edited picture and its original"
VERSIONS = "versions of one picture"
MOTION = "a motion photo and its still"
LIVE = "a Live Photo"
RAW_AND_DNG = "a RAW and its DNG"
_RAW_AND = "RAW and its "
_ORDER = (_RAW_AND, RAW_AND_DNG, LIVE, MOTION, EDITED, VERSIONS)  # a stack of several kinds is named after the first

_FILMS = frozenset({".mov", ".mp4", ".m4v", ".mp"})
_MOTION_MARKS = frozenset({"mp", "motion"})
_MOST_ALIKE = 50  # files under one key that are all compared with each other; others only with the unmarked ones
_LEAST_ID = 8  # characters of an XMP identifier; shorter ones are made up ("1", "none")


@dataclass(frozen=True, slots=True)
class StackFile:
    """The known facts of one file. None: unknown."""

    path: str  # absolute; bytes that are not UTF-8 as lone surrogates
    format: str  # as `media.sniff` calls it: "JPEG", "RAW", "HEIF"; "" for a film
    taken_at: str | None = None  # ISO 8601
    traits: FileTraits | None = None


@dataclass(frozen=True, slots=True)
class Stack:
    """Files that belong together, sorted by path."""

    kind: str  # in words for a person: "RAW and its JPEG"
    files: tuple[str, ...]


def stack_key(path: str) -> str:
    """Files of one folder with the same key may belong together by their names; files with different keys do not."""
    folder, stem, _ = _split(path)
    return os.path.join(folder, version_name(stem).base)  # noqa: PTH118


def belong_together(first: StackFile, second: StackFile) -> str:
    """Why two different images belong together, in words, or "" if nothing says so. The order makes no difference.

    The two must look alike. Names decide within one folder, and across two folders if one name is the other's with the
    mark of an edit, or that of a RAW (unless the two were taken at different times). XMP decides, and so do the moment
    and the camera of a RAW, whatever the names. About 10 us.
    """
    return "" if first.path == second.path else _belong(_Parsed.of(first), _Parsed.of(second))


def _belong(one: _Parsed, other: _Parsed) -> str:
    if one.film_file or other.film_file:
        return _live(one, other)
    if one.raw != other.raw:
        raw, picture = (one, other) if one.raw else (other, one)
        if _of_one_shot(raw, picture) or _derived(one, other):
            return _RAW_AND + picture.format_words
        return ""
    if one.raw and one.name == other.name and one.folder == other.folder and one.extension != other.extension:
        return RAW_AND_DNG if ".dng" in (one.extension, other.extension) else ""
    return _motion(one, other) or _edited(one, other) or (EDITED if _derived(one, other) else "")


def find_stacks(files: Iterable[StackFile]) -> list[Stack]:
    """All stacks among the files, sorted by their first path; each file is in at most one. Names are compared within a
    folder, and across all folders for a RAW and its image taken at one moment; XMP across all. About 60 us and 1 kB a
    file."""
    given = {file.path: file for file in files}
    kinds: dict[str, str] = {}  # of a stack's head
    heads = {path: path for path in given}

    def head(path: str) -> str:
        while heads[path] != path:
            heads[path] = path = heads[heads[path]]
        return path

    for one, other in _worth_comparing(given.values()):
        kind = _belong(one, other)
        if kind:
            a, b = sorted((head(one.file.path), head(other.file.path)))
            heads[b] = a
            kinds[a] = min(filter(None, (kind, kinds.get(a), kinds.pop(b, None) if a != b else None)), key=_rank)
    members: dict[str, list[str]] = {}
    for path in sorted(given):
        members.setdefault(head(path), []).append(path)
    return [Stack(kinds[top], tuple(paths)) for top, paths in sorted(members.items()) if len(paths) > 1]


def _rank(kind: str) -> tuple[int, str]:
    return next(at for at, known in enumerate(_ORDER) if kind.startswith(known)), kind


@dataclass(frozen=True, slots=True)
class _Parsed:
    """A file with the parts of its name."""

    file: StackFile
    folder: str
    stem: str
    extension: str  # folded, with its dot
    name: VersionName

    @classmethod
    def of(cls, file: StackFile) -> _Parsed:
        folder, stem, extension = _split(file.path)
        return cls(file, folder, fold(stem), extension, version_name(stem))

    @property
    def raw(self) -> bool:
        traits = self.file.traits
        return self.extension in RAW_EXTENSIONS or self.file.format in ("RAW", "DNG") or bool(traits and traits.raw)

    @property
    def film_file(self) -> bool:
        return self.extension in _FILMS

    @property
    def film_inside(self) -> bool | None:
        return self.file.traits.film if self.file.traits is not None else None

    @property
    def camera(self) -> str:
        return self.file.traits.camera if self.file.traits is not None else ""

    @property
    def moment(self) -> str:
        told = self.file.traits.taken if self.file.traits is not None else ""
        return told or self.file.taken_at or ""

    @property
    def format_words(self) -> str:
        return {"HEIF": "HEIC", "": self.extension[1:].upper() or "JPEG", "MPO": "JPEG"}.get(
            self.file.format, self.file.format
        )


def _split(path: str) -> tuple[str, str, str]:
    """Folder, stem and folded extension."""
    folder, name = os.path.split(path)
    stem, extension = os.path.splitext(name)  # noqa: PTH122
    extension = fold(extension)
    if extension in _FILMS and stem.lower().endswith("_hevc"):  # icloudpd's name for the film of X.HEIC
        stem = stem[:-5]
    return folder, stem, extension


def _live(one: _Parsed, other: _Parsed) -> str:
    """Whether the two are a still and the film of its name: X.heic and X.mov, PXL_1.MP.jpg and PXL_1.MP."""
    film, still = (one, other) if one.film_file else (other, one)
    if still.film_file or film.folder != still.folder:
        return ""
    return LIVE if still.stem in (film.stem, film.stem + film.extension) else ""


def _of_one_shot(raw: _Parsed, picture: _Parsed) -> bool:
    """Whether names and times say that a developed image was made from that RAW."""
    same_moment = _same_moment(raw.moment, picture.moment)
    counters = raw.name.counters
    named = raw.name.base == picture.name.base and picture.name.counters[: len(counters)] == counters
    if named and raw.folder == picture.folder:
        return raw.stem == picture.stem or same_moment is not False
    if named:
        return same_moment is not False
    return bool(same_moment) and bool(raw.camera) and raw.camera == picture.camera


def _motion(one: _Parsed, other: _Parsed) -> str:
    """Whether the two are a photo with a film in it and the still without."""
    inside = (one.film_inside, other.film_inside)
    names = one.name, other.name
    by_name = names[0].base == names[1].base and names[0].counters == names[1].counters
    marks = [frozenset(name.marks) for name in names]
    marked = by_name and bool((marks[0] ^ marks[1]) & _MOTION_MARKS) and not (marks[0] ^ marks[1]) - _MOTION_MARKS
    if None in inside:
        return MOTION if marked and one.folder == other.folder else ""
    if inside[0] == inside[1]:
        return ""
    if marked or (by_name and one.folder == other.folder):
        return MOTION
    near = one.folder == other.folder and bool(_same_moment(one.moment, other.moment))
    return MOTION if near and (not one.camera or not other.camera or one.camera == other.camera) else ""


def _edited(one: _Parsed, other: _Parsed) -> str:
    """Whether one name is the other's with the mark of an edit, or both have different marks."""
    first, second = one.name, other.name
    marks = [_marks_of_edits(name) for name in (first, second)]
    if first.base != second.base or marks[0] == marks[1]:
        return ""
    # IMG_1(1) and IMG_1-edited(1): the second of that name. IMG_1 and IMG_1-edited(1): its second edit.
    alike = (
        first.counters == second.counters
        or (marks[1] and first.counters == second.counters_before_marks)
        or (marks[0] and second.counters == first.counters_before_marks)
    )
    if not alike:
        return ""
    short, long = sorted(marks, key=len)
    return EDITED if long[: len(short)] == short or "original" in (*short, *long) else VERSIONS


def _marks_of_edits(name: VersionName) -> tuple[str, ...]:
    return tuple(mark for mark in name.marks if mark not in _MOTION_MARKS)


def _derived(one: _Parsed, other: _Parsed) -> bool:
    """Whether XMP of one file names the other as its source. Copies of one file share a DocumentID: that is no edit."""
    first, second = one.file.traits, other.file.traits
    if first is None or second is None or first.document == second.document:
        return False
    return _made_of(first, second) or _made_of(second, first)


def _made_of(made: FileTraits, source: FileTraits) -> bool:
    return len(source.document) >= _LEAST_ID and source.document in (made.derived_from, made.original_document)


def _same_moment(first: str, second: str) -> bool | None:
    """Whether two times of a shot are equal to the precision of the coarser one; None if one is unknown."""
    if not first or not second:
        return None
    try:
        a, b = datetime.fromisoformat(first), datetime.fromisoformat(second)
    except ValueError:
        return first[:19] == second[:19]
    if a.tzinfo is None or b.tzinfo is None:
        a, b = a.replace(tzinfo=None), b.replace(tzinfo=None)
    if a.microsecond and b.microsecond and a.microsecond // 10_000 != b.microsecond // 10_000:
        return False
    return a.replace(microsecond=0) == b.replace(microsecond=0)


def _worth_comparing(files: Iterable[StackFile]) -> Iterator[tuple[_Parsed, _Parsed]]:
    """Pairs that may belong together: far fewer than all, and every pair that does."""
    cells: dict[tuple[object, ...], list[_Parsed]] = {}
    documents: dict[str, list[_Parsed]] = {}
    parsed = [_Parsed.of(file) for file in files]
    for one in parsed:
        for key in _keys(one):
            cells.setdefault(key, []).append(one)
        if one.file.traits is not None and one.file.traits.document:
            documents.setdefault(one.file.traits.document, []).append(one)
    for one in parsed:
        for key in _asked(one):
            yield from ((one, other) for other in _some(cells.get(key, []), one))
        if one.file.traits is not None:
            for document in {one.file.traits.derived_from, one.file.traits.original_document} - {""}:
                yield from ((one, other) for other in documents.get(document, [])[:_MOST_ALIKE] if other is not one)


def _keys(one: _Parsed) -> Iterator[tuple[object, ...]]:
    """The keys under which a file is found."""
    yield ("name", one.folder, one.name.base, one.name.counters)
    if one.raw and one.moment:
        yield ("shot", one.moment[:19], one.name.base)
    if one.film_inside and one.moment:
        yield ("film", one.folder, one.moment[:19])


def _asked(one: _Parsed) -> Iterator[tuple[object, ...]]:
    """The keys under which a file looks for others."""
    for length in range(len(one.name.counters) + 1):
        yield ("name", one.folder, one.name.base, one.name.counters[:length])
    if not one.raw and one.moment:
        yield ("shot", one.moment[:19], one.name.base)
    if one.moment and not one.film_inside:
        yield ("film", one.folder, one.moment[:19])


def _some(cell: list[_Parsed], one: _Parsed) -> list[_Parsed]:
    if len(cell) <= _MOST_ALIKE:
        return [other for other in cell if other is not one]
    return [other for other in cell if other is not one and (other.raw or not other.name.marks)][:_MOST_ALIKE]
