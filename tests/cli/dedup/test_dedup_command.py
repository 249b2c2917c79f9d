"""imgsearch dedup from find to purge, as a person types it."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from imgsearch.cli.main import main


def contents(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_find_apply_undo_purge_as_a_person_types_them(photos: Path, tmp_path: Path, capsys) -> None:
    before = contents(photos)
    page = tmp_path / "report.html"
    assert main(["dedup", "find", str(photos), "--json", "--report", str(page)]) == 3  # one file is no picture
    told = json.loads(capsys.readouterr().out)
    assert told["pictures"] == 6 and told["groups"] == 3
    assert told["to_move_by_tier"] == {"bytes": 1, "perceptual": 1}
    assert told["stay_by_reason"] == {"turned or mirrored": 1} and told["tiers"] == ["bytes", "pixels", "perceptual"]
    assert [Path(one["path"]).name for one in told["failures"]] == ["broken.jpg"]
    assert contents(photos) == before
    assert page.read_text(encoding="utf-8").count("broken.jpg") == 1
    library = ["--library", told["library"]]
    again = tmp_path / "again.html"
    assert main(["dedup", "report", *library, "--out", str(again), "--quiet"]) == 0
    assert again.read_text(encoding="utf-8").count("broken.jpg") == 1
    capsys.readouterr()

    assert main(["dedup", "apply", *library, "--yes"]) == 0
    assert "2 files moved" in capsys.readouterr().out
    assert sorted(contents(photos)) == ["0.png", "1.png", "2 turned.jpg", "2.png", "3.png", "broken.jpg"]
    assert main(["dedup", "undo", *library]) == 0
    assert contents(photos) == before
    assert main(["dedup", "undo", *library]) == 1
    assert "nothing is in the quarantine" in capsys.readouterr().err

    assert main(["dedup", "apply", *library, "--quiet", "--yes"]) == 0
    assert main(["dedup", "purge", *library]) == 2  # nobody is there to ask
    assert "cannot be brought back" in capsys.readouterr().err
    assert main(["dedup", "purge", *library, "--yes"]) == 0
    assert main(["dedup", "find", str(photos), "--quiet", "--check"]) == 3
    assert "nothing to move" in capsys.readouterr().out


def test_pictures_said_to_differ_are_not_found_again(photos: Path, capsys) -> None:
    (photos / "broken.jpg").unlink()
    assert main(["dedup", "find", str(photos), "--json", "--check"]) == 5
    library = json.loads(capsys.readouterr().out)["library"]
    pair = [str(photos / "1.png"), str(photos / "1 small.jpg")]
    assert main(["dedup", "distinct", *pair, "--library", library]) == 0
    assert main(["dedup", "distinct", "--list", "--library", library]) == 0
    assert "1 small.jpg" in capsys.readouterr().out
    assert main(["dedup", "find", "--json", "--library", library]) == 0
    assert json.loads(capsys.readouterr().out)["to_move_by_tier"] == {"bytes": 1}
    assert main(["dedup", "distinct", *pair, "--forget", "--library", library]) == 0
    assert main(["dedup", "distinct", pair[0], "--library", library]) == 2


def test_reference_folder_and_keep_rule_decide_what_stays(photos: Path, capsys) -> None:
    kept = photos / "kept"
    kept.mkdir()
    (photos / "1 small.jpg").rename(kept / "small.jpg")
    assert main(["dedup", "find", str(photos), "--json", "--reference", str(kept)]) == 3
    plan = json.loads(Path(json.loads(capsys.readouterr().out)["plan"]).read_text(encoding="utf-8"))
    by_keeper = {Path(group["keeper"]["path"]).name: group for group in plan["groups"]}
    assert [Path(one["file"]["path"]).name for one in by_keeper["small.jpg"]["members"]] == ["1.png"]
    assert "reference" in by_keeper["small.jpg"]["reason"]


def test_here_says_which_pictures_the_library_has(photos: Path, drawn: list[Path], tmp_path: Path, capsys) -> None:
    main(["dedup", "find", str(photos), "--json"])
    library = json.loads(capsys.readouterr().out)["library"]
    with Image.open(drawn[3]) as image:
        image.convert("RGB").save(tmp_path / "another.jpg", quality=70)
    assert main(["dedup", "here", str(tmp_path / "another.jpg"), "--library", library]) == 0
    assert "3.png" in capsys.readouterr().out
    assert main(["dedup", "here", str(drawn[5]), "--library", library]) == 1
    assert "not here" in capsys.readouterr().out
    assert main(["dedup", "here", str(photos / "broken.jpg"), "--library", library]) == 3


def test_leaks_are_listed_and_fail_a_check(photos: Path, drawn: list[Path], tmp_path: Path, capsys) -> None:
    test_set, table = tmp_path / "test", tmp_path / "leaks.csv"
    test_set.mkdir()
    (test_set / "new.png").write_bytes(drawn[5].read_bytes())
    with Image.open(drawn[3]) as image:
        image.convert("RGB").transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(test_set / "mirrored.jpg", quality=80)
    (photos / "broken.jpg").unlink()
    sets = ["--train", str(photos), "--test", str(test_set)]
    assert main(["dedup", "leaks", *sets, "--check", "--json", "--out", str(table)]) == 5
    told = json.loads(capsys.readouterr().out)
    assert (told["train"], told["test"], told["leaks"]) == (6, 2, 1)
    assert told["rows"][0]["path"].endswith("mirrored.jpg") and told["rows"][0]["turn"] == 2
    assert table.read_text(encoding="utf-8").count("\n") == 2


def test_prune_keeps_the_share_that_was_asked_for(photos: Path, capsys) -> None:
    assert main(["dedup", "prune", str(photos), "--keep-fraction", "0.5", "--quiet"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert main(["dedup", "prune", str(photos), "--keep-fraction", "0", "--quiet"]) == 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["find", "/no/such/folder"], "there is no folder"),
        (["find", "--tiers", "bites"], "there is no tier 'bites'"),
        (["find", "--act-on", "burst"], "never moved"),
        (["find", "--act-on", "near", "--tiers", "bytes"], "leaves out"),
        (["find", "--keep", "biggest"], "unknown word"),
        (["find", "--reference", "/no/such/folder"], "is no folder"),
        (["find", ".", "--library", "/no/such"], "no library"),
        (["prune", ".", "--library", "x", "--keep-fraction", "0.5"], "expected one of the two"),
        (["apply"], "no plan was made yet"),
        (["apply", ".", "/no/such/plan.json"], "expected one plan, or folders"),
        (["apply", "/no/such/plan.json"], "plan"),
        (["leaks", "--train", "/no/such", "--test", "."], "there is no folder"),
    ],
)
def test_wrong_words_get_a_sentence(arguments: list[str], told: str, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert main(["dedup", *arguments]) == 2
    assert told in capsys.readouterr().err


def test_reading_that_is_stopped_ends_as_any_stopped_command(
    photos: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    session = importlib.import_module("indexer.index_run")
    scan = session.scan_target

    def pressed(*given: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)  # Ctrl-C while the folders are walked
        return scan(*given)

    monkeypatch.setattr(session, "scan_target", pressed)
    assert main(["dedup", "find", str(photos)]) == 130
    told = capsys.readouterr().err
    assert "imgsearch: stopped" in told and "Run the same command again" in told
