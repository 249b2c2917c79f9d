"""Makes one query of the words that a shell passes on, after it has removed their quotes."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

NAMES = ("folder", "name", "camera", "tag", "album")
"""Filters whose value may hold spaces."""

IMAGE_KEYS = ("similar", "like")
"""Filters whose value names an image file."""

_FILTERED = re.compile(r"(-?)([^\W\d_]{2,})[:：](?=\S)(?!//)(.*)", re.DOTALL)
_MOST_WORDS = 12
"""No folder's name has more words."""

Names = Callable[[str, str], bool]
"""Whether a filter with that value matches any image of the library."""


def join_words(words: Sequence[str], names: Names | None = None) -> str:
    """The query that ``words`` make. Words that were quoted separately stay together after a minus, after "not" or
    after a filter's colon; a whole query in quotes is read as it is.

    ``'folder:photos two people'`` and ``folder:"My Trip"`` look the same here. ``names`` says which names the library
    knows, and the longest one at the beginning of the value counts. If it knows none, or is not given, one quoted word
    among plain ones is one value, and anything else a query. For ``like:`` and ``similar:`` the files on disk decide.
    """
    apart = any(_is_plain(word) for word in words) and len(words) > 1
    before = ("", *words)
    return " ".join(
        f'"{word}"' if _is_unwanted(word, last) else _with_quotes(word, apart, names)
        for word, last in zip(words, before, strict=False)
    )


def is_ambiguous(words: Sequence[str]) -> bool:
    """Whether `join_words` would call ``names``."""
    return any(_spaced(word) and (found := _FILTERED.fullmatch(word)) and found[2].lower() in NAMES for word in words)


def _spaced(word: str) -> bool:
    return '"' not in word and any(letter.isspace() for letter in word.strip())


def _is_plain(word: str) -> bool:
    return not word.startswith("-") and _FILTERED.fullmatch(word) is None


def _is_unwanted(word: str, before: str) -> bool:
    """Whether these words were quoted after "not"."""
    return before.lower() == "not" and _spaced(word) and _is_plain(word)


def _with_quotes(word: str, apart: bool, names: Names | None) -> str:
    if not _spaced(word):
        return word
    found = _FILTERED.fullmatch(word)
    if found is not None:
        return _value_quoted(word, found, apart, names)
    excluded = apart and re.match(r"-(?=\w)", word) is not None
    return f'-"{word[1:]}"' if excluded else word


def _value_quoted(word: str, found: re.Match[str], apart: bool, names: Names | None) -> str:
    """The value of a filter in quotes, as far as it reaches."""
    minus, key, value = found[1], found[2].lower(), found[3]
    if key in IMAGE_KEYS:
        reach = _reach(value, lambda text: Path(os.path.expanduser(text)).is_file())  # noqa: PTH111  as the search does
    elif key in NAMES:
        reach = _reach(value, lambda text: names is not None and names(key, text))
        if not reach and apart:
            reach = len(value)
    else:
        reach = 0  # years, sizes and the like have no spaces
    return f'{minus}{found[2]}:"{value[:reach]}"{value[reach:]}' if reach else word


def _reach(value: str, fits: Callable[[str], bool]) -> int:
    """The length of the longest beginning of more than one word that matches; 0 if none does."""
    ends = [match.start() for match in re.finditer(r"\s+", value.rstrip())][: _MOST_WORDS - 1]
    for end in (len(value.rstrip()), *reversed(ends[1:])) if ends else ():
        if fits(value[:end]):
            return end
    return 0
