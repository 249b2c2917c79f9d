"""`imgsearch read`: pictures and libraries, resumable, found by a search afterwards."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from PIL import Image

from imgsearch.cli.main import parser_of
from imgsearch.cli.parser import spoken
from imgsearch.cli.texts.read import READ
from imgsearch.errors import LibraryBusy, UsageError
from imgsearch.reading.contract import Recognised
from imgsearch.records import Clause, Filters
from imgsearch.storage.single_runs import single_run


class ColourEngine:
    """Reads "red" in red pictures, and nothing in others."""

    name, fingerprint = "stand-in 1", "first"

    def heat(self, pixels: Any) -> Any:
        blue, green, red = pixels.reshape(-1, 3).mean(0)
        return np.full((32, 32), float(red > 2 * blue and red > 2 * green), np.float32)

    def boxes(self, heat: Any, height: int, width: int) -> list[Any]:
        return [np.array([[1.0, 1.0], [9.0, 1.0], [9.0, 5.0], [1.0, 5.0]])] if heat.max() else []

    def recognise(self, pixels: Any, boxes: Sequence[Any]) -> list[Recognised]:
        places = (np.arange(7) + 0.5) / 7
        return [Recognised("all red", box, 0.97, places.tolist(), [0.97] * 7) for box in boxes]


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgsearch.reading.engine.RapidEngine", ColourEngine)


@pytest.fixture
def shelf(library: Any) -> Any:
    for number, colour in enumerate([(200, 20, 20), (20, 20, 200), (210, 30, 20)]):
        Image.new("RGB", (40, 30), colour).save(library.photos / f"{number}.png")
    library.add(["0.png", "1.png", "2.png"])
    return library


def read(shelf: Any, *words: str) -> int:
    parser = parser_of("read", READ)
    return READ.run(parser.parse_args(spoken(parser, [*words, "--library", str(shelf.store.path), "--quiet"])))


def found(shelf: Any, words: str) -> list[int]:
    return shelf.store.matching_images(Filters((Clause("text", words),))).tolist()


def test_library_is_read_once_and_found_by_its_words(shelf: Any, capsys: Any) -> None:
    assert read(shelf, "--all", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["read"], told["with_text"], told["words"], told["remaining"], told["unreadable"]) == (3, 2, 4, 0, {})
    assert found(shelf, "all red") == [1, 3]
    assert read(shelf, "--all") == 0 and read(shelf, "--missing") == 0
    assert capsys.readouterr().out.count("0 pictures read") == 2
    assert read(shelf, "--all", "--again") == 0
    assert "3 pictures read" in capsys.readouterr().out


def test_second_run_over_the_library_is_refused(shelf: Any) -> None:
    with single_run(shelf.store, "read"), pytest.raises(LibraryBusy, match="`imgsearch read` is at work"):
        read(shelf, "--all")
    assert read(shelf, "--all") == 0


def test_query_chooses_the_pictures(shelf: Any, capsys: Any) -> None:
    assert read(shelf, "name:2.png") == 0
    assert found(shelf, "red") == [3] and "1 picture read" in capsys.readouterr().out


def test_named_pictures_are_shown_with_their_lines(shelf: Any, capsys: Any, tmp_path: Any) -> None:
    assert read(shelf, str(shelf.photos / "0.png"), "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["image_id"] == 1 and told["stored"] and told["lines"][0]["text"] == "all red"
    assert [word["text"] for word in told["lines"][0]["words"]] == ["all", "red"]
    assert np.shape(told["lines"][0]["box"]) == (4, 2) and 0 <= np.min(told["lines"][0]["box"]) <= 1
    (tmp_path / "broken.png").write_bytes(b"no picture")
    assert read(shelf, "2", str(tmp_path / "broken.png"), "3") == 3
    shown = capsys.readouterr()
    assert "1.png: no text found" in shown.out and "97 %  all red" in shown.out and "broken.png cannot be" in shown.err


@pytest.mark.parametrize(
    "words", [[], ["--all", "red"], ["nothing.png"], ["999"]], ids=["none", "both", "no-file", "no-id"]
)
def test_what_cannot_be_read_is_refused_with_a_hint(shelf: Any, words: list[str]) -> None:
    with pytest.raises(UsageError) as raised:
        read(shelf, *words)
    assert raised.value.hint
