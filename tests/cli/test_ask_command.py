"""`imgsearch ask`: a picture's answers, and the table of a search's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from small_generator import OPT

from imgsearch.cli.main import parser_of
from imgsearch.cli.parser import spoken
from imgsearch.cli.verbs.ask import ASK
from imgsearch.errors import UsageError

pytestmark = pytest.mark.usefixtures("one_thread", "loaded_once")


def ask(shelf: Any, *words: str) -> int:
    parser = parser_of("ask", ASK)
    given = [*words, "--library", str(shelf.store.path), *OPT, "--max-tokens", "3", "--device", "cpu", "--quiet"]
    return ASK.run(parser.parse_args(spoken(parser, given)))


def test_one_question_about_one_picture_prints_the_answer(shelf: Any, capsys: Any) -> None:
    assert ask(shelf, str(shelf.photos / "scene00.png"), "why?") == 0
    plain = capsys.readouterr().out
    assert ask(shelf, "1", "why?", "is there a ball?", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["question"] for each in found["answers"]] == ["why?", "is there a ball?"]
    assert plain == found["answers"][0]["answer"] + "\n" and found["answers"][0]["probability"] is None
    assert ask(shelf, "1", "why?", "is there a ball?", "--dialogue", "--no-check") == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_query_gives_a_table_of_its_pictures(shelf: Any, capsys: Any) -> None:
    assert ask(shelf, "name:scene0*", "what is this?", "--top", "3") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [Path(line.partition(":")[0]).name for line in lines] == shelf.names(3)
    assert ask(shelf, "name:scene0*", "what is this?", "--top", "2", "--json") == 0
    assert [json.loads(line)["image_id"] for line in capsys.readouterr().out.splitlines()] == [1, 2]
    assert ask(shelf, "name:nothing", "what is this?") == 1
    assert "nothing found" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["1"], "no question"),
        (["1", " "], "question is empty"),
        (["1", "a" * 10_000], "10,000 letters"),
        (["1", "what?", "--form", "Question"], "has no {}"),
        (["gone.jpg", "what?"], "there is no file"),
    ],
)
def test_what_cannot_be_is_told_before_a_model_is_loaded(
    shelf: Any, words: list[str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imgsearch.generators.open_asker", lambda *_, **__: pytest.fail("it was loaded"))
    with pytest.raises(UsageError, match=told):
        ask(shelf, *words)


def test_bad_questions_are_told_before_a_model_is_loaded(
    shelf: Any, capsys: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("imgsearch.generators.open_asker", lambda *_, **__: pytest.fail("it was loaded"))
    spaces, long = tmp_path / "spaces.txt", tmp_path / "long.txt"
    spaces.write_text(" \n\t\n")
    long.write_text("why " * 2_500)
    for words, told in (
        (["1", ""], "empty text"),
        (["1", " \t "], "is empty"),
        (["1", "why " * 2_500], "9,999 letters was given"),
        (["1", "--questions", str(spaces)], "holds no text"),
        (["1", "--questions", str(long)], "9,999 letters was given"),
        (["1", "--questions", str(tmp_path / "none.txt")], "cannot be read"),
        (["1", "why?", "--top", "0"], "whole number from 1"),
        (["1"], "and no question"),
        (["77", "why?"], "no picture with the id 77"),
    ):
        with pytest.raises(UsageError, match=told):
            ask(shelf, *words)
    assert ask(shelf, "name:nothing", "why?") == 1
    assert capsys.readouterr().err == "nothing found\n"


def test_questions_come_from_a_file_too(shelf: Any, capsys: Any, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfwhy?\r\nwhat is it?\r\n")
    assert ask(shelf, "1", "who?", "--questions", str(tmp_path / "a.txt"), "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["question"] for each in found["answers"]] == ["who?", "why?", "what is it?"]
