"""The way of a query from the command to the answer: a real search is traced, and passes what the page on the
architecture says.

A stay is a file that is handed the query, or what has become of it, and asks another stay for the next step; or one
that makes the query's next form. A room that is asked through one door (model, index, storage, media) and the folder of
the kept features count once, whatever they do behind it. What computes from its arguments alone asks nobody and is no
stay. `imgsearch/app.py` opens the library and the model for the search; it never sees the query."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

from imgsearch.cli import main

ROOT = Path(__file__).parents[2]

ASKING = (
    "imgsearch/cli/main.py",
    "imgsearch/cli/verbs/search.py",
    "imgsearch/search/engine.py",
    "imgsearch/search/inference/direct.py",
    "imgsearch/search/retrieval.py",
    "imgsearch/search/features",
)
FORMING = ("imgsearch/search/query/parser.py", "imgsearch/search/answer.py")
ROOMS = ("imgsearch/model", "imgsearch/index", "imgsearch/storage", "imgsearch/media")
OPENING = ("imgsearch/app.py",)
COMPUTING = (
    "imgsearch/model/text.py",
    "imgsearch/model/arrays.py",
    "imgsearch/model/runtime_profile.py",
    "imgsearch/index/rows.py",
)
"""Of these rooms, what computes from its arguments."""


class Trace:
    """Which of our files called which, imports left out."""

    def __init__(self) -> None:
        self.calls: set[tuple[str, str]] = set()
        self._names: dict[CodeType, str | None] = {}

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        called = self._name(frame.f_code) if event == "call" else None
        if called is None:
            return
        above = frame.f_back
        while above is not None and self._name(above.f_code) is None:
            above = above.f_back
        if above is not None and "<module>" not in (frame.f_code.co_name, above.f_code.co_name):
            self.calls.add((self._name(above.f_code) or "", called))

    def _name(self, code: CodeType) -> str | None:
        if code not in self._names:
            path = Path(code.co_filename)
            own = path.is_relative_to(ROOT) and path.relative_to(ROOT).parts[0] in ("imgsearch", "web", "indexer")
            self._names[code] = stay(path.relative_to(ROOT).as_posix()) if own else None
        return self._names[code]


def stay(path: str) -> str:
    """The stay that a file belongs to: the file, or the room or folder that counts as one."""
    folders = (*ROOMS, "imgsearch/search/features")
    return path if path in COMPUTING else next((one for one in folders if path.startswith(one)), path)


def asking(calls: set[tuple[str, str]]) -> set[str]:
    """What calls a room, or something that does."""
    found = set(ROOMS)
    while more := {caller for caller, called in calls if called in found and caller not in found}:
        found |= more
    return found - set(ROOMS)


def test_way_of_a_query_has_twelve_stays(library: Any, capsys: pytest.CaptureFixture[str]) -> None:
    library.add(library.names(6))
    trace = Trace()
    threading.setprofile(trace)  # pictures are decoded in threads
    sys.setprofile(trace)
    try:
        command = ["search", "a white boat", "--rerank", "2", "--library", str(library.folder / "library")]
        assert main([*command, "--device", "cpu"]) == 0
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    assert "2 re-ranked" in capsys.readouterr().out
    assert asking(trace.calls) - {Path(__file__).name} == {*ASKING, *OPENING}
    assert {*FORMING, *ROOMS} <= {called for _, called in trace.calls}
    stays = (*ASKING, *FORMING, *ROOMS)
    assert len(stays) <= 12 and len({one.split("/")[1] for one in stays}) <= 8
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    told = page.split("## How a query is answered")[1].split("\n## ")[0]
    assert [one for one in (*stays, *OPENING) if one not in told] == []
