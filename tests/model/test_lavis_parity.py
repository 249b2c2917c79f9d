"""Answers of salesforce-lavis 1.0.2 itself, on the CPU in float32: with EVA's ViT and with CLIP's, by both runtimes."""

from __future__ import annotations

import json
import shutil
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from imgsearch.extras import has_extra
from imgsearch.model import export_directory, load_model, open_numpy, open_openvino
from imgsearch.model.runtimes.openvino.calibration import drawn_scenes
from imgsearch.model.runtimes.openvino.opening import make_export

GOLDEN = Path(__file__).parents[1] / "golden"
TOWERS = {"lavis": "eva_vit_g.pth", "lavis-vitl": "clip_vit_L.pth"}
CAPTIONS = json.loads((GOLDEN / "lavis" / "about.json").read_text())["captions"]
COUNT = len(CAPTIONS)


def far(ours, theirs) -> float:
    assert np.shape(ours) == np.shape(theirs)
    return float(np.abs(np.asarray(ours) - theirs).max())


def all_pairs(model, features):
    rows = list(product(range(COUNT), range(COUNT)))
    texts = [CAPTIONS[text] for _, text in rows]
    chosen = features[[image for image, _ in rows]]
    both = np.asarray(model.match_both(texts, chosen)).reshape(COUNT, COUNT, 2)
    assert far(model.match_logits(texts, chosen).reshape(COUNT, COUNT), both[..., 1]) < 1e-6
    odds = np.exp(both[..., 1]) / np.exp(both).sum(-1)
    assert far(model.match_probabilities(texts, chosen).reshape(COUNT, COUNT), odds) < 1e-5
    return both


@pytest.fixture(scope="module")
def pictures():
    names = sorted(path.name for path in (GOLDEN / "lavis" / "images").iterdir())
    return [Image.open(GOLDEN / "lavis" / "images" / name).convert("RGB") for name in names]


@pytest.fixture(scope="module", params=list(TOWERS))
def golden(request):
    return GOLDEN / request.param


@pytest.fixture(scope="module")
def answers(golden):
    return np.load(golden / "lavis_answers.npz")


@pytest.fixture(scope="module")
def whole(golden):
    return load_model(golden / "blip2_tiny.pth", device="cpu")


@pytest.fixture(scope="module")
def exported(whole, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    export_directory(whole, folder)
    return folder


def check_all(model, pictures, answers) -> None:
    pixels = model.preprocess(pictures)
    assert far(pixels, answers["pixel_values"]) < 1e-5
    features = model.encode_images(pixels)
    assert far(model.query_states(features), answers["image_tokens"]) < 5e-5
    tokens = model.embed_features(features)
    assert far(tokens, answers["image_tokens_proj"]) < 1e-5
    texts = model.embed_texts(CAPTIONS)
    assert far(texts, answers["text_proj"]) < 1e-5
    assert far(model.embed_texts(CAPTIONS, max_tokens=10_000), answers["text_proj_untruncated"]) < 1e-5
    itc = np.einsum("itd,qd->iqt", np.asarray(tokens), np.asarray(texts)).max(-1)
    assert far(itc, answers["itc"]) < 1e-5
    assert far(all_pairs(model, features), answers["itm_logits"]) < 1e-4


def test_the_whole_pth_answers_as_lavis_does(whole, pictures, answers):
    assert (whole.image_size, whole.query_tokens, whole.dims) == (56, 32, 256)
    check_all(whole, pictures, answers)


def test_an_exported_directory_answers_as_lavis_does(exported, pictures, answers):
    check_all(load_model(exported, device="cpu"), pictures, answers)


def test_the_numpy_runtime_answers_as_lavis_does(exported, pictures, answers):
    check_all(open_numpy(exported, device="cpu"), pictures, answers)


def test_a_pth_on_openvino_answers_as_lavis_does(golden, pictures, answers, tmp_path):
    """The Q-Former's weights lie beside the graphs: torch reads a .pth once, when it is exported."""
    if not has_extra("openvino"):
        pytest.skip("openvino is not installed")
    for name in ("blip2_tiny.pth", "vocab.txt"):
        shutil.copy(golden / name, tmp_path)
    make_export(tmp_path / "blip2_tiny.pth", "float32", None, lambda size: drawn_scenes(2, size))
    check_all(open_openvino(tmp_path / "blip2_tiny.pth", "cpu", "float32"), pictures, answers)


@pytest.fixture(scope="module")
def split(golden, tmp_path_factory):
    """The form in two files: the body is the whole one's."""
    folder = tmp_path_factory.mktemp("split")
    body = torch.load(golden / "blip2_tiny.pth", weights_only=True)["model"]
    body = {name: value for name, value in body.items() if not name.startswith("visual_encoder.")}
    torch.save({"model": body}, folder / "blip2_tiny.pth")
    for name in (f"split/{TOWERS[golden.name]}", "vocab.txt"):
        shutil.copy(golden / name, folder)
    return folder / "blip2_tiny.pth"


def test_the_split_form_answers_as_lavis_does(golden, split, pictures, tmp_path):
    answers = np.load(golden / "split" / "lavis_answers.npz")
    model = load_model(split, device="cpu", image_size=56)
    features = model.encode_images(model.preprocess(pictures))
    assert far(model.embed_features(features), answers["image_tokens_proj"]) < 1e-5
    assert far(all_pairs(model, features), answers["itm_logits"]) < 1e-4
    # The table at its own size, resized by NumPy.
    export_directory(load_model(split, device="cpu", image_size=84), tmp_path)
    resized = open_numpy(tmp_path, device="cpu", image_size=56)
    found = resized.encode_images(resized.preprocess(pictures))
    assert far(found, np.asarray(features)) < 5e-5


def test_the_split_form_is_read_at_224_pixels_when_nobody_says(split):
    model = load_model(split, device="cpu")
    assert (model.image_size, model.model_id.recipe) == (224, "v1-224")


def test_bfloat16_answers_nearly_as_lavis_does(golden, pictures, answers):
    model = load_model(golden / "blip2_tiny.pth", device="cpu", dtype="bfloat16")
    features = model.encode_images(model.preprocess(pictures))
    tokens, texts = np.asarray(model.embed_features(features)), np.asarray(model.embed_texts(CAPTIONS))
    assert far(np.einsum("itd,qd->iqt", tokens, texts).max(-1), answers["itc"]) < 4e-3
    # Of all 144 pairs at most .046 with EVA's ViT and .052 with CLIP's, most of it by the rounding of its weights.
    found = model.match_both(CAPTIONS, features)
    expected = answers["itm_logits"][range(COUNT), range(COUNT)]
    assert far(found, expected) < (5e-2 if golden.name == "lavis" else 6e-2)


def test_truncation_changes_the_long_caption_only(whole):
    short, long = np.asarray(whole.embed_texts(CAPTIONS)), np.asarray(whole.embed_texts(CAPTIONS, max_tokens=10_000))
    moved = np.abs(short - long).max(-1) > 1e-4
    assert moved.any()
    counts = [whole.count_tokens(caption) for caption in CAPTIONS]
    assert [bool(value) for value in moved] == [count > 32 for count in counts]
