"""Which of several copies is kept: an ordered list of wishes, and a tie rule that always decides."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from imgsearch.dedup.evidence.records import Copy
from imgsearch.dedup.groups.worth import ORDER_WORDS, Judgement
from imgsearch.errors import UsageError
from imgsearch.media.sniff import RAW_EXTENSIONS

DEFAULT = "resolution,metadata,lossless,largest,oldest"
"""Most pixels; then facts that the camera wrote, before the container (a PNG made from a JPEG adds no detail and has
usually lost the date and the place); then the least compressed; then the file that was there first."""

LOSSLESS = frozenset(
    {"PNG", "BMP", "DIB", "TIFF", "GIF", "PPM", "TGA", "RAW", "PCX", "SGI", "ICO", "QOI"}
    | {extension.lstrip(".").upper() for extension in RAW_EXTENSIONS}
)
"""Formats that as a rule keep every pixel, as facts name them: Pillow's names, a RAW's by its extension. WebP, JPEG
2000, AVIF and HEIF may be either, so they count as not."""

_FOLDER = "folder:"


@dataclass(frozen=True, slots=True)
class _Wish:
    value: Callable[[Copy], int]  # the higher, the better
    words: str  # why a keeper was preferred to a copy of a lower value


def _told(copy: Copy) -> int:
    """How much the camera's notes say: time, camera and place, each worth the same, 0..3."""
    facts = copy.facts
    return sum(fact is not None for fact in (facts.taken_at, facts.camera, facts.latitude))


def _depth(copy: Copy) -> int:
    return -copy.path.count(os.sep)


_WISHES: dict[str, _Wish] = {
    "resolution": _Wish(lambda copy: copy.facts.width * copy.facts.height, "more pixels"),
    "metadata": _Wish(_told, "more metadata"),
    "lossless": _Wish(lambda copy: int(copy.facts.format.upper() in LOSSLESS), "lossless"),
    "largest": _Wish(lambda copy: copy.size_bytes, "larger file"),
    "smallest": _Wish(lambda copy: -copy.size_bytes, "smaller file"),
    "oldest": _Wish(lambda copy: -copy.mtime_ns, "older file"),
    "newest": _Wish(lambda copy: copy.mtime_ns, "newer file"),
    "shallowest": _Wish(_depth, "fewer folders deep"),
    "shortest": _Wish(lambda copy: -len(copy.path), "shorter path"),
}

WORDS = (*_WISHES, _FOLDER + "NAME")


@dataclass(frozen=True, slots=True)
class KeepRule:
    """Wishes, the most important first, and the folders whose files are always kept. Made by `parse_keep`."""

    text: str
    wishes: tuple[_Wish, ...]
    reference: tuple[str, ...] = ()  # absolute folders

    def is_reference(self, copy: Copy) -> bool:
        """Whether the file lies in a reference folder: it is then kept and never moved."""
        return any(_below(copy.path, folder) for folder in self.reference)

    def order_of(self, copy: Copy, judgement: Judgement | None = None) -> tuple[object, ...]:
        """Sorts the copy to keep first; no wish outweighs what a copy loses (`worth`). No two files are equal, because
        the path comes last."""
        worth = judgement.order_of(copy) if judgement is not None else ()
        return (not self.is_reference(copy), *worth, *(-wish.value(copy) for wish in self.wishes), copy.path)


def parse_keep(text: str = DEFAULT, reference: Iterable[str | os.PathLike[str]] = ()) -> KeepRule:
    """The rule of a list such as ``resolution,folder:originals,oldest``.

    ``folder:NAME`` prefers files that have a folder of that name anywhere above them (or, for an absolute NAME, lie
    below it); a name that contains a comma cannot be given. Raises UsageError, naming the known words, for an unknown
    or repeated word."""
    words = [word.strip() for word in text.split(",")]
    for place, word in enumerate(words):
        if word not in _WISHES and (not word.startswith(_FOLDER) or word == _FOLDER):
            raise UsageError(f"unknown word in the keep rule: {word!r}", f"known words: {', '.join(WORDS)}")
        if word in words[:place]:
            raise UsageError(f"the keep rule names {word!r} twice", f"name it once; the default is {DEFAULT}")
    folders = tuple(os.path.abspath(folder) for folder in reference)  # noqa: PTH100  bytes-safe and without links
    return KeepRule(",".join(words), tuple(_wish(word) for word in words), folders)


def _wish(word: str) -> _Wish:
    if word in _WISHES:
        return _WISHES[word]
    name = word.removeprefix(_FOLDER).rstrip("/")
    parts = tuple(part for part in name.split("/") if part)
    if name.startswith("/"):
        return _Wish(lambda copy: int(_below(copy.path, name)), f"in {name}")
    return _Wish(lambda copy: int(_has_run(PurePosixPath(copy.path).parts[:-1], parts)), f"in {name}")


def _below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _has_run(parts: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether ``wanted`` stands in ``parts`` as one run."""
    width = len(wanted)
    return any(tuple(parts[first : first + width]) == tuple(wanted) for first in range(len(parts) - width + 1))


def rank(copies: Iterable[Copy], rule: KeepRule, judgement: Judgement | None = None) -> list[Copy]:
    """The copies, the one to keep first; the same order whatever order they come in. n log n."""
    return sorted(copies, key=lambda copy: rule.order_of(copy, judgement))


def reason(
    keeper: Copy,
    others: Iterable[Copy],
    rule: KeepRule,
    judgement: Judgement | None = None,
    *,
    order_of: Callable[[Copy], tuple[object, ...]] | None = None,
) -> str:
    """Why ``keeper`` was chosen and not one of ``others``: the first difference to each of them, in order of importance
    ("more pixels, more metadata"); "first by name" if only the path differs. ``order_of``: the rule's, if it is known
    already."""
    asked = order_of or (lambda copy: rule.order_of(copy, judgement))
    words = ["in a reference folder", *(ORDER_WORDS if judgement else ()), *(wish.words for wish in rule.wishes)]
    words.append("first by name")
    ours = asked(keeper)
    found: set[str] = set()
    for other in others:
        theirs = asked(other)
        found.add(next(name for name, one, two in zip(words, ours, theirs, strict=True) if one != two))
    return ", ".join(dict.fromkeys(name for name in words if name in found)) or "the only one"
