"""Text for a terminal or a pipe: arbitrary file names, links, words for a shell, and questions."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TextIO
from urllib.parse import quote

from imgsearch.errors import UsageError
from imgsearch.wording import one_line


def require_no_file(path: Path, option: str) -> None:
    """Raise UsageError if something that is no folder lies where a folder is to be read or made."""
    if path.exists() and not path.is_dir():
        raise UsageError(f"{shown(path)} is a file, expected a folder", f"name another one with {option}")


def require_no_folder(path: str | Path | None, option: str) -> None:
    """Raise UsageError if a folder lies where a file is to be written; None is no file."""
    if path is not None and Path(path).expanduser().is_dir():
        raise UsageError(f"{shown(path)} is a folder, expected the name of a file", f"{option} {shown(path)}/NAME")


def shown(path: str | Path) -> str:
    """A file name on one line, in characters that the terminal can show. Line ends, escapes and other control
    characters, bytes that are not UTF-8, and characters that the output's encoding lacks become backslash escapes."""
    encoding = sys.stdout.encoding or "utf-8"
    return one_line(str(path)).encode(encoding, "backslashreplace").decode(encoding)


def linked(path: Path) -> str:
    """``shown(path)``; on a terminal as a link to the file (OSC 8)."""
    if not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
        return shown(path)
    target = "file://" + quote(os.fsencode(Path(path).absolute()))
    return f"\033]8;;{target}\033\\{shown(path)}\033]8;;\033\\"


def write_path(path: Path, end: bytes) -> None:
    """Write the file name's own bytes, for another program."""
    sys.stdout.flush()
    sys.stdout.buffer.write(os.fsencode(path) + end)


def shell_word(path: str | Path) -> str:
    """A file name as a word for the shell, to be pasted into a command. What `shown` would escape becomes ``$'...'``,
    which bash, zsh, ksh and POSIX of 2024 read."""
    text = str(path)
    if shown(text) == text:
        return shlex.quote(text)
    escaped = "".join(chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}" for byte in _quoted(os.fsencode(text)))
    return f"$'{escaped}'"


def _quoted(name: bytes) -> bytes:
    return name.replace(b"\\", b"\\\\").replace(b"'", b"\\'")


def ask(question: str, otherwise: str) -> None:
    """Return only after the answer "yes". Raises UsageError if nobody can be asked, and with ``otherwise`` ("nothing
    was deleted") for another answer or the end of the input; KeyboardInterrupt after Ctrl-C."""
    if not _is_terminal(sys.stdin):
        raise UsageError(
            f"{question} Nobody can be asked: {otherwise}.".lstrip(), "add --yes to go on without a question"
        )
    if question:
        print(question, file=sys.stderr)
    print("Type yes to go on: ", end="", file=sys.stderr, flush=True)
    try:
        answer = input()
    except EOFError:  # Ctrl-D
        print(file=sys.stderr)
        answer = ""
    if answer.strip().lower() != "yes":
        raise UsageError(otherwise, "type yes, or add --yes")


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed
        return False
