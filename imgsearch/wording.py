"""File names that are safe to show, and sizes, in the one form that the whole program uses."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable

_REORDERING = frozenset("\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
"""Invisible characters that change how the others read (Unicode UAX 9); joiners of emoji stay."""


def one_line(text: str) -> str:
    """``text`` as one line of valid UTF-8 that reads as it is stored: bytes that are not text, control characters and
    characters that reorder others become escapes such as \\xff, \\n, \\u202e."""
    whole = os.fsencode(text).decode("utf-8", "backslashreplace") if not text.isascii() and _broken(text) else text
    return "".join(_shown(letter) for letter in whole)


def closest(word: str, known: Iterable[str]) -> str:
    """The ``known`` name that ``word`` most probably means, ignoring case; "" if none is similar."""
    import difflib

    lowered = {name.casefold(): name for name in known}
    found = difflib.get_close_matches(word.casefold(), lowered, 1, 0.6)
    return lowered[found[0]] if found else ""


def counted(number: int, noun: str) -> str:
    """ "1 picture", "1,200 pictures"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def counted_are(number: int, noun: str) -> str:
    """ "1 picture is", "1,200 pictures are"."""
    return f"{counted(number, noun)} {'is' if number == 1 else 'are'}"


def describe_size(size_bytes: float) -> str:
    """ "3.4 MB", in powers of ten as disks are sold."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size_bytes < 1000:
            return f"{size_bytes:.{0 if unit == 'bytes' or size_bytes >= 100 else 1}f} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:,.1f} TB"


def describe_pace(seconds: float) -> str:
    """What one of many takes, in two digits: "3 ms", "520 ms", "1.2 s", "140 s"."""
    amount, unit = (1000 * seconds, "ms") if seconds < 1 else (seconds, "s")
    digits = float(f"{amount:.2g}")
    return f"{digits:.0f} {unit}" if digits >= 10 else f"{digits:g} {unit}"


def _broken(text: str) -> bool:
    return any("\ud800" <= letter <= "\udfff" for letter in text)


def _shown(letter: str) -> str:
    if letter in _REORDERING or unicodedata.category(letter) in ("Cc", "Cs"):
        return letter.encode("unicode_escape", "surrogatepass").decode("ascii")
    return letter
