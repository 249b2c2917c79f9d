"""Follows a real command through our files, for the tests that hold the page on the architecture to it.

A stay is a file that is handed the query or the copy, or what has become of it, and asks another stay for the next
step; or one that makes its next form. A room that is asked through one door, and a folder that is, count once, whatever
they do behind it. What computes from its arguments alone asks nobody and is no stay; drawing from a generator that it
was given is no asking either."""

from __future__ import annotations

import inspect
import sys
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

ROOT = Path(__file__).parents[2]


class Trace:
    """Which of our files called which, imports left out. ``whole``: rooms and folders that count once; ``computing``:
    files in them that compute from their arguments."""

    def __init__(self, whole: Sequence[str], computing: Collection[str]) -> None:
        self.calls: set[tuple[str, str]] = set()
        self._whole, self._computing = whole, computing
        self._names: dict[CodeType, str | None] = {}

    @contextmanager
    def following(self) -> Iterator[None]:
        """Follow what runs in this block, in threads too."""
        threading.setprofile(self)
        sys.setprofile(self)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        drawing = frame.f_code.co_flags & inspect.CO_GENERATOR
        called = self._name(frame.f_code) if event == "call" and not drawing else None
        if called is None:
            return
        above = frame.f_back
        while above is not None and self._name(above.f_code) is None:
            above = above.f_back
        if above is not None and "<module>" not in (frame.f_code.co_name, above.f_code.co_name):
            self.calls.add((self._name(above.f_code) or "", called))

    def asking(self, rooms: Collection[str]) -> set[str]:
        """What calls one of ``rooms``, or something that does."""
        found = set(rooms)
        while more := {caller for caller, called in self.calls if called in found and caller not in found}:
            found |= more
        return found - set(rooms)

    def _name(self, code: CodeType) -> str | None:
        if code not in self._names:
            path = Path(code.co_filename)
            own = path.is_relative_to(ROOT) and path.relative_to(ROOT).parts[0] in ("imgsearch", "web", "indexer")
            self._names[code] = self._stay(path.relative_to(ROOT).as_posix()) if own else None
        return self._names[code]

    def _stay(self, path: str) -> str:
        """The stay that a file belongs to: the file, or the room or folder that counts as one."""
        return path if path in self._computing else next((one for one in self._whole if path.startswith(one)), path)


def told_in(section: str) -> str:
    """A section of the page on the architecture."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    return page.split(f"## {section}\n")[1].split("\n## ")[0]


def rooms_of(stays: Collection[str]) -> set[str]:
    """The rooms in which the stays lie: "cli", "storage", "indexer"."""
    return {one.removeprefix("imgsearch/").split("/")[0] for one in stays}
