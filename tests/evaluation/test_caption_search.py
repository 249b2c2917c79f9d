"""Searches with a library's generated captions and without: what is counted, and that they are off unless wanted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from imgsearch.app import open_searcher
from imgsearch.cli import main
from imgsearch.errors import UsageError
from imgsearch.evaluation.caption_search import Recalls, compare_caption_search
from imgsearch.evaluation.pairs import CaptionPair, load_pairs
from imgsearch.search.engine import Searcher
from imgsearch.search.query.description import Query
from imgsearch.search.text_evidence import SOURCES, WITH_CAPTIONS
from imgsearch.settings import Settings, load_settings
from imgsearch.storage import StoredCaption, open_store, writing

WORDS = ["amber", "basalt", "cobalt", "denim", "ebony", "fern", "garnet", "hazel", "indigo", "jade", "khaki", "lilac"]


def written(number: int, text: str, *, sure: bool = True) -> StoredCaption:
    return StoredCaption(number, text, 0.8, sure, "mini", "ab", "float32", "", "{}")


@pytest.fixture
def shelf(library: Any) -> Any:
    library.add(library.names())
    return library


@pytest.fixture
def pairs(shelf: Any, tmp_path: Path) -> Path:
    rows = []
    for number, paths in shelf.store.all_paths(range(1, 13)).items():
        rows.append({"image": str(paths[0]), "captions": [f"a {WORDS[number - 1]} - house"]})
    rows.append({"image": str(Path(__file__)), "captions": ["a file"]})
    path = tmp_path / "pairs.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def test_recall_is_told_with_captions_and_without(shelf: Any, pairs: Path) -> None:
    with Searcher(open_store(shelf.store.path), shelf.model) as searcher:
        with pytest.raises(UsageError, match="no sure caption"):
            compare_caption_search(searcher, load_pairs(pairs))
        with writing(shelf.store) as writer:
            writer.write_captions([written(number, f"{WORDS[number - 1]} house") for number in range(1, 12)])
            writer.write_captions([written(12, f"{WORDS[0]} house", sure=False)])
        found = compare_caption_search(searcher, load_pairs(pairs))
        assert (found.texts, found.left_out, found.captioned, found.worse) == (12, 1, 11, 0)
        assert found.without.r5 < 0.7 and found.with_captions.r5 >= 11 / 12 and found.better >= 4
        assert compare_caption_search(searcher, load_pairs(pairs), sample=3).texts == 3
        with pytest.raises(UsageError, match="holds none"):
            compare_caption_search(searcher, [CaptionPair(Path(__file__), ("a file",))])


def test_recalls_are_shares_of_the_places() -> None:
    assert Recalls.of([1, 1, 3, 7, 11]) == Recalls(0.4, 0.6, 0.8)


def test_captions_take_part_only_where_the_settings_say_so(shelf: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with writing(shelf.store) as writer:
        writer.write_captions([written(7, "a zebra in a station")])
    monkeypatch.setattr("imgsearch.app.model_id", lambda *_: shelf.model.model_id)
    monkeypatch.setattr("imgsearch.app.open_search_model", lambda *_: shelf.model)
    for switch, sources, words in (("off", SOURCES, ""), ("on", WITH_CAPTIONS, "generated caption: ")):
        with open_searcher(Settings(shelf.store.path, caption_search=switch)) as searcher:
            hits = searcher.search(Query("zebra", k=12)).hits
            assert searcher.texts == sources
            assert next(hit.words for hit in hits if hit.image_id == 7).startswith(words)
    with pytest.raises(UsageError, match="expected off or on"):
        load_settings({"caption_search": "perhaps"}, {})


@pytest.mark.parametrize("more", [["--self"], ["--k-test", "4"], ["--sample", "0"]])
def test_eval_of_captions_refuses_what_makes_no_sense(pairs: Path, more: list[str], capsys: Any) -> None:
    named = [] if "--self" in more else [str(pairs)]
    assert main(["eval", *named, "--captions", *more]) == 2
    assert more[0] in capsys.readouterr().err


def test_eval_of_captions_prints_a_table(shelf: Any, pairs: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with writing(shelf.store) as writer:
        writer.write_captions([written(number, f"{WORDS[number - 1]} house") for number in range(1, 13)])
    monkeypatch.setattr("imgsearch.app.model_id", lambda *_: shelf.model.model_id)
    monkeypatch.setattr("imgsearch.app.open_search_model", lambda *_: shelf.model)
    given = ["eval", str(pairs), "--captions", "--library", str(shelf.store.path)]
    assert main(given) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("12 descriptions, 12 pictures") and lines[3].startswith("  with captions")
    assert main([*given, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["with_captions"]["r5"] == 1
