"""`imgsearch tune` and `imgsearch models` as a person meets them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from imgsearch.cli import main
from imgsearch.tuning.lineage import write_lineage


@pytest.fixture(autouse=True)
def own_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main(["tune", *map(str, arguments)]) == 2
    return capsys.readouterr().err


def test_dry_run_says_what_it_would_take_and_leaves_no_trace(colours, tmp_path, capsys):
    (colours / "more.jsonl").write_text(
        (colours / "pairs.jsonl").read_text() + '{"image": "gone.png", "caption": "x"}\n'
    )
    folder = tmp_path / "out"
    for way, share in (("qformer", "56.7 %"), ("lora", "2.6 %"), ("all", "100.0 %")):
        arguments = [str(colours / "more.jsonl"), "--model", "mini", "--output", str(folder), "--train", way]
        assert main(["tune", *arguments, "--dry-run"]) == 0
        told = capsys.readouterr()
        assert "60 pictures with 120 captions; 1 row left out" in told.out and share in told.out
        for word in ("withheld", "disk:", "memory: about", "time:", "steps"):
            assert word in told.out
        assert "more.jsonl, line 61: the picture" in told.err
    assert not folder.exists()
    (colours / "more.jsonl").unlink()


def test_wrong_requests_are_refused_with_what_to_do(colours, tmp_path, capsys):
    pairs, out = colours / "pairs.jsonl", tmp_path / "out"
    assert "either PAIRS or --library" in refused(capsys, "--output", out)
    assert "either PAIRS or --library" in refused(capsys, pairs, "--library", "x", "--output", out)
    assert "--output is missing" in refused(capsys, pairs)
    assert "--train is both" in refused(capsys, pairs, "--output", out, "--train", "both")
    assert "there is no file" in refused(capsys, tmp_path / "gone", "--output", out, "--model", "mini")
    assert "number from 0 to 0.9" in refused(capsys, pairs, "--output", out, "--rehearsal", "1")
    few = tmp_path / "few.jsonl"
    few.write_text(
        "\n".join((colours / "pairs.jsonl").read_text().splitlines()[:9]).replace('"image": "', f'"image": "{colours}/')
    )
    assert "9 different pictures" in refused(capsys, few, "--output", out, "--model", "mini", "--dry-run")
    assert not out.exists()


def test_models_lists_tuned_ones_with_where_they_come_from_and_what_is_certain(tmp_path, capsys):
    def row(way: str, before: float, after: float, verdict: str) -> dict[str, object]:
        figures = {"before": before, "after": after, "low": after - before - 2, "high": after - before + 2}
        return {"way": way, "score": "itm", "at": 1, "verdict": verdict, **figures}

    lineage = {
        "base": "mini",
        "train": "lora",
        "made_at": "2026-11-27",
        "pairs": {"source": "cats.csv", "pictures": 70},
        "gains": {
            "withheld": [row("text to image", 4.0, 60.0, "better")],
            "general": [row("text to image", 90.0, 89.0, "no certain difference")],
        },
    }
    (tmp_path / "model").mkdir()
    write_lineage(tmp_path / "model", lineage)
    write_lineage(tmp_path / "model", lineage)  # twice: listed once
    assert main(["models"]) == 0
    text = capsys.readouterr().out
    assert text.count(str(tmp_path / "model")) == 1
    assert "tuned from mini (lora) on 70 pictures of cats.csv" in text
    assert "4.0 % to 60.0 %, better by 56.0 points (54.0 to 58.0)" in text
    assert "90.0 % to 89.0 %, no certain difference (-3.0 to +1.0 points)" in text
    assert main(["models", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[-1]["lineage"] == lineage
    (tmp_path / "model" / "tuning.json").unlink()
    assert main(["models"]) == 0
    assert str(tmp_path / "model") not in capsys.readouterr().out
