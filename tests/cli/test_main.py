"""The command: finding verbs, printing errors, and what is not imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

from imgsearch.cli import main
from imgsearch.cli.verb_table import TABLE, every_verb, find_verb


def test_every_verb_of_the_package_loads_and_has_a_summary(capsys):
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for name in every_verb():
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


def test_train_command_wants_mini_and_names_the_verb_for_own_pairs(capsys, tmp_path):
    assert main(["train", str(tmp_path / "out")]) == 2
    assert "imgsearch tune PAIRS" in capsys.readouterr().err
    assert main(["tune", str(tmp_path / "absent.jsonl"), "--output", str(tmp_path / "out"), "--model", "mini"]) == 2
    assert "absent.jsonl" in capsys.readouterr().err


def test_table_says_of_each_verb_what_its_command_says():
    assert {name: verb.load().summary for name, verb in TABLE.items()} == {
        name: verb.summary for name, verb in TABLE.items()
    }


@pytest.fixture
def plugins(tmp_path, monkeypatch):
    """Entry points of other distributions: module text and what is registered."""

    def install(entry_points, module):
        (tmp_path / "otherpackage.py").write_text(module)
        info = tmp_path / "otherpackage-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: otherpackage\nVersion: 1.0\n")
        lines = "".join(f"{name} = {place}\n" for name, place in entry_points.items())
        (info / "entry_points.txt").write_text(f"[imgsearch.commands]\n{lines}")
        monkeypatch.syspath_prepend(str(tmp_path))

    yield install
    sys.modules.pop("otherpackage", None)


_OTHER = """
from imgsearch.cli import Command
OTHER = Command("does something else", lambda parser: None, lambda found: print("done elsewhere") or 0)
"""


def test_verb_of_another_package_joins_and_takes_no_place(plugins, capsys):
    plugins({"elsewhere": "otherpackage:OTHER", "stats": "otherpackage:OTHER"}, _OTHER)
    assert main(["elsewhere"]) == 0
    assert capsys.readouterr().out == "done elsewhere\n"
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert "  elsewhere   does something else" in shown
    assert f"  stats       {TABLE['stats'].summary}" in shown
    assert find_verb("stats") is TABLE["stats"]


def test_entry_points_of_an_older_installation_do_no_harm(plugins, capsys):
    plugins({"dedup": "imgsearch.cli.dedup:DEDUP", "gone": "imgsearch.cli.gone:GONE"}, "")
    assert main(["--help"]) == 0
    assert "gone" not in capsys.readouterr().out
    assert main(["dedup", "--help"]) == 0
    assert main(["gone"]) == 2


def test_verb_of_ours_asks_no_installed_package():
    code = "import sys; from imgsearch.cli import main; main(['stats', '--help'])"
    check = "; print('importlib.metadata' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code + check], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


def test_a_current_folder_that_is_gone_is_said(capsys, tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert main(["stats", "--library", "library"]) == 4
    assert "the current folder is gone" in capsys.readouterr().err
