"""Our own network: its names on disk, its memory shared with transformers', and what starts without transformers."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from imgsearch.errors import CheckpointInvalid, ModelUnavailable, UsageError
from imgsearch.model import export_directory, load_model
from imgsearch.model.checkpoints.config import expected_shapes, published_sizes
from imgsearch.model.checkpoints.resolve import read_config
from imgsearch.model.runtimes.torch.network import Blip2Network

CLIP = Path(__file__).parents[1] / "golden" / "lavis-vitl" / "blip2_tiny.pth"


@pytest.mark.parametrize("clip", [False, True])
def test_slots_are_the_tensors_of_a_published_checkpoint(clip):
    sizes = published_sizes(clip=clip)
    with torch.device("meta"):
        network = Blip2Network(sizes)
    slots = network.slots()
    assert {name: tuple(slot.shape) for name, slot in slots.items()} == dict(expected_shapes(sizes))
    assert sum(slot.numel() for slot in slots.values()) == sum(one.numel() for one in network.parameters())
    assert all(slot.is_contiguous() for slot in slots.values())


def test_training_transformers_network_trains_the_model(directory, tmp_path):
    model = load_model(directory, device="cpu")
    before = model.embed_texts(["red boat"])
    network = model.network
    assert network is model.network
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "attention.attention.key" in name:
                parameter.mul_(3)
    assert np.abs(np.asarray(model.embed_texts(["red boat"]) - before)).max() > 1e-3
    export_directory(model, tmp_path)
    name = "qformer.encoder.layer.0.attention.attention.key.weight"
    kept = load_file(tmp_path / "model.safetensors")
    torch.testing.assert_close(kept[name], 3 * load_file(directory / "model.safetensors")[name])
    torch.testing.assert_close(
        load_model(tmp_path, device="cpu").embed_texts(["red boat"]), model.embed_texts(["red boat"])
    )


def test_a_vit_of_clips_kind_is_not_trained_and_not_for_transformers(tmp_path):
    from transformers import AutoConfig

    model = load_model(CLIP, device="cpu")
    with pytest.raises(UsageError, match="CLIP's ViT-L") as caught:
        _ = model.network
    assert caught.value.hint
    export_directory(model, tmp_path)
    assert read_config(tmp_path)["vision_config"]["pre_layer_norm"] is True
    with pytest.raises(
        ValueError, match="imgsearch-blip-2-clip"
    ):  # else the first norm would be passed over in silence
        AutoConfig.from_pretrained(tmp_path)


def test_a_file_that_changes_while_it_is_loaded_is_told(directory, tmp_path, monkeypatch):
    folder = Path(shutil.copytree(directory, tmp_path / "changing"))
    weights = folder / "model.safetensors"

    def change(*_):
        weights.write_bytes(weights.read_bytes() + b" ")

    monkeypatch.setattr("imgsearch.model.runtimes.torch.checkpoint.check_memory", change)
    with pytest.raises(ModelUnavailable, match="has changed"):
        load_model(folder, device="cpu")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vision_config": {"hidden_act": "mish"}}, "mish is no activation"),
        ({"qformer_config": {"use_qformer_text_input": False}}, "reads no text"),
        ({"vision_config": {"num_attention_heads": 5}}, "sizes"),
    ],
)
def test_a_config_that_is_not_computed_here_is_told(directory, tmp_path, change, message):
    folder = Path(shutil.copytree(directory, tmp_path / "other"))
    config = json.loads((folder / "config.json").read_text())
    for part, values in change.items():
        config[part] |= values
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointInvalid, match=message) as caught:
        load_model(folder, device="cpu")
    assert caught.value.hint


def test_a_search_with_torch_imports_no_transformers():
    program = f"""
import sys
from imgsearch.model import load_model
model = load_model({str(CLIP)!r}, "cpu")
features = model.encode_images(model.preprocess_arrays(__import__("numpy").zeros((1, 56, 56, 3), "uint8")))
model.embed_features(features), model.embed_texts(["a red boat"]), model.match_both(["a red boat"], features)
print(*sorted({{"transformers", "safetensors"}} & set(sys.modules)), sep=",")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
