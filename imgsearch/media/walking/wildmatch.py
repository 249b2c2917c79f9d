"""Translates gitignore's patterns to regular expressions over bytes, with the meaning in its manual page.

pathspec 1.1.1, the library for this, raised an exception for 175 of 600 random lists, and for 130 it kept other files
than git. It fails at character classes, backslashes and slashes in brackets, descending ranges, and two stars beside
other characters. tests/media/walking/test_ignore.py compares this module with git, if git is installed.
"""

from __future__ import annotations

import re
import string
from functools import lru_cache

_BYTES = frozenset(range(256))
_SLASH = ord("/")
_PRINTED = frozenset(range(33, 127))
_LETTERS = frozenset(string.ascii_letters.encode())
_DIGITS = frozenset(string.digits.encode())
_CLASSES = {
    b"alnum": _LETTERS | _DIGITS,
    b"alpha": _LETTERS,
    b"blank": frozenset(b" \t"),
    b"cntrl": frozenset(range(32)) | {127},
    b"digit": _DIGITS,
    b"graph": _PRINTED,
    b"lower": frozenset(string.ascii_lowercase.encode()),
    b"print": _PRINTED | {32},
    b"punct": _PRINTED - _LETTERS - _DIGITS,
    b"space": frozenset(b" \t\n\r\v\f"),
    b"upper": frozenset(string.ascii_uppercase.encode()),
    b"xdigit": frozenset(string.hexdigits.encode()),
}
_STARS, _SEPARATOR, _FOLDERS = b"*", b"/", b"**"  # parts of a pattern that are no plain expressions
_NAMED_CLASS = re.compile(rb"\[:([^\]]*):\]")
_TWO_STARS_ALONE = re.compile(rb"\*\*+(?=/|\\/|\Z)")


def wildmatch(pattern: bytes, text: bytes, *, pathname: bool) -> bool:
    """Whether the pattern matches all of ``text``. With ``pathname``, only ``**`` between slashes matches slashes. A
    pattern with an unclosed bracket or an unknown class matches nothing. 1 us; more with several ``**``."""
    compiled = _compiled(pattern, pathname)
    return compiled is not None and compiled.fullmatch(text) is not None


@lru_cache(4096)
def _compiled(pattern: bytes, pathname: bool) -> re.Pattern[bytes] | None:
    parts = _parts(pattern, pathname)
    if parts is None:
        return None
    folders: list[list[bytes]] = [[]]
    for part in parts:
        if part == _SEPARATOR:
            folders.append([])
        else:
            folders[-1].append(part)
    expression = b""
    for number, folder in enumerate(folders):
        last = number == len(folders) - 1
        if folder == [_FOLDERS]:
            if last:
                expression += b".*"
            elif folders[number + 1] != [_FOLDERS]:  # several in a row mean the same as one
                expression += b"(?:.*/)?"
        else:
            expression += _one_folder(folder, b"[^/]" if pathname else b".") + (b"" if last else b"/")
    return re.compile(expression, re.DOTALL)


def _one_folder(parts: list[bytes], letter: bytes) -> bytes:
    """Between two stars the first match is as good as any other, so no backtracking is needed."""
    pieces = [b""]
    for part in parts:
        if part == _STARS:
            pieces.append(b"")
        else:
            pieces[-1] += part
    if len(pieces) == 1:
        return pieces[0]
    first, *middle, end = pieces
    return first + b"".join(b"(?>%b*?%b)" % (letter, piece) for piece in middle if piece) + letter + b"*" + end


def _parts(pattern: bytes, pathname: bool) -> list[bytes] | None:
    """Separators, stars and plain expressions in sequence; None for a pattern that matches nothing."""
    parts: list[bytes] = []
    at = 0
    while at < len(pattern):
        one = pattern[at : at + 1]
        if one == b"*":
            alone = _TWO_STARS_ALONE.match(pattern, at) if pathname and (not parts or parts[-1] == _SEPARATOR) else None
            parts.append(_FOLDERS if alone else _STARS)
            at += len(pattern) - at - len(pattern[at:].lstrip(b"*"))
            continue
        if one == b"[":
            found = _bracket(pattern, at + 1)
            if found is None:
                return None
            wanted, at = found
            parts.append(_any_of(wanted - {_SLASH} if pathname else wanted))
            continue
        if one == b"\\":
            at += 1
            one = pattern[at : at + 1]
            if not one:
                return None
            plain = re.escape(one)
        else:
            plain = (b"[^/]" if pathname else b".") if one == b"?" else re.escape(one)
        parts.append(_SEPARATOR if one == b"/" and pathname else plain)
        at += 1
    return parts


def _any_of(wanted: frozenset[int]) -> bytes:
    return b"[" + b"".join(b"\\x%02x" % one for one in sorted(wanted)) + b"]" if wanted else b"(?!)"


def _bracket(pattern: bytes, at: int) -> tuple[frozenset[int], int] | None:
    """The bytes that the bracket expression after ``[`` matches, and where the pattern goes on."""
    negated = pattern[at : at + 1] in (b"!", b"^")
    at += negated
    begin, wanted, low = at, set[int](), -1  # low: the byte at which a range may begin
    while at < len(pattern) and (at == begin or pattern[at] != ord("]")):
        named = _NAMED_CLASS.match(pattern, at)
        if named is not None:
            if named[1] not in _CLASSES:
                return None
            wanted |= _CLASSES[named[1]]
            at, low = named.end(), -1
            continue
        in_range = low >= 0 and pattern[at] == ord("-") and pattern[at + 1 : at + 2] not in (b"", b"]")
        at += in_range
        at += pattern[at] == ord("\\")
        if at >= len(pattern):
            return None
        wanted |= set(range(low, pattern[at] + 1)) if in_range else {pattern[at]}
        low = -1 if in_range else pattern[at]
        at += 1
    if at >= len(pattern):
        return None
    return (_BYTES - wanted if negated else frozenset(wanted)), at + 1
