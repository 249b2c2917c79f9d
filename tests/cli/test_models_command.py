from __future__ import annotations

import json

import pytest

from imgsearch.cli.main import main
from imgsearch.model.checkpoints.pull import wanted_files


@pytest.fixture(autouse=True)
def empty_caches(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path


def test_the_list_tells_what_each_model_needs(capsys):
    assert main(["models"]) == 0
    table = capsys.readouterr().out
    for expected in ("mini", "blip2-coco", "not here", "4.7 GB", "224", "364", "imgsearch models pull blip2"):
        assert expected in table


def test_the_list_tells_what_would_run_here(capsys, monkeypatch):
    monkeypatch.setattr("imgsearch.model.runtimes.costs.available_cores", lambda: 2)
    monkeypatch.setattr("imgsearch.model.checkpoints.identity._nvidia_driver", lambda: False)
    monkeypatch.setattr("imgsearch.model.runtimes.costs.known_rates", dict)  # as before a probe
    monkeypatch.setenv("IMGSEARCH_MASK_CPU", "all")
    assert main(["models", "--json"]) == 0
    mini, blip2, coco, vitl = (row["here"] for row in json.loads(capsys.readouterr().out))
    assert (mini["runtime"], mini["device"], mini["batch_size"], mini["images_without_torch"]) == (
        "numpy",
        "cpu",
        32,
        128,
    )
    assert (blip2["rerank"], round(blip2["image_seconds"], 1)) == (16, 4.2)
    assert 2.5 < coco["image_seconds"] / blip2["image_seconds"] < 3
    assert vitl["runtime"] == "torch"  # LAVIS's own files
    assert (round(vitl["image_gflop"]), round(vitl["weight_bytes"] / 1e8)) == (166, 19)
    main(["models"])
    assert "here: cpu, float32, NumPy to search, torch to index; about 4.2 s a picture;" in capsys.readouterr().out


def test_the_list_as_json(capsys):
    assert main(["models", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert list(rows) == ["mini", "blip2", "blip2-coco", "blip2-vitl"]
    assert (rows["blip2"]["state"], rows["blip2"]["path"]) == ("not here", None)
    assert rows["blip2-coco"]["image_size"] == 364


def test_a_half_downloaded_model_is_shown_as_such(capsys, empty_caches):
    repository = empty_caches / "hub" / "models--Salesforce--blip2-itm-vit-g"
    snapshot = repository / "snapshots" / "c0ffee"
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("c0ffee")
    (snapshot / "config.json").write_text('{"model_type": "blip-2"}')
    main(["models", "--json"])
    row = json.loads(capsys.readouterr().out)[1]
    assert (row["name"], row["state"]) == ("blip2", "incomplete")


def test_pulling_a_wrong_name_is_told(capsys):
    assert main(["models", "pull", "bilp2"]) == 2
    assert "no model named 'bilp2'" in capsys.readouterr().err


def test_pulling_what_ships_is_told(capsys):
    assert main(["models", "pull", "mini"]) == 2
    assert "ships with imgsearch" in capsys.readouterr().err


def test_pulling_without_a_network_fails_at_once_with_advice(capsys, monkeypatch):
    def refuse(*_, **__):
        raise ConnectionError("no route to host")

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", refuse)
    assert main(["models", "pull", "blip2"]) == 4
    told = capsys.readouterr().err
    assert "does not answer" in told and "imgsearch models pull blip2" in told and "Traceback" not in told


def test_only_what_a_load_reads_is_fetched():
    repository = [
        ".gitattributes", "README.md", "config.json", "model-00001-of-00002.safetensors", "onnx/model.safetensors",
        "model-00002-of-00002.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "tokenizer.json",
        "vocab.txt",
    ]  # fmt: skip
    assert wanted_files(repository) == [
        "config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
        "model.safetensors.index.json", "tokenizer.json", "vocab.txt",
    ]  # fmt: skip
    assert wanted_files(["config.json", "pytorch_model.bin"]) == ["config.json", "pytorch_model.bin"]
