"""Command lines: what is accepted, what is refused, and what is said then."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import Any

import pytest

from imgsearch.cli import main
from imgsearch.cli.command import Command
from imgsearch.cli.main import parser_of
from imgsearch.cli.parser import Parser, probability, real, spoken, whole
from imgsearch.cli.verb_table import TABLE, every_verb
from imgsearch.cli.verbs.search import SEARCH
from imgsearch.errors import UsageError


@pytest.fixture
def parser() -> Parser:
    return parser_of("search", SEARCH)


@pytest.mark.parametrize(
    ("line", "text", "options"),
    [
        ("a man -hat", ["a", "man", "-hat"], {}),
        ("-hat a man", ["-hat", "a", "man"], {}),
        ("a man -hat -k 3 -people", ["a", "man", "-hat", "-people"], {"k": 3}),
        ("a man -k3 -1", ["a", "man", "-1"], {"k": 3}),
        ("a man -k=3", ["a", "man"], {"k": 3}),
        ("a man --json -hat --rerank 0", ["a", "man", "-hat"], {"json": True, "rerank": 0}),
        ("--rerank=4 a man", ["a", "man"], {"rerank": 4}),
        ("-- a man --json -k 3", ["a", "man", "--json", "-k", "3"], {"json": False, "k": 10}),
        ("--copy-to -odd a man", ["a", "man"], {"copy_to": "-odd"}),
        ("-folder:Trash a man", ["-folder:Trash", "a", "man"], {}),
        ("a - b", ["a", "-", "b"], {}),
    ],
)
def test_words_with_a_minus_belong_to_the_query(parser: Parser, line: str, text: list[str], options: Any) -> None:
    found = parser.parse_args(spoken(parser, line.split()))
    assert found.text == text
    assert {name: getattr(found, name) for name in options} == options


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("a man --hat", "there is no option --hat"),
        ("a man --lib x", "did you mean --library?"),
        ("a man --librari=x", "did you mean --library?"),
        ("a man -json", "did you mean --json?"),
        ("a man -k 0", "expected a whole number from 1"),
        ("a man -k many", "expected a whole number"),
        ("a man --rerank -1", "leave it out"),
        ("a man --budget-ms -5", "from 0 to 1,000,000,000"),
        ("a man --budget-ms nan", "expected a number"),
        ("a man --threshold 1.5", "from 0 to 1"),
        ("a man --sort newst", "did you mean newest?"),
        ("a man --features al", "did you mean all?"),
        ("a man --page 0", "from 1"),
        ("a man --json --paths", "not allowed with"),
        ("a man -k", "expected one argument"),
        ("", "TEXT"),
    ],
)
def test_what_is_wrong_is_said_with_what_is_allowed(parser: Parser, line: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parser.parse_args(spoken(parser, line.split()))
    assert said in str(caught.value) and caught.value.hint


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("serach boat", "did you mean 'search'?"),
        ("find boat", "did you mean 'search'?"),
        ("version", "did you mean '--version'?"),
        ("a red boat", "imgsearch search a red boat"),
        ("help serch", "did you mean 'search'?"),
        ("search boat --limit 3", "did you mean -k?"),
        ("index photos --ignore x", "did you mean --exclude?"),
        ("nothing-like-it", "the commands are demo"),
        ("--librari x search boat", "did you mean --library?"),
        ("serve --port 99999", "from 0 to 65,535"),
        ("serve --port -1", "from 0 to 65,535"),
        ("dedup fnd", "did you mean find?"),
        ("dedup find --tier bytes", "did you mean --tiers?"),
        ("dedup apply --plan x", "imgsearch dedup apply has no option --plan, find can have it"),
        ("dedup apply --quarntine x", "did you mean --quarantine?"),
        ("models pul x", "imgsearch models has no command 'pul'; did you mean pull?"),
        ("index --dtype float8 x", "expected one of auto, float32, bfloat16, float16"),
        ("stats extra", "'extra'"),
        ("index --batch-size 0 x", "of 1 or more"),
        ("index --workers -2 x", "of 1 or more"),
        ("--device cpu stats", "imgsearch stats has no option --device"),
    ],
)
def test_wrong_command_lines_exit_2_and_say_what_was_meant(
    line: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(line.split()) == 2
    captured = capsys.readouterr()
    assert said in captured.err and captured.out == "" and "usage:" not in captured.err


@pytest.mark.parametrize("line", ["--library {} stats", "--library={} stats", "--json --library {} stats"])
def test_options_before_the_verb_count(line: str, tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(line.format(tmp_path / "none").split()) == 2
    assert str(tmp_path / "none") in capsys.readouterr().err


def test_options_before_a_verb_of_verbs_reach_the_lower_one(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--library", str(tmp_path / "none"), "dedup", "undo", "--list"]) == 2
    assert "none" in capsys.readouterr().err


def test_every_verb_takes_whole_option_names_only() -> None:
    for parser in (parser_of(name, verb.load()) for name, verb in every_verb().items()):
        below = [*parser.verbs().values()]
        assert not any(one.allow_abbrev for one in (parser, *below))
        assert all(isinstance(one, Parser) for one in below)


def test_version_names_the_formats(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("imgsearch ") and "library format 1" in shown and "model recipe" in shown


def test_help_of_a_verb_returns_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", "search"]) == main(["search", "--help"]) == 0
    assert "--threshold" in capsys.readouterr().out


@pytest.mark.parametrize(("text", "value"), [("0.5", 0.5), ("50%", 0.5), ("1", 1.0), ("0", 0.0)])
def test_a_probability_is_a_share_or_a_percentage(text: str, value: float) -> None:
    assert probability(text) == value


def test_numbers_end_at_their_bounds() -> None:
    assert (whole(1, 3)("3"), real(0)("2.5")) == (3, 2.5)


def test_a_verb_of_free_words_says_so() -> None:
    assert SEARCH.words and not Command("", lambda parser: None, lambda found: 0).words


def _taking(parser: argparse.ArgumentParser) -> list[tuple[argparse.ArgumentParser, argparse.Action]]:
    """Every argument of a parser and its sub-verbs that takes the name of something."""
    found: list[tuple[argparse.ArgumentParser, argparse.Action]] = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found += [one for verb in action.choices.values() for one in _taking(verb)]
        elif "" in (action.default, action.const):  # as if the option had no value
            continue
        elif action.nargs != 0 and action.type in (None, Path) and action.choices is None:
            found.append((parser, action))
    return found


@pytest.mark.parametrize("verb", sorted(TABLE))
def test_empty_text_names_no_file_folder_or_model_anywhere(verb: str) -> None:
    for parser, action in _taking(parser_of(verb, TABLE[verb].load())):
        if action.metavar in ("TEXT", "PATTERN"):
            continue
        with pytest.raises(argparse.ArgumentError, match="empty"):
            parser._get_values(action, [""] if action.nargs != 2 else ["", ""])


def test_what_is_no_number_is_told_in_plain_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scenes", "out", "--count", "many"]) == 2
    assert "--count: got 'many', expected a whole number" in capsys.readouterr().err
    assert main(["calibrate", "--false-accepts", "few"]) == 2
    assert "--false-accepts: got 'few', expected a number" in capsys.readouterr().err


def test_empty_text_may_be_said_of_what_has_no_name(parser: Parser) -> None:
    assert parser.parse_args(["--", ""]).text == [""]
    assert parser_of("job", TABLE["job"].load()).parse_args(["run", "x", "--address", ""]).address == ""


@pytest.mark.parametrize(
    "line",
    [
        "index {folder} --library {file} --model mini",
        "demo --out {file}",
        "train --mini {file}",
        "train --mini {folder}/new --model minni",
        "index {folder} --library {folder}/library --model minni",
        "models export minni",
        "models pull blpi2",
        "caption {file} --generator minni --library {folder}/none",
        "dedup find {folder} --plan {folder}",
        "dedup find {folder} --report {folder}",
        "dedup leaks --train {folder} --test {folder} --out {folder}",
        "dedup prune {folder} --keep-fraction 0.5 --out {folder}",
        "dedup purge --quarantine {file}",
        "eval {folder}",
        "show {folder}",
        "show ''",
    ],
)
def test_file_for_a_folder_or_a_misspelt_model_is_a_wrong_argument(
    line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, folder = tmp_path / "file.png", tmp_path / "folder"
    file.write_bytes(b"x")
    folder.mkdir()
    assert main(shlex.split(line.format(file=file, folder=folder))) == 2
    told = capsys.readouterr().err
    assert "Traceback" not in told and "Errno" not in told
    if "minni" in line and "caption" not in line:
        assert "did you mean mini?" in told and "blip2-vitl" in told
    assert list(folder.iterdir()) == []
