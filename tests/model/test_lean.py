"""Weights that stay in 16 bits, and parts that are read when they are needed: the same answers to the bit."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from imgsearch.errors import ModelUnavailable
from imgsearch.model import load_model, profile_for
from imgsearch.model.checkpoints.config import parse_sizes
from imgsearch.model.checkpoints.known import KNOWN
from imgsearch.model.checkpoints.resolve import find_source
from imgsearch.model.runtimes.choice import index_bytes
from imgsearch.model.runtimes.faithful import image_bytes, part_of
from imgsearch.model.runtimes.torch.layers import Linear
from imgsearch.model.runtimes.torch.weights import Filling

GOLDEN = Path(__file__).parents[1] / "golden"
LAVIS = [GOLDEN / "lavis" / "blip2_tiny.pth", GOLDEN / "lavis-vitl" / "blip2_tiny.pth"]
TEXTS = ["a red boat", "two trees left of the snow"]
VIT = "vision_model.encoder.layers"


def is_matrix(name, value):
    return value.ndim == 2 and ".layer" in name


@pytest.fixture(scope="module")
def narrow(directory, tmp_path_factory):
    """float32 on disk: a ViT of float16 values but for one number that no sample sees, one matrix of bfloat16 values, a
    key of the Q-Former that only float32 holds beside a query and a value of float16."""
    folder = Path(shutil.copytree(directory, tmp_path_factory.mktemp("lean") / "narrow"))
    state = load_file(folder / "model.safetensors")
    for name, value in state.items():
        if is_matrix(name, value):
            state[name] = value.half().float()
    state[f"{VIT}.0.mlp.fc1.weight"] = state[f"{VIT}.0.mlp.fc1.weight"].bfloat16().float()
    state[f"{VIT}.0.mlp.fc2.weight"].view(-1)[3 * 4000] = 1 / 3
    odd = torch.tensor([-0.0, 2.0**-24, 3 * 2.0**-24, 2.0**-14])  # all of them float16, three hardly
    state["qformer.encoder.layer.0.intermediate.dense.weight"].view(-1)[:4] = odd
    state["qformer.encoder.layer.0.attention.attention.key.weight"] += 1e-5
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def answers(model):
    pixels = np.random.default_rng(1).integers(0, 255, (3, model.image_size, model.image_size, 3), dtype=np.uint8)
    features = model.encode_images(model.preprocess_arrays(pixels))
    return [
        features,
        model.embed_features(features),
        model.embed_texts(TEXTS),
        model.match_both([TEXTS[0]] * 3, features),
        model.attention_maps(TEXTS[:1], features[:1]),
    ]


@pytest.mark.parametrize("purpose", ["index", "search"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_narrow_weights_answer_as_wide_ones(narrow, purpose, dtype):
    wide, lean = (load_model(narrow, "cpu", dtype, purpose=one) for one in ("any", purpose))
    for one, other in zip(answers(wide), answers(lean), strict=True):
        assert torch.equal(one, other) and one.dtype == other.dtype


@pytest.mark.parametrize("path", LAVIS, ids=["ViT-g", "ViT-L"])
def test_lavis_files_answer_the_same_for_every_purpose(path):
    first, *others = (answers(load_model(path, "cpu", purpose=purpose)) for purpose in ("any", "index", "search"))
    assert all(torch.equal(one, two) for other in others for one, two in zip(first, other, strict=True))


def test_weights_are_kept_in_the_smallest_dtype_that_holds_them(narrow):
    model = load_model(narrow, "cpu", purpose="index")
    model.parts.need("texts")
    kept = {name: one.weight.dtype for name, one in model.parts.named_modules() if isinstance(one, Linear)}
    assert kept["vision.blocks.1.mlp.fc1"] == kept["qformer.layers.0.text_forward.inner"] == torch.float16
    assert kept["vision.blocks.0.mlp.fc1"] == torch.bfloat16
    assert kept["vision.blocks.0.mlp.fc2"] == kept["qformer.layers.0.attention.qkv"] == torch.float32
    assert kept["qformer.layers.1.attention.qkv"] == torch.float16


def test_completed_networks_hold_the_numbers_of_the_file(narrow):
    slots = load_model(narrow, "cpu", purpose="search").slots()
    stored = load_file(narrow / "model.safetensors")
    assert all(slot.dtype == torch.float32 and torch.equal(slot, stored[name]) for name, slot in slots.items())


def test_bytes_of_images_are_what_an_index_run_holds(narrow):
    source = find_source(narrow)
    state = load_file(narrow / "model.safetensors")
    of_images = {name: value for name, value in state.items() if part_of(name) != "texts"}
    wide = {f"{VIT}.0.mlp.fc2.weight", "qformer.encoder.layer.0.attention.attention.key.weight"}
    narrow_numbers = sum(
        value.numel() for name, value in of_images.items() if is_matrix(name, value) and name not in wide
    )
    # One matrix passes for a narrow one in its samples, and parts of a fused weight are counted apart.
    expected = 4 * sum(value.numel() for value in of_images.values()) - 2 * narrow_numbers
    sizes = parse_sizes(source.config)
    hidden = 2 * state[f"{VIT}.0.mlp.fc2.weight"].numel()
    assert image_bytes(source, sizes) == expected - hidden


def test_promised_memory_falls_by_what_narrow_weights_save(narrow, directory):
    profile = profile_for(narrow, "cpu", "float32")
    own, of_floats = (index_bytes(KNOWN["blip2"], profile, find_source(folder)) for folder in (narrow, directory))
    assert of_floats == KNOWN["blip2"].memory_bytes == index_bytes(KNOWN["blip2"], profile, None)
    sizes = parse_sizes(find_source(narrow).config)
    assert of_floats - own == image_bytes(find_source(directory), sizes) - image_bytes(find_source(narrow), sizes) > 0


def test_texts_need_no_vit_and_images_no_words(narrow, monkeypatch):
    read = []
    reading = Filling.read
    monkeypatch.setattr(Filling, "read", lambda self, part: (read.append(part), reading(self, part))[1])
    model = load_model(narrow, "cpu", purpose="search")
    model.embed_texts(TEXTS)
    assert read == ["shared", "texts"]
    read.clear()
    model = load_model(narrow, "cpu", purpose="index")
    model.embed_images(torch.zeros(1, 3, model.image_size, model.image_size))
    assert sorted(read) == ["images", "shared", "vision"]
    model.embed_texts(TEXTS)
    model.embed_texts(TEXTS)
    assert len(read) == 4


@pytest.mark.parametrize("form", ["directory", "lavis"])
def test_a_file_that_changes_before_its_rest_is_read_is_told(narrow, tmp_path, form):
    if form == "directory":
        where = Path(shutil.copytree(narrow, tmp_path / "changing"))
        weights = where / "model.safetensors"
    else:
        weights = where = Path(shutil.copytree(LAVIS[0].parent, tmp_path / "changing")) / LAVIS[0].name
    model = load_model(where, "cpu", purpose="index")
    os.utime(weights, ns=(1, 1))
    with pytest.raises(ModelUnavailable, match="has changed"):
        model.embed_texts(TEXTS)


def test_stored_halves_stay_halves(narrow, tmp_path):
    folder = Path(shutil.copytree(narrow, tmp_path / "halves"))
    state = {name: value.half() for name, value in load_file(folder / "model.safetensors").items()}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    wide, lean = (load_model(folder, "cpu", "float32", purpose=purpose) for purpose in ("any", "index"))
    for one, other in zip(answers(wide), answers(lean), strict=True):
        assert torch.equal(one, other)
    kept = {one.weight.dtype for one in lean.parts.modules() if isinstance(one, Linear)}
    assert kept == {torch.float16}
