"""What a verb reads beside its arguments: paths on standard input ("-" among a verb's paths), texts in a file."""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from imgsearch.cli.output.terminal import shown
from imgsearch.errors import UsageError


def listed_paths(paths: Sequence[str]) -> list[str]:
    """``paths`` with "-" replaced by the paths in standard input: one a line, or separated by NUL bytes if it holds any
    (``find -print0``). Names that are not valid text keep their bytes. Raises UsageError if standard input names
    nothing."""
    if "-" not in paths:
        return list(paths)
    data = sys.stdin.buffer.read().removeprefix(codecs.BOM_UTF8)
    end = b"\0" if b"\0" in data else b"\n"
    named = [
        os.fsdecode(part.removesuffix(b"\r") if end == b"\n" else part) for part in data.split(end) if part.strip()
    ]
    if not named:
        raise UsageError("standard input names no path", "for example find ~/Pictures -newer x | imgsearch index -")
    place = list(paths).index("-")
    return [*paths[:place], *named, *(path for path in paths[place + 1 :] if path != "-")]


def listed_texts(path: Path) -> list[str]:
    """The texts in a file, one a line, without empty ones; a byte-order mark and any line ends are fine. Raises
    UsageError for a file that cannot be read, is not in UTF-8 or holds no text."""
    hint = "name a file in UTF-8 with one text a line"
    path = path.expanduser()
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise UsageError(f"{shown(path)} cannot be read: {exc.strerror}", hint) from exc
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in data:
        raise UsageError(f"{shown(path)} is in UTF-16 or no text at all, expected UTF-8", hint)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = data.count(b"\n", 0, exc.start) + 1
        byte = f"line {line} holds the byte 0x{data[exc.start]:02x}"
        raise UsageError(f"{shown(path)} is not in UTF-8: {byte}", hint) from exc
    texts = [line.strip() for line in text.splitlines() if line.strip()]
    if not texts:
        raise UsageError(f"{shown(path)} holds no text", hint)
    return texts
