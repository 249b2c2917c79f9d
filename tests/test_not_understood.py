"""A description that the model cannot know has no sure match: one rule for the command, the API and Python."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import imgsearch
from imgsearch.app import open_searcher
from imgsearch.cli import main
from imgsearch.scenes.dataset import make_set, write_set
from imgsearch.settings import load_settings
from web import create_app
from web.config import WebConfig
from web.services.search_service import SearchService

Answered = tuple[list[bool | None], list[str]]  # of each hit whether it is sure; the notes
Way = Callable[[str, bool], Answered]  # (query, all of them)
UNKNOWN = 'not understood by the model: "{}"'
ASKED = [
    ("قارب أحمر", '"قارب", "أحمر"'),
    ("asdfgh qwerty", '"asdfgh", "qwerty"'),
    ("of", "the words name nothing that a picture could show"),
    ("a boat -قارب", '"قارب"'),
]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("understood")
    write_set(make_set(8, 5), folder)
    with imgsearch.open(folder / "library", create=True, model="mini", device="cpu") as opened:
        opened.index(folder / "images")
    return folder / "library"


@pytest.fixture(params=["command", "api", "python"])
def way(request: pytest.FixtureRequest, shelf: Path) -> Iterator[Way]:
    if request.param == "command":
        yield lambda text, everything: by_command(request.getfixturevalue("capsys"), shelf, text, everything)
    elif request.param == "python":
        with imgsearch.open(shelf, device="cpu") as library:
            yield lambda text, everything: by_python(library, text, everything)
    else:
        with open_searcher(load_settings({"library": shelf, "device": "cpu"})) as searcher:
            service = SearchService(searcher)
            client = create_app(service, WebConfig()).test_client()
            yield lambda text, everything: by_api(client, text, everything)
            service.close()


def by_command(capsys: Any, shelf: Path, text: str, everything: bool) -> Answered:
    main(["search", "--json", "--library", str(shelf), "--device", "cpu", *["--all"] * everything, "--", text])
    answer = json.loads(capsys.readouterr().out)
    return [hit["confident"] for hit in answer["hits"]], answer["notes"]


def by_python(library: Any, text: str, everything: bool) -> Answered:
    found = library.search(text, everything=everything)
    return [hit.confident for hit in found], list(found.results.notes)


def by_api(client: Any, text: str, everything: bool) -> Answered:
    answer = client.get("/api/v1/search", query_string={"q": text, "all": int(everything)}).get_json()
    return [hit["confident"] for hit in answer["hits"]], answer["notes"]


@pytest.mark.parametrize(("text", "note"), ASKED)
def test_words_that_are_not_understood_have_no_sure_match_and_a_note(way: Way, text: str, note: str) -> None:
    for everything in (False, True):
        sure, notes = way(text, everything)
        assert sure == [False] * 8 * everything
        assert sum(note in one for one in notes) == 1
        assert all(one.endswith("no picture is called a sure match") for one in notes if note in one)


def test_words_that_are_understood_have_their_sure_matches(way: Way) -> None:
    sure, notes = way("four red stars in a room", False)
    assert sure and all(sure)
    assert notes == []
