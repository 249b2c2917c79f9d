"""Text of EXIF and IPTC in the encodings that cameras and programs use. No bytes raise an exception."""

from __future__ import annotations

import re
from typing import Any

from imgsearch.media.containers.header import western

LONGEST = 2000
"""Characters kept of one text: enough for a caption, not for a book."""

_LOOKED_AT = 16 * LONGEST
"""Bytes read of one text, since a hostile file may hold millions."""

_ISO_8859 = {"A": 1, "B": 2, "C": 3, "D": 4, "F": 7, "G": 6, "H": 8, "L": 5, "M": 9, "b": 15}
_CHARSET = re.compile(rb"\x1b[-./]([A-Za-z])")
_UTF_8 = b"\x1b%G"


def plain_text(value: Any) -> str:
    """An EXIF text. The standard says ASCII; most programs write UTF-8, and Windows writes its Western European code
    page."""
    if isinstance(value, tuple | list) and value and not isinstance(value[0], int):
        value = value[0]
    if isinstance(value, tuple | list):
        value = _bytes_of(value)
    if isinstance(value, str | bytes):
        value = value[:_LOOKED_AT]
    if isinstance(value, str) and not value.isascii():
        try:
            value = value.encode("latin-1")  # Pillow has decoded every EXIF text as Latin-1
        except UnicodeEncodeError:
            return tidy(value)
    if isinstance(value, bytes):
        return tidy(western(value.rstrip(b"\0")))
    return tidy(value) if isinstance(value, str) else ""


def windows_text(value: Any) -> str:
    """The text of the tags XPTitle to XPSubject: UTF-16, little-endian."""
    data = _bytes_of(value) if isinstance(value, tuple | list) else value
    if not isinstance(data, bytes):
        return plain_text(value)
    data = data[:_LOOKED_AT]
    if len(data) > 2 and b"\0" not in data and data.isascii():  # some programs write plain text here
        return plain_text(data)
    return tidy(data.decode("utf-16-le", "replace"))


def user_comment(value: Any) -> str:
    """The text of EXIF's UserComment, whose first eight bytes name its encoding."""
    if not isinstance(value, bytes):
        return plain_text(value)
    code, text = value[:8].upper(), value[8 : 8 + _LOOKED_AT]
    if code.startswith(b"UNICODE"):
        return tidy(_utf_16(text))
    if code.startswith(b"JIS"):
        return tidy(_japanese(text))
    if code.startswith(b"ASCII\0") or not code.strip(b"\0 "):
        return plain_text(text)
    return plain_text(value)


def iptc_text(value: bytes, charset: bytes) -> str:
    """The text of an IPTC dataset. ``charset`` is the content of dataset 1:90, b"" if there is none."""
    match = _CHARSET.match(charset)
    number = _ISO_8859.get(match[1].decode("ascii")) if match else None
    if number is not None and charset != _UTF_8:
        return tidy(value.decode(f"iso8859-{number}", "replace"))
    return tidy(western(value))


def tidy(text: str) -> str:
    """The text without control characters and long runs of blanks. Line breaks stay."""
    text = text[:_LOOKED_AT].split("\0")[0]
    lines = ("".join(char if char.isprintable() else " " for char in line) for line in text.splitlines())
    return "\n".join(" ".join(line.split()) for line in lines).strip()[:LONGEST]


def _bytes_of(value: Any) -> bytes:
    try:
        return bytes(value[:_LOOKED_AT])
    except (TypeError, ValueError):
        return b""


def _utf_16(data: bytes) -> str:
    """UTF-16 by its byte order mark, or else in the order that makes sense: read correctly, most high bytes are equal
    and often 0; read in the wrong order, there are as many of them as letters."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    if data and b"\0" not in data.rstrip(b"\0") and data.isascii():  # some programs write ASCII after "UNICODE"
        return data.decode("ascii")
    data = data[: len(data) & ~1]
    stop = next((at for at in range(0, len(data), 2) if data[at : at + 2] == b"\0\0"), len(data))
    even, odd = data[:stop:2], data[1:stop:2]
    zeros = even.count(0), odd.count(0)
    big = zeros[0] > zeros[1] if zeros[0] != zeros[1] else len(set(even)) < len(set(odd))
    return data[:stop].decode("utf-16-be" if big else "utf-16-le", "replace")


def _japanese(data: bytes) -> str:
    data = data.rstrip(b"\0 ")
    if b"\x1b" in data:
        return data.decode("iso2022_jp", "replace")
    if data.isascii():  # JIS X 0208 without its escape sequences: kana begin with "$" or "%"
        kana = sum(byte in b"$%!" for byte in data[::2])
        if len(data) % 2 or b" " in data or 4 * kana < len(data) // 2:
            return data.decode("ascii")
        return (b"\x1b$B" + data + b"\x1b(B").decode("iso2022_jp", "replace")
    for encoding in ("utf-8", "shift_jis", "euc_jp"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("shift_jis", "replace")
