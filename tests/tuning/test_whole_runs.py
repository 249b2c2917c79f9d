"""Whole runs with a tiny model: what is saved and told, what is refused, and a run that was killed for good."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from imgsearch.cli import main
from imgsearch.errors import UsageError
from imgsearch.model import load_model
from imgsearch.progress import Silence
from imgsearch.tuning.gains.result import TuneResult
from imgsearch.tuning.lineage import read_lineage, tuned_models
from imgsearch.tuning.options import TuneOptions, TuneRequest
from imgsearch.tuning.pairs import read_pairs
from imgsearch.tuning.run import tune

SMALL = {"GENERAL_TEST": 12, "GENERAL_REHEARSAL": 12, "GENERAL_CHECK": 12}


@pytest.fixture(scope="module")
def small_general(module_monkeypatch):
    for name, count in SMALL.items():
        module_monkeypatch.setattr(f"imgsearch.tuning.pictures.prepare.{name}", count)


@pytest.fixture(scope="module")
def module_monkeypatch():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def request_of(colours: Path, model: Path, folder: Path, **options: object) -> TuneRequest:
    given = TuneOptions(steps=4, batch_size=8, **options)
    return TuneRequest(read_pairs(colours / "pairs.jsonl"), "colours", str(model), "qformer", folder, options=given)


@pytest.fixture(scope="module")
def run(colours, tiny_model, small_general, module_monkeypatch, tmp_path_factory) -> tuple[TuneRequest, TuneResult]:
    module_monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
    request = request_of(colours, tiny_model, tmp_path_factory.mktemp("runs") / "one")
    return request, tune(request, Silence())


def test_tuned_model_is_loaded_by_its_folder_and_names_where_it_comes_from(run, tiny_model):
    _, result = run
    before, after = load_model(tiny_model, device="cpu"), load_model(result.model, device="cpu")
    moved = np.abs(np.asarray(before.embed_texts(["a star"])) - np.asarray(after.embed_texts(["a star"]))).max()
    assert moved > 1e-4 and after.model_id.fingerprint != before.model_id.fingerprint
    lineage = read_lineage(result.model)
    assert lineage["base_fingerprint"] == before.model_id.fingerprint
    assert lineage["fingerprint"] == after.model_id.fingerprint
    assert lineage["pairs"] | {"digest": ""} == {
        "source": "colours",
        "digest": "",
        "pictures": 60,
        "withheld": 12,
        "captions": 120,
        "left_out": 0,
    }
    assert set(lineage["gains"]) == {"withheld", "general"} and len(lineage["gains"]["general"]) == 12
    assert [one.folder for one in tuned_models()] == [result.model.resolve()]


def test_report_is_one_file_with_intervals_and_pictures_and_calls_nothing_better(run):
    _, result = run
    page = result.report.read_text()
    assert "http" not in page.replace("http-equiv", "") and "<script" not in page
    assert page.count("data:image/jpeg;base64,") >= 1
    assert "95 % interval" in page and "no certain difference" in page
    verdicts = {one.verdict for found in result.differences.values() for one in found}
    for word in ("better", "worse"):
        assert (f"<td>{word}</td>" in page) == (word in verdicts)


def test_same_request_is_taken_up_and_gives_the_same_and_another_one_is_refused(run, tiny_model, colours):
    request, result = run
    weights = (result.model / "model.safetensors").read_bytes()
    again = tune(request, Silence())
    assert (again.model / "model.safetensors").read_bytes() == weights
    assert again.differences == result.differences
    with pytest.raises(UsageError, match="differs in options"):
        tune(replace(request, options=replace(request.options, seed=1)), Silence())
    with pytest.raises(UsageError, match="differs in pairs"):
        tune(request_of_other(colours, tiny_model, request.folder), Silence())


def request_of_other(colours: Path, model: Path, folder: Path) -> TuneRequest:
    request = request_of(colours, model, folder)
    pairs = replace_first(request)
    return replace(request, pairs=pairs)


def replace_first(request: TuneRequest):
    pairs = read_pairs(request.pairs.good[0].image.parent / "pairs.jsonl")
    pairs.good[0] = replace(pairs.good[0], captions=("something else",))
    return pairs


def test_folder_with_other_files_and_too_few_pictures_are_refused_before_anything_is_done(
    tiny_model, colours, tmp_path
):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("x")
    with pytest.raises(UsageError, match="not an empty folder"):
        tune(request_of(colours, tiny_model, tmp_path / "mine"), Silence())
    request = request_of(colours, tiny_model, tmp_path / "few")
    few = replace(request, pairs=type(request.pairs)(request.pairs.good[:20], [], "JSONL"))
    with pytest.raises(UsageError, match="20 different pictures"):
        tune(few, Silence())
    assert not (tmp_path / "few" / "library").exists()


def test_run_killed_for_good_is_taken_up_to_the_same_bits(run, tiny_model, colours):
    """The command in a process of its own, which SIGKILL ends after its third step; its pictures are read already."""
    request, result = run
    weights = (result.model / "model.safetensors").read_bytes()
    for name in ("after.npz", "state.pt"):
        (request.folder / name).unlink()
    shutil.rmtree(result.model)
    program = (
        "import sys, imgsearch.tuning.pictures.prepare as prepare\n"
        f"vars(prepare).update({SMALL})\n"
        "from imgsearch.cli import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    arguments = [str(colours / "pairs.jsonl"), "--model", str(tiny_model), "--output", str(request.folder), "--quiet"]
    threads = str(torch.get_num_threads())
    died = subprocess.run(
        [sys.executable, "-c", program, "tune", *arguments, "--steps", "4", "--batch-size", "8"],
        env=os.environ | {"IMGSEARCH_CRASH_AT": "training-stepped:3", "OMP_NUM_THREADS": threads},
        capture_output=True,
        timeout=300,
    )
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert 1 <= torch.load(request.folder / "state.pt", weights_only=True)["step"] <= 3
    assert not result.model.exists()
    assert (tune(request, Silence()).model / "model.safetensors").read_bytes() == weights


def test_tuned_model_indexes_a_folder_and_answers(run, colours, tmp_path, capsys):
    _, result = run
    library, few = tmp_path / "library", tmp_path / "few"
    few.mkdir()
    for number in range(4):
        shutil.copy(colours / f"{number:02d}.png", few)
    assert main(["index", str(few), "--model", str(result.model), "--library", str(library), "--quiet"]) == 0
    capsys.readouterr()
    assert main(["search", "a star 2", "--library", str(library), "--json", "--all"]) == 0
    assert "02.png" in capsys.readouterr().out
    assert main(["stats", "--library", str(library), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["model"]["fingerprint"] == read_lineage(result.model)["fingerprint"]
