"""`imgsearch calibrate`, and what a calibration does to searches, on a library of drawn scenes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from imgsearch.app import save_calibration
from imgsearch.cli.main import main
from imgsearch.scenes.dataset import make_set, write_set
from imgsearch.search.calibration import Calibration
from imgsearch.settings import load_settings


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty scenes: most of the built-in captions have no match among them."""
    folder = tmp_path_factory.mktemp("calibrate")
    write_set(make_set(60, 91), folder / "scenes")
    where = str(folder / "library")
    assert main(["index", str(folder / "scenes" / "images"), "--library", where, "--model", "mini", "--quiet"]) == 0
    return folder / "library"


def search(library: Path, capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, object]]:
    main(["search", *words, "--library", str(library), "--json", "-k", "20"])
    hits: list[dict[str, object]] = json.loads(capsys.readouterr().out)["hits"]
    return hits


def test_a_calibration_ends_lists_and_reset_takes_it_back(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = load_settings({"library": str(library)})
    before = search(library, capsys, "two red boats")
    assert len(before) < 20 and all(hit["confident"] for hit in before)  # the model came with a rule
    save_calibration(settings, Calibration(1.0, 0.0, 0.0, 5.0, 1e6))
    found = search(library, capsys, "two red boats")
    assert found != before and len(found) < 20 and all(hit["confident"] for hit in found)
    everything = search(library, capsys, "two red boats", "--all")
    assert len(everything) == 20 and everything[: len(found)] == found
    assert main(["calibrate", "--library", str(library), "--reset"]) == 0
    capsys.readouterr()
    assert search(library, capsys, "two red boats") == before


def test_calibrate_refuses_where_matches_and_others_cannot_be_told_apart(
    library: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The small model's head is not sure enough of what is absent: a threshold would be a guess."""
    before = search(library, capsys, "two red boats")
    assert main(["calibrate", "--library", str(library), "--json", "--count", "55", "--depth", "4"]) == 2
    captured = capsys.readouterr()
    assert "do not fall into" in captured.err
    told = json.loads(captured.out)
    assert told["calibration"] is None and "do not fall into" in told["reason"]
    assert search(library, capsys, "two red boats") == before


@pytest.mark.parametrize(
    ("flags", "said"),
    [(["--probes", "/no/such/file"], "cannot be read"), (["--false-accepts", "2"], "expected a share")],
)
def test_calibrate_names_what_is_wrong(
    library: Path, capsys: pytest.CaptureFixture[str], flags: list[str], said: str
) -> None:
    assert main(["calibrate", "--library", str(library), *flags]) == 2
    assert said in capsys.readouterr().err


def test_calibrate_keeps_what_there_was_when_probes_tell_nothing(
    library: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    probes = tmp_path / "probes.txt"
    probes.write_text("a red boat\n" * 10)
    assert main(["calibrate", "--library", str(library), "--probes", str(probes)]) == 2
    assert "expected 50" in capsys.readouterr().err
