"""Answers of salesforce-lavis 1.0.2 itself, on the CPU in float32."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imgsearch.model import export_directory, load_model

GOLDEN = Path(__file__).parents[1] / "golden" / "lavis"
ABOUT = json.loads((GOLDEN / "about.json").read_text())
CAPTIONS = ABOUT["captions"]
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
    return [Image.open(GOLDEN / "images" / name).convert("RGB") for name in ABOUT["images"]]


@pytest.fixture(scope="module")
def answers():
    return np.load(GOLDEN / "lavis_answers.npz")


@pytest.fixture(scope="module")
def whole():
    return load_model(GOLDEN / "blip2_tiny.pth", device="cpu")


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


def test_an_exported_directory_answers_as_lavis_does(whole, pictures, answers, tmp_path):
    export_directory(whole, tmp_path / "exported")
    check_all(load_model(tmp_path / "exported", device="cpu"), pictures, answers)


def test_the_split_form_answers_as_lavis_does(pictures):
    answers = np.load(GOLDEN / "split" / "lavis_answers.npz")
    model = load_model(GOLDEN / "split" / "blip2_tiny.pth", device="cpu", image_size=56)
    features = model.encode_images(model.preprocess(pictures))
    assert far(model.embed_features(features), answers["image_tokens_proj"]) < 1e-5
    assert far(all_pairs(model, features), answers["itm_logits"]) < 1e-4


def test_the_split_form_is_read_at_224_pixels_when_nobody_says():
    model = load_model(GOLDEN / "split" / "blip2_tiny.pth", device="cpu")
    assert (model.image_size, model.model_id.recipe) == (224, "v1-224")


def test_truncation_changes_the_long_caption_only(whole):
    short, long = np.asarray(whole.embed_texts(CAPTIONS)), np.asarray(whole.embed_texts(CAPTIONS, max_tokens=10_000))
    moved = np.abs(short - long).max(-1) > 1e-4
    assert moved.any()
    counts = [whole.count_tokens(caption) for caption in CAPTIONS]
    assert [bool(value) for value in moved] == [count > 32 for count in counts]
