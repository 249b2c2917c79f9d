"""Paths from standard input, which "-" stands for among a verb's paths."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from imgsearch.errors import UsageError


def listed_paths(paths: Sequence[str]) -> list[str]:
    """``paths`` with "-" replaced by the paths in standard input: one a line, or separated by NUL bytes if it holds any
    (``find -print0``). Names that are not valid text keep their bytes. Raises UsageError if standard input names
    nothing."""
    if "-" not in paths:
        return list(paths)
    data = sys.stdin.buffer.read()
    end = b"\0" if b"\0" in data else b"\n"
    named = [
        os.fsdecode(part.removesuffix(b"\r") if end == b"\n" else part) for part in data.split(end) if part.strip()
    ]
    if not named:
        raise UsageError("standard input names no path", "for example find ~/Pictures -newer x | imgsearch index -")
    place = list(paths).index("-")
    return [*paths[:place], *named, *(path for path in paths[place + 1 :] if path != "-")]
