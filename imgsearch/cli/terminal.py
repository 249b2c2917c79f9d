"""Text for a terminal or a pipe: file names that hold anything, links."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from urllib.parse import quote

from imgsearch.wording import one_line


def shown(path: str | Path) -> str:
    """A file name on one line, in what the terminal can show: line ends, escapes and other control characters, bytes
    that are not UTF-8, and letters that the output's encoding lacks come as backslash escapes."""
    encoding = sys.stdout.encoding or "utf-8"
    return one_line(str(path)).encode(encoding, "backslashreplace").decode(encoding)


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
