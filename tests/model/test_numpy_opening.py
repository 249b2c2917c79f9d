"""Which checkpoints the model without torch takes, which it leaves to torch, and what it says of a bad name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import try_to_load_from_cache
from safetensors.torch import load_file, save_file

from imgsearch.errors import CheckpointInvalid, ModelUnavailable, UsageError
from imgsearch.model import open_numpy
from imgsearch.model.checkpoints.resolve import cached_folder

GOLDEN = Path(__file__).parents[1] / "golden" / "lavis"


def test_what_needs_torch_is_left_to_it(directory, monkeypatch):
    assert open_numpy(GOLDEN / "blip2_tiny.pth", "cpu") is None
    assert open_numpy(directory, "cpu", dtype="bfloat16") is None
    assert open_numpy(directory, "cpu", image_size=41) is None  # load_model says what is wrong with it
    monkeypatch.setattr("imgsearch.model.runtimes.numpy.opening.resolve_device", lambda device, dtype: "cuda:0")
    assert open_numpy(directory, "cuda") is None


def test_a_cached_repository_is_found_where_hugging_face_finds_it(directory, own_cache):
    repository = own_cache / "hub" / "models--someone--small"
    (repository / "refs").mkdir(parents=True)
    assert cached_folder("someone/small") is None
    for commit in ("0ld", "c0ffee"):
        shutil.copytree(directory, repository / "snapshots" / commit)
    (repository / "refs" / "main").write_text("c0ffee")
    found = try_to_load_from_cache("someone/small", "config.json", cache_dir=own_cache / "hub")
    assert cached_folder("someone/small") == Path(found).parent == repository / "snapshots" / "c0ffee"
    light = open_numpy("someone/small", "cpu")
    assert light is not None and light.model_id.name == "someone/small"
    (repository / "refs" / "main").write_text("")
    assert cached_folder("someone/small") is None


def test_names_and_arguments_that_cannot_be_are_refused_as_ever(tmp_path):
    with pytest.raises(UsageError):
        open_numpy("mini", "tpu")
    with pytest.raises(ModelUnavailable):
        open_numpy("no-such-model", "cpu")
    with pytest.raises(CheckpointInvalid):
        open_numpy(tmp_path, "cpu")


def change_config(config):
    config["qformer_config"]["hidden_act"] = "relu"


def change_size(config):
    config["qformer_config"]["intermediate_size"] = 91


def list_sizes(config):
    config["vision_config"]["image_size"] = [40, 40]


def no_texts(config):
    config["qformer_config"].pop("use_qformer_text_input")


@pytest.mark.parametrize("change", [change_config, change_size, list_sizes, no_texts])
def test_an_unknown_architecture_is_left_to_torch(directory, tmp_path, change):
    shutil.copytree(directory, tmp_path / "model")
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    change(config)
    (tmp_path / "model" / "config.json").write_text(json.dumps(config))
    assert open_numpy(tmp_path / "model", "cpu") is None


@pytest.mark.parametrize("damage", ["missing", "integers"])
def test_weights_with_something_wrong_are_left_to_torch(directory, tmp_path, damage):
    shutil.copytree(directory, tmp_path / "model")
    state = load_file(tmp_path / "model" / "model.safetensors")
    if damage == "missing":
        del state["itm_head.bias"]
    else:
        state["itm_head.bias"] = state["itm_head.bias"].to(torch.int32)
    save_file(state, tmp_path / "model" / "model.safetensors")
    assert open_numpy(tmp_path / "model", "cpu") is None


def test_a_tensor_that_nobody_asks_for_is_no_matter(directory, tmp_path):
    shutil.copytree(directory, tmp_path / "model")
    state = load_file(tmp_path / "model" / "model.safetensors")
    state["embeddings.position_ids"] = torch.arange(40)[None]
    save_file(state, tmp_path / "model" / "model.safetensors")
    light = open_numpy(tmp_path / "model", "cpu")
    assert light is not None
    assert np.array_equal(light.embed_texts(["red"]), open_numpy(directory, "cpu").embed_texts(["red"]))


def test_weights_that_change_under_an_open_model_are_noticed(directory, tmp_path):
    shutil.copytree(directory, tmp_path / "model")
    light = open_numpy(tmp_path / "model", "cpu")
    light.embed_texts(["red"])
    weights = tmp_path / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"abcd")
    light.embed_texts(["red"])  # what was read stays
    with pytest.raises(ModelUnavailable, match="has changed"):
        light.encode_images(light.preprocess_arrays(np.zeros((1, 40, 40, 3), np.uint8)))
