"""A description that the model cannot know has no sure match: one rule for the command, the API and Python."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import imgsearch
from imgsearch.app import open_searcher
from imgsearch.cli import main
from imgsearch.scenes.dataset import make_set, write_set
from imgsearch.search.calibration import NO_LEAST
from imgsearch.search.query.description import Query
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


def test_things_named_by_nothing_but_their_names_must_each_be_there(shelf: Path) -> None:
    with open_searcher(load_settings({"library": shelf, "device": "cpu"})) as searcher:
        assert searcher.calibration is not None and searcher.calibration.least_thing == -2.0
        searcher.calibration = replace(searcher.calibration, bias=1e6, least_thing=NO_LEAST)
        assert all(hit.confident for hit in searcher.search(Query("star tree", everything=True)).hits)
        alone = {
            thing: {hit.image_id: hit.itm_probability for hit in searcher.search(Query(thing, everything=True)).hits}
            for thing in ("star", "tree")
        }
        weakest = {number: min(alone["star"][number], alone["tree"][number]) for number in alone["star"]}
        middle = sorted(weakest.values())[len(weakest) // 2]
        least = math.log(middle / (1 - middle)) - 1e-3
        for text in ("star tree", "star, tree", "tree and star"):
            searcher.calibration = replace(searcher.calibration, least_thing=least)
            searcher._reranked.clear()
            hits = searcher.search(Query(text, everything=True)).hits
            assert {hit.image_id: hit.confident for hit in hits} == {n: p >= middle for n, p in weakest.items()}


def test_words_that_are_understood_have_their_sure_matches(way: Way) -> None:
    sure, notes = way("four red stars in a room", False)
    assert sure and all(sure)
    assert notes == []
