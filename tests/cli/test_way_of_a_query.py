"""The way of a query from the command to the answer: a real search is traced, and passes what the page on the
architecture says (`traced` says what a stay is). `imgsearch/app.py` opens the library and the model for the search; it
never sees the query."""

from __future__ import annotations

from typing import Any

import pytest
from traced import Trace, rooms_of, told_in

from imgsearch.cli import main

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


def test_way_of_a_query_has_twelve_stays(library: Any, capsys: pytest.CaptureFixture[str]) -> None:
    library.add(library.names(6))
    trace = Trace((*ROOMS, "imgsearch/search/features"), COMPUTING)
    command = ["search", "a white boat", "--rerank", "2", "--library", str(library.folder / "library")]
    with trace.following():
        assert main([*command, "--device", "cpu"]) == 0
    assert "2 re-ranked" in capsys.readouterr().out
    assert trace.asking(ROOMS) == {*ASKING, *OPENING}
    assert {*FORMING, *ROOMS} <= {called for _, called in trace.calls}
    stays = (*ASKING, *FORMING, *ROOMS)
    assert len(stays) <= 12 and len(rooms_of(stays)) <= 8
    told = told_in("How a query is answered")
    assert [one for one in (*stays, *OPENING) if one not in told] == []
