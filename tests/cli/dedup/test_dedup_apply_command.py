"""imgsearch dedup apply: which plan it takes, what it shows, and that nothing moves before somebody said yes."""

from __future__ import annotations

import io
import json
import shlex
import shutil
from pathlib import Path

import pytest
from written_twice import write_twice

from imgsearch.cli.main import main

BYTES = ["--tiers", "bytes", "--quiet"]


class Typed(io.StringIO):
    """A terminal at which somebody has typed something."""

    def isatty(self) -> bool:
        return True


class Pressed(Typed):
    """One at which Ctrl-C is pressed."""

    def readline(self, size: int | None = -1) -> str:
        raise KeyboardInterrupt


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def find(*words: str | Path) -> None:
    assert main(["dedup", "find", *map(str, words), *BYTES]) == 0


def test_apply_takes_the_plan_that_was_made_last(twice: Path, tmp_path: Path, drawn: list[Path], capsys) -> None:
    other = write_twice(tmp_path / "other", drawn[1])
    find(twice)
    find(other)
    capsys.readouterr()
    assert main(["dedup", "report", "--out", str(tmp_path / "r.html"), "--json"]) == 0
    assert main(["dedup", "apply", str(twice), "--yes"]) == 2
    told = capsys.readouterr().err
    assert str(twice) in told and str(other) in told
    assert f"imgsearch dedup find {shlex.quote(str(twice))} makes one" in told
    assert names(other) == names(twice) == ["a.png", "b.png"]

    assert main(["dedup", "apply", "--yes"]) == 0
    assert (names(other), names(twice)) == (["a.png"], ["a.png", "b.png"])
    assert main(["dedup", "undo"]) == 0
    assert names(other) == ["a.png", "b.png"]
    assert main(["dedup", "apply", f"{other}/../other/", "--yes", "--quiet"]) == 0
    assert names(other) == ["a.png"]


def test_undo_without_a_name_brings_the_last_apply_back(twice: Path, home: Path, drawn: list[Path], tmp_path) -> None:
    """Not that of the default library, which is older."""
    own = write_twice(tmp_path / "own", drawn[1])
    assert main(["index", str(own), "--model", "none", "--quiet"]) == 0
    assert main(["dedup", "find", *BYTES]) == 0 and main(["dedup", "apply", "--yes", "--quiet"]) == 0
    first = next((home / "library" / "quarantine" / "runs").iterdir()).name
    find(twice)
    assert main(["dedup", "apply", "--yes", "--quiet"]) == 0
    assert main(["dedup", "undo"]) == 0
    assert (names(twice), names(own)) == (["a.png", "b.png"], ["a.png"])
    assert main(["dedup", "undo"]) == 1  # not the one before
    assert main(["dedup", "undo", first]) == 0
    assert names(own) == ["a.png", "b.png"]


def test_apply_shows_the_plan_and_asks(twice: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    (twice / "a.xmp").write_text("<x/>")
    (twice / "b.xmp").write_text("<x/>")
    find(twice)
    for stdin in (Typed("no\n"), Typed("y\n"), Typed(""), Typed("\n")):
        monkeypatch.setattr("sys.stdin", stdin)
        capsys.readouterr()
        assert main(["dedup", "apply"]) == 2
        assert "nothing was moved" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin", Pressed())
    assert main(["dedup", "apply"]) == 130
    assert names(twice) == ["a.png", "a.xmp", "b.png", "b.xmp"]
    capsys.readouterr()

    monkeypatch.setattr("sys.stdin", Typed("yes\n"))
    assert main(["dedup", "apply", "--quiet"]) == 0
    told = capsys.readouterr()
    for words in (str(twice), "1 file to move: 1 the same file", "1 file that belongs to them goes along", "Type yes"):
        assert words in told.err
    assert f"{twice / 'b.png'} with b.xmp\n      kept is {twice / 'a.png'}" in told.err
    assert "2 files moved" in told.out and names(twice) == ["a.png", "a.xmp"]


def test_apply_moves_nothing_where_nobody_can_say_yes(twice: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    find(twice)
    for stdin in (io.StringIO("yes\n"), None):
        monkeypatch.setattr("sys.stdin", stdin)
        assert main(["dedup", "apply"]) == 2
        assert "add --yes" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin", Typed("yes\n"))
    assert main(["dedup", "apply", "--json"]) == 2
    told = capsys.readouterr()
    assert "--yes" in told.err and not told.out and names(twice) == ["a.png", "b.png"]
    assert main(["dedup", "apply", "--json", "--yes"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["moved"], told["folders"]) == (1, [str(twice)]) and Path(told["plan"]).is_file()


def test_apply_of_many_files_names_the_first_ten(twice: Path, capsys) -> None:
    for number in range(12):
        shutil.copy(twice / "a.png", twice / f"c{number:02}.png")
    find(twice)
    capsys.readouterr()
    assert main(["dedup", "apply", "--yes"]) == 0
    told = capsys.readouterr().out
    assert told.count("kept is") == 10 and "and 3 more (imgsearch dedup report" in told


def test_commands_that_find_prints_apply_this_plan(twice: Path, tmp_path: Path, drawn: list[Path], capsys) -> None:
    plan = tmp_path / 'the "plan" of\nit\'s $HOME' / "plan é.json"
    assert main(["dedup", "find", str(twice), "--tiers", "bytes", "--quiet", "--plan", str(plan)]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines() if line.startswith("  imgsearch dedup ")]
    find(write_twice(tmp_path / "other", drawn[1]))
    page = tmp_path / "page.html"
    for line, (verb, more) in zip(lines, [("report", f" --out {page}"), ("apply", " --yes")], strict=True):
        command = line.partition("    #")[0].replace(" --out duplicates.html", "")
        words = _by_the_shell(command + more)
        assert words[:4] == ["imgsearch", "dedup", verb, str(plan)]
        assert main(words[1:]) == 0
    assert page.exists() and names(twice) == ["a.png"] and len(names(tmp_path / "other")) == 2


def _by_the_shell(line: str) -> list[str]:
    """The words that bash makes of a line."""
    import subprocess

    told = subprocess.run(["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True, check=True, timeout=60)
    return told.stdout.decode().split("\0")[:-1]


def test_plan_that_is_older_than_the_last_has_to_be_named(twice: Path, tmp_path: Path, capsys) -> None:
    find(twice)
    library = next((tmp_path / "data" / "imgsearch" / "folders").iterdir())
    own = library / "dedup" / "plan.json"
    told = json.loads(own.read_text(encoding="utf-8"))
    own.write_text(json.dumps(told | {"created_at": "2020-01-01T00:00:00+00:00"}), encoding="utf-8")
    later = tmp_path / "later.json"
    find(twice, "--plan", later)
    assert main(["dedup", "apply", "--library", str(library), "--yes"]) == 2
    assert f"is older than {later}" in capsys.readouterr().err and names(twice) == ["a.png", "b.png"]
    later.unlink()
    assert main(["dedup", "apply", "--yes"]) == 2
    assert "is gone" in capsys.readouterr().err
    assert main(["dedup", "apply", str(own), "--yes", "--quiet"]) == 0
    assert names(twice) == ["a.png"]


def test_plan_of_a_library_that_has_a_later_one_has_to_be_named(twice: Path, tmp_path: Path, capsys) -> None:
    """Made where another home remembers it."""
    plan = tmp_path / "first.json"
    find(twice, "--plan", plan)
    library = next((tmp_path / "data" / "imgsearch" / "folders").iterdir())
    told = json.loads(plan.read_text(encoding="utf-8"))
    (library / "dedup").mkdir(exist_ok=True)
    later = told | {"created_at": "2099-01-01T00:00:00+00:00"}
    (library / "dedup" / "plan.json").write_text(json.dumps(later), encoding="utf-8")
    assert main(["dedup", "apply", "--yes"]) == 2
    assert "is older than" in capsys.readouterr().err and names(twice) == ["a.png", "b.png"]


def test_plan_that_was_edited_is_applied_after_a_word(twice: Path, tmp_path: Path, capsys) -> None:
    shutil.copy(twice / "a.png", twice / "c.png")
    plan = tmp_path / "plan.json"
    find(twice, "--plan", plan)
    told = json.loads(plan.read_text(encoding="utf-8"))
    told["groups"][0]["members"][0]["move"] = False
    plan.write_text(json.dumps(told), encoding="utf-8")
    assert main(["dedup", "apply", "--yes"]) == 0
    assert "was changed or replaced" in capsys.readouterr().out and names(twice) == ["a.png", "b.png"]


def test_find_that_was_stopped_leaves_no_last_plan(twice: Path, tmp_path: Path, drawn: list[Path], capsys) -> None:
    other = write_twice(tmp_path / "other", drawn[1])
    find(other)
    assert main(["dedup", "find", str(twice), "--tiers", "bites"]) == 2
    assert main(["dedup", "apply", "--yes"]) == 2
    told = capsys.readouterr().err
    assert str(twice) in told and "has not written its plan" in told and names(other) == ["a.png", "b.png"]


def test_plan_is_made_where_it_cannot_be_remembered(twice: Path, tmp_path: Path, home: Path, capsys) -> None:
    library = str(tmp_path / "library")
    assert main(["index", str(twice), "--library", library, "--model", "none", "--quiet"]) == 0
    home.mkdir(parents=True, exist_ok=True)
    (home / "last-plan.json").mkdir()
    assert main(["dedup", "find", "--library", library, "--tiers", "bytes"]) == 0
    assert "note: apply has to be given the plan's name" in capsys.readouterr().err
    assert main(["dedup", "apply", "--yes"]) == 2
    assert main(["dedup", "apply", "--library", library, "--yes", "--quiet"]) == 0
    assert names(twice) == ["a.png"]


def test_last_plan_that_is_damaged_is_none(twice: Path, home: Path, capsys) -> None:
    find(twice)
    for text in ("", "[]", '{"version": 1}', '{"version": 2, "path": "x", "folders": []}', "[" * 100_000):
        (home / "last-plan.json").write_text(text)
        assert main(["dedup", "apply", "--yes"]) == 2
        assert "no plan was made yet" in capsys.readouterr().err


def test_plan_of_another_library_than_named_is_refused(twice: Path, tmp_path: Path, capsys) -> None:
    plan = tmp_path / "plan.json"
    find(twice, "--plan", plan)
    library = str(tmp_path / "library")
    assert main(["index", str(twice), "--library", library, "--model", "none", "--quiet"]) == 0
    assert main(["dedup", "apply", str(plan), "--library", library, "--yes"]) == 2
    assert "is a plan of the library" in capsys.readouterr().err
    assert main(["dedup", "apply", "--library", library, "--yes"]) == 2
    assert "has no plan" in capsys.readouterr().err and names(twice) == ["a.png", "b.png"]


@pytest.mark.parametrize("verb", ["undo", "purge"])
def test_where_nothing_was_applied_it_says_so(verb, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert main(["dedup", verb]) == 2
    assert "no plan was carried out yet" in capsys.readouterr().err
