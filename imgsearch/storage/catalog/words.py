"""Python functions about names for the catalog's SQL: the words that ``file_words`` holds, and patterns."""

from __future__ import annotations

import re
import sqlite3
import unicodedata
from collections.abc import Callable
from functools import lru_cache

from imgsearch.wordforms import folded, indexed


def register(connection: sqlite3.Connection) -> None:
    """Register on a connection the functions that triggers, migrations and filters call."""
    for name, function in _FUNCTIONS.items():
        connection.create_function(name, -1, function, deterministic=True)


def _split(path: bytes) -> tuple[bytes, bytes]:
    """Folder and name of a relative path."""
    folder, _, name = path.rpartition(b"/")
    return folder, name


def _text(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")


@lru_cache(4096)
def _folder_words(folder: bytes) -> str:
    return indexed(_text(folder))


def folder_words(path: bytes) -> str:
    """SQL's ``imgsearch_folder_words``: the indexed words of the folders on the way to a file."""
    return _folder_words(_split(path)[0])


def name_words(path: bytes) -> str:
    """SQL's ``imgsearch_name_words``: the indexed words of a file's name."""
    return indexed(_text(_split(path)[1]))


def plain(text: str) -> str:
    """The form of signs that are not words, such as emoji: composed, without case and variation selectors."""
    if text.isascii():  # most names: 15 times as fast
        return text.lower()
    bare = "".join(letter for letter in text if letter not in "\ufe0e\ufe0f")
    return unicodedata.normalize("NFC", bare).casefold()


def holds_signs(signs: str, text: str) -> bool:
    """Whether every line of ``signs``, made by `plain`, stands in ``text`` letter by letter."""
    inside = plain(text)
    return all(sign in inside for sign in signs.split("\n"))


def folder_holds_signs(signs: str, path: bytes) -> bool:
    """SQL's ``imgsearch_folder_signs``."""
    return holds_signs(signs, _text(_split(path)[0]))


def name_holds_signs(signs: str, path: bytes) -> bool:
    """SQL's ``imgsearch_name_signs``."""
    return holds_signs(signs, _text(_split(path)[1]))


@lru_cache(16)
def _name_pattern(pattern: str) -> re.Pattern[str]:
    """``*`` and ``?`` as in shells; everything else is literal."""
    marks = {"*": ".*", "?": "."}
    return re.compile("".join(marks.get(letter) or re.escape(letter) for letter in folded(pattern)), re.DOTALL)


def name_fits(pattern: str, name: str) -> bool:
    """Whether a file name matches the pattern, ignoring case and accents."""
    return _name_pattern(pattern).fullmatch(folded(name)) is not None


def path_name_fits(pattern: str, path: bytes) -> bool:
    """SQL's ``imgsearch_name_fits``."""
    return name_fits(pattern, _text(_split(path)[1]))


@lru_cache(16)
def _folder_pattern(pattern: str) -> re.Pattern[str]:
    """``*`` and ``?`` within one folder's name, ``**`` across folders. A pattern from the root begins there."""
    marks = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
    inner = "".join(
        marks.get(part) or re.escape(part) for part in re.findall(r"\*\*|.", folded(pattern.strip("/")), re.DOTALL)
    )
    return re.compile(f"{'' if pattern.startswith('/') else '.*'}/{inner}/", re.DOTALL)


@lru_cache(65_536)
def folder_fits(pattern: str, root: str, folder: bytes = b"") -> bool:
    """Whether one folder, or several consecutive ones, on the way from the root of all to ``folder`` (relative to
    ``root``, absolute), match the pattern."""
    way = folded(f"/{root.strip('/')}/{_text(folder)}/".replace("//", "/"))
    return _folder_pattern(pattern).match(way) is not None


def path_folder_fits(pattern: str, root: str, path: bytes) -> bool:
    """SQL's ``imgsearch_folder_fits``."""
    return folder_fits(pattern, root, _split(path)[0])


_FUNCTIONS: dict[str, Callable[..., str | bool]] = {
    "imgsearch_folder_words": folder_words,
    "imgsearch_name_words": name_words,
    "imgsearch_folder_signs": folder_holds_signs,
    "imgsearch_name_signs": name_holds_signs,
    "imgsearch_folder_fits": path_folder_fits,
    "imgsearch_name_fits": path_name_fits,
}
