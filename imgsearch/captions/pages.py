"""Captions as alternative texts in the pages of a web site."""

from __future__ import annotations

import codecs
import html
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit

from imgsearch.captions.alt_text import printable
from imgsearch.errors import UsageError

_LAZY = ("data-src", "data-lazy-src", "data-lazy", "data-original")
"""Where scripts find the picture of an <img> whose ``src`` is a placeholder."""

_SETS = ("srcset", "data-srcset", "data-lazy-srcset")
_IN_SET = re.compile(r"([^\s,]\S*[^\s,]|[^\s,])(?:\s+[^,]*)?")  # a source and its width; data has commas, too
_TEXT_ALONE = frozenset(("textarea", "title", "xmp", "iframe", "noembed", "noframes"))
"""Elements that hold text and no others, besides scripts and styles."""

_CHARSET = re.compile(rb"""<meta\b[^>]*\bcharset\s*=\s*["']?\s*([\w.:-]+)""", re.IGNORECASE)
_NO_ASCII = re.compile(r"iso-?2022|hz-|utf-?7", re.IGNORECASE)
_OWN_LETTERS = re.compile("([^\x00-\x7f\udc80-\udcff]+)")


@dataclass(frozen=True, slots=True)
class PageImage:
    """An <img> of a page without an alternative text. ``source`` is the one that is used, as written there. ``path`` is
    the file and ``text`` what is inserted; they are None if the file or a caption is missing."""

    line: int
    source: str
    path: Path | None
    text: str | None


def describe_page(
    content: bytes, folder: Path, caption_of: Callable[[Path], str | None]
) -> tuple[bytes, list[PageImage]]:
    """``content``, a page in ``folder``, with ``alt`` in every <img> that has none and whose file has a caption, and
    the list of all that have none. Its sources (``src``, those for scripts, sets, those of a <picture>) show one thing,
    so the first with a caption counts. Every other byte stays. An empty ``alt`` marks a decoration and stays, too.
    Raises UsageError for a page in an encoding that does not hold ASCII."""
    letters = _Letters.of(content)
    page = content.decode("ascii", "surrogateescape")  # a letter is a byte, and a reference (&#252;) is its letter
    parser = _Images()
    parser.feed(page)
    parser.close()
    starts = [0, *(match.end() for match in re.finditer("\n", page))]
    root = _base_of(parser.base, folder, letters)
    found: list[PageImage] = []
    parts: list[str] = []
    last = 0
    for image in parser.found:
        chosen = _described(image, folder, root, letters, caption_of)
        found.append(chosen)
        if chosen.text:
            place = starts[image.line - 1] + image.column + len("<img")
            attribute = f' alt="{html.escape(printable(chosen.text))}"'
            parts += [page[last:place], letters.written(attribute)]
            last = place
    return "".join([*parts, page[last:]]).encode("ascii", "surrogateescape"), found


@dataclass(frozen=True, slots=True)
class _Letters:
    """How a page holds letters beyond ASCII: read by ``encoding``, and written as they are only if that is sure to be
    UTF-8."""

    encoding: str
    plain: bool

    @classmethod
    def of(cls, content: bytes) -> _Letters:
        declared = _CHARSET.search(content[:4096])
        name = declared[1].decode("ascii", "replace") if declared else ""
        wide = "UTF-16" if content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else ""
        if wide or _NO_ASCII.match(name):
            raise UsageError(
                f"the page is in {wide or name}, expected UTF-8 or another encoding that holds ASCII",
                "save it in UTF-8",
            )
        named_utf8 = name.lower() in ("utf-8", "utf8")
        try:
            content.decode("utf-8")
        except UnicodeDecodeError:
            return cls("cp1252" if not name or named_utf8 else name, False)
        return cls("utf-8", named_utf8 or (not name and not content.isascii()))

    def read(self, source: str) -> str:
        """A source of a page that was read byte by byte, as a person reads it. What cannot be read stays."""
        parts = _OWN_LETTERS.split(source)
        try:
            parts[::2] = [part.encode("ascii", "surrogateescape").decode(self.encoding) for part in parts[::2]]
        except (LookupError, ValueError):
            return source
        return "".join(parts)

    def written(self, attribute: str) -> str:
        """The other way round."""
        if self.plain:
            return attribute.encode("utf-8").decode("ascii", "surrogateescape")
        return attribute.encode("ascii", "xmlcharrefreplace").decode("ascii")


@dataclass(slots=True)
class _Image:
    """An <img> without ``alt``, and what it may show."""

    line: int
    column: int
    sources: list[str] = field(default_factory=list)


class _Images(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[_Image] = []
        self.base: str | None = None
        self._picture: list[str] | None = None  # sources of the <picture> that is open
        self._inside = ""  # the element whose text is being read

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        if self._inside:
            return
        names = dict(reversed(list(attrs)))  # the first of two equal attributes counts
        if tag in _TEXT_ALONE:
            self._inside = tag
        elif tag == "base" and self.base is None and names.get("href") is not None:
            self.base = names["href"]
        elif tag == "picture":
            self._picture = []
        elif tag == "source" and self._picture is not None:
            self._picture += _sources_of(names)
        elif tag == "img":
            sources = [*_sources_of(names), *(self._picture or ())]
            if "alt" not in names and sources:
                self.found.append(_Image(*self.getpos(), sources))

    def handle_endtag(self, tag: str) -> None:
        if tag == self._inside:
            self._inside = ""
        elif tag == "picture":
            self._picture = None


def _sources_of(names: dict[str, str | None]) -> Iterator[str]:
    for name in ("src", *_LAZY):
        if source := (names.get(name) or "").strip():
            yield source
    for name in _SETS:
        for one in _IN_SET.finditer(names.get(name) or ""):
            yield one[1]


def _described(
    image: _Image, folder: Path, root: Path | None, letters: _Letters, caption_of: Callable[[Path], str | None]
) -> PageImage:
    """Of its first source with a caption, else of its first one that names a file."""
    chosen = PageImage(image.line, letters.read(image.sources[0]), None, None)
    for source in image.sources:
        for path in _files_of(source, folder, root, letters):
            text = caption_of(path) if _is_file(path) else None
            if text or chosen.path is None:
                chosen = PageImage(image.line, letters.read(source), path, text)
            if text:
                return chosen
    return chosen


def _base_of(base: str | None, folder: Path, letters: _Letters) -> Path | None:
    """Where sources begin: the page's folder, or what its <base> says; None for another site."""
    if base is None:
        return folder
    return next(_files_of(base, folder, folder, letters, of_base=True), None)


def _files_of(
    source: str, folder: Path, root: Path | None, letters: _Letters, *, of_base: bool = False
) -> Iterator[Path]:
    """The files that a source may name: by its letters, or by its bytes. None for another site's and for data in the
    page itself. ``of_base``: the folder that a <base> names."""
    for text in dict.fromkeys((letters.read(source), source)):
        try:
            parts = urlsplit(text.strip().replace("\\", "/"))
        except ValueError:
            continue
        name = os.fsdecode(unquote_to_bytes(parts.path.encode("utf-8", "surrogateescape")))
        if of_base:
            name = name.rpartition("/")[0] + "/" if "/" in name else "."
        if not name or "\0" in name or not _is_here(parts):
            continue
        if parts.scheme:
            yield Path(os.path.normpath(name))
        elif name.startswith("/"):
            yield Path(os.path.normpath(folder / name.lstrip("/")))
        elif root is not None:
            yield Path(os.path.normpath(root / name))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # such as a name that no file can have
        return False


def _is_here(parts: SplitResult) -> bool:
    """A path, or the URL of a file of this computer."""
    if parts.scheme == "file":
        return parts.netloc in ("", "localhost")
    return not parts.scheme and not parts.netloc
