"""The command: finding verbs, printing errors, and what is not imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

from imgsearch.cli import main
from imgsearch.cli.main import service_of, verbs
from imgsearch.errors import ImgsearchError


def test_every_verb_of_the_package_loads_and_has_a_summary(capsys):
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for name in verbs():
        assert f"  {name}" in shown


def test_unknown_command_is_named_with_the_known_ones(capsys):
    assert main(["serach", "cat"]) == 2
    error = capsys.readouterr().err
    assert "'serach'" in error and "search" in error


def test_error_of_ours_is_one_message_with_a_hint_and_its_exit_code(capsys, tmp_path):
    assert main(["search", "a cat", "--library", str(tmp_path / "absent")]) == 2
    error = capsys.readouterr().err
    assert "absent" in error and "imgsearch index" in error and "Traceback" not in error


@pytest.mark.parametrize("code", ["import imgsearch", "from imgsearch.cli import main; main(['--help'])"])
def test_neither_import_nor_help_loads_torch_flask_or_transformers(code):
    heavy = ("torch", "transformers", "flask", "sqlalchemy", "faiss")
    check = f"; import sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code + check], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_scenes_command_refuses_what_cannot_be(capsys, tmp_path):
    assert main(["scenes", "--count", "0", str(tmp_path / "x")]) == 2
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine")
    assert main(["scenes", "--count", "3", str(tmp_path / "full")]) == 2
    assert "not an empty folder" in capsys.readouterr().err
    assert (tmp_path / "full" / "file").read_text() == "mine"


def test_train_command_wants_pairs_or_mini(capsys, tmp_path):
    assert main(["train", str(tmp_path / "out")]) == 2
    assert main(["train", str(tmp_path / "absent.jsonl"), str(tmp_path / "out"), "--model", "mini"]) == 2
    assert "absent.jsonl" in capsys.readouterr().err


def test_verb_offers_its_work_as_a_function_or_says_that_it_does_not():
    assert callable(service_of("index"))
    for verb in ("stats", "no such verb"):
        with pytest.raises(ImgsearchError, match=verb):
            service_of(verb)
