"""The model against transformers' own forward, and the promises of the contract."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from imgsearch.errors import NotEnoughMemory
from imgsearch.model import load_model

TEXTS = ["red boat left of the tree", "two", "", "snow of the red tree of the snow", "zebra's boat, red"]


@pytest.fixture(scope="module")
def model(directory):
    return load_model(directory, device="cpu")


@pytest.fixture(scope="module")
def pictures():
    noise = np.random.default_rng(3)
    return [Image.fromarray(noise.integers(0, 256, (37, 61, 3), dtype=np.uint8)) for _ in TEXTS]


@pytest.fixture(scope="module")
def features(model, pictures):
    return model.encode_images(model.preprocess(pictures))


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"frequency": 1, "tokens": 32, "dims": 256},
        {"frequency": 3, "layers": 5, "width": 128},
        {"layers": 1, "frequency": 1, "tokens": 1, "vit_layers": 1},
        {"qkv_bias": False, "layer_norm_eps": 1e-2, "hidden_act": "quick_gelu"},
        {"hidden_act": "gelu_new"},
    ],
)
def test_answers_equal_those_of_transformers_forward(small, tmp_path, pictures, changed):
    sizes = {name: value for name, value in changed.items() if name in vars(small.Sizes())}
    network = small.network(small.Sizes(**sizes), vision={k: v for k, v in changed.items() if k not in sizes})
    model = load_model(small.write_directory(network, tmp_path), device="cpu")
    pixels = model.preprocess(pictures)
    features, texts = model.encode_images(pixels), model.embed_texts(TEXTS)
    tokens = model.embed_features(features)
    for row, text in enumerate(TEXTS):
        ids = torch.tensor(model.tokenizer.encode([text], 32)).expand(len(pixels), -1)  # alone, so never padded
        asked = {"pixel_values": pixels, "input_ids": ids, "attention_mask": torch.ones_like(ids)}
        with torch.no_grad():
            itc = network(**asked)
            itm = network(**asked, use_image_text_matching_head=True).logits_per_image
        torch.testing.assert_close(tokens, itc.image_embeds, atol=1e-5, rtol=0)
        torch.testing.assert_close(texts[row], itc.text_embeds[0], atol=1e-5, rtol=0)
        both = model.match_both([text] * len(pictures), features)
        torch.testing.assert_close(both, itm, atol=1e-5, rtol=0)


def test_small_chunks_give_the_same_answers(model, features, monkeypatch):
    whole, tokens = model.match_both(TEXTS, features), model.embed_features(features)
    monkeypatch.setattr("imgsearch.model.runtime_profile._CPU_PAIR_BYTES", 1)
    torch.testing.assert_close(model.match_both(TEXTS, features), whole, atol=1e-5, rtol=0)
    torch.testing.assert_close(model.embed_features(features), tokens, atol=1e-5, rtol=0)


def test_a_text_never_runs_past_the_positions(model):
    long = model.embed_texts(["red " * 50], max_tokens=1000)  # 52 pieces, 40 positions
    torch.testing.assert_close(long, model.embed_texts(["red " * 50], max_tokens=40))
    assert model.count_tokens("red " * 50) == 52


def test_memory_running_out_is_our_own_error(model, features, monkeypatch):
    def fail(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(model, "_read_pairs", fail)
    with pytest.raises(NotEnoughMemory, match="ran out"):
        model.match_logits(TEXTS, features)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_is_close(directory, pictures, features, model, dtype):
    half = load_model(directory, device="cpu", dtype=dtype)
    tokens = half.embed_images(half.preprocess(pictures))
    assert tokens.dtype == torch.float32 and half.model_id.dtype == dtype
    cosine = (tokens * model.embed_features(features)).sum(-1)
    assert cosine.min() > 0.99
    assert half.match_logits(TEXTS, half.encode_images(half.preprocess(pictures))).dtype == torch.float32
