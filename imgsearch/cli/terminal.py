"""Text for a terminal or a pipe: file names that hold anything, links, sizes."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from urllib.parse import quote


def shown(path: str | Path) -> str:
    """A file name on one line, in what the terminal can show: line ends, escapes and other control characters, bytes
    that are not UTF-8, and letters that the output's encoding lacks come as backslash escapes."""
    text = "".join(letter if letter.isprintable() else _escaped(letter) for letter in str(path))
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def linked(path: Path) -> str:
    """``shown(path)``; where standard output is a terminal, as a link to the file (OSC 8)."""
    if not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
        return shown(path)
    target = "file://" + quote(os.fsencode(Path(path).absolute()))
    return f"\033]8;;{target}\033\\{shown(path)}\033]8;;\033\\"


def write_path(path: Path, end: bytes) -> None:
    """The file name's own bytes, for another program to read."""
    sys.stdout.flush()
    sys.stdout.buffer.write(os.fsencode(path) + end)


def size(size_bytes: float) -> str:
    """A size in bytes as people write it: "1.2 GB"."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size_bytes < 1000:
            return f"{size_bytes:.0f} {unit}" if unit == "bytes" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:.1f} TB"


def _escaped(letter: str) -> str:
    code = ord(letter)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return letter.encode("unicode_escape").decode("ascii")
