"""The model against transformers' own forward, and the promises of the contract."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from imgsearch.errors import NotEnoughMemory
from imgsearch.media.preprocess import resize_to_model
from imgsearch.model import load_model
from imgsearch.model.contract import Embedder, Matcher

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


def theirs(model, pixels, text, matching):
    """transformers' whole forward, one text at a time, so that nothing is padded."""
    ids = torch.tensor(model.tokenizer.encode([text], 32))
    with torch.no_grad():
        return model.network(
            pixel_values=pixels,
            input_ids=ids.expand(len(pixels), -1),
            attention_mask=torch.ones(len(pixels), ids.shape[1], dtype=torch.long),
            use_image_text_matching_head=matching,
        )


def test_answers_equal_those_of_transformers_forward(model, pictures, features):
    pixels = model.preprocess(pictures)
    tokens, texts = model.embed_features(features), model.embed_texts(TEXTS)
    for row, text in enumerate(TEXTS):
        itc = theirs(model, pixels, text, matching=False)
        torch.testing.assert_close(tokens, itc.image_embeds, atol=1e-5, rtol=0)
        torch.testing.assert_close(texts[row], itc.text_embeds[0], atol=1e-5, rtol=0)
        itm = theirs(model, pixels, text, matching=True).logits_per_image
        both = model.match_both([text] * len(pictures), features)
        torch.testing.assert_close(both, itm, atol=1e-5, rtol=0)


def test_padding_changes_nothing(model, features):
    together = model.embed_texts(TEXTS)
    alone = torch.cat([model.embed_texts([text]) for text in TEXTS])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)
    pairs = model.match_logits(TEXTS, features)
    singly = torch.cat([model.match_logits([text], features[row : row + 1]) for row, text in enumerate(TEXTS)])
    torch.testing.assert_close(pairs, singly, atol=1e-5, rtol=0)


def test_small_chunks_give_the_same_answers(model, features, monkeypatch):
    whole, tokens = model.match_both(TEXTS, features), model.embed_features(features)
    monkeypatch.setattr("imgsearch.model.runtime_profile._CPU_PAIR_BYTES", 1)
    torch.testing.assert_close(model.match_both(TEXTS, features), whole, atol=1e-5, rtol=0)
    torch.testing.assert_close(model.embed_features(features), tokens, atol=1e-5, rtol=0)


def test_vectors_are_unit_float32_on_the_cpu(model, features):
    tokens, texts = model.embed_features(features), model.embed_texts(TEXTS)
    assert (tuple(tokens.shape), tuple(texts.shape)) == ((5, 5, 24), (5, 24))
    for vectors in (tokens, texts):
        assert vectors.dtype == torch.float32 and vectors.device.type == "cpu"
        assert np.abs(np.linalg.norm(np.asarray(vectors), axis=-1) - 1).max() < 1e-6


def test_arrays_from_decode_workers_give_the_same_pixels(model, pictures):
    arrays = np.stack([resize_to_model(picture, model.image_size) for picture in pictures])
    arrays.flags.writeable = False  # as from shared memory
    torch.testing.assert_close(model.preprocess_arrays(arrays), model.preprocess(pictures))


def test_features_kept_as_numpy_go_back_in(model, features):
    kept = np.asarray(features).astype(np.float16)
    kept.flags.writeable = False
    close = {"atol": 2e-2, "rtol": 0}
    torch.testing.assert_close(model.match_logits(TEXTS, kept), model.match_logits(TEXTS, features), **close)
    torch.testing.assert_close(model.embed_features(kept), model.embed_features(features), **close)


def test_nothing_in_gives_nothing_out(model):
    pixels = model.preprocess([])
    assert tuple(pixels.shape) == (0, 3, 40, 40)
    empty = model.encode_images(pixels)
    assert tuple(empty.shape) == (0, 26, 264)
    assert tuple(model.embed_features(empty).shape) == (0, 5, 24)
    assert tuple(model.embed_texts([]).shape) == (0, 24)
    assert tuple(model.match_probabilities([], empty).shape) == (0,)


def test_a_text_never_runs_past_the_positions(model):
    long = model.embed_texts(["red " * 50], max_tokens=1000)  # 52 pieces, 40 positions
    torch.testing.assert_close(long, model.embed_texts(["red " * 50], max_tokens=40))
    assert model.count_tokens("red " * 50) == 52


def test_wrong_arguments_are_named(model, features):
    with pytest.raises(ValueError, match=r"\[1, 3, 30, 30\], expected \[B, 3, 40, 40\]"):
        model.encode_images(torch.zeros(1, 3, 30, 30))
    with pytest.raises(ValueError, match=r"expected \[B, 26, 264\]"):
        model.embed_features(features[:, :7])
    with pytest.raises(ValueError, match="2 texts and features of 5 images"):
        model.match_logits(["red", "boat"], features)
    with pytest.raises(TypeError, match="one string"):
        model.embed_texts("red boat")
    with pytest.raises(ValueError, match="expected uint8"):
        model.preprocess_arrays(np.zeros((1, 40, 40, 3), np.float32))


def test_memory_running_out_is_our_own_error(model, features, monkeypatch):
    def fail(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(model, "_read_pairs", fail)
    with pytest.raises(NotEnoughMemory, match="ran out"):
        model.match_logits(TEXTS, features)


def test_the_model_keeps_the_contract(model):
    assert isinstance(model, Embedder) and isinstance(model, Matcher)
    assert (model.device, model.dtype, model.image_size, model.query_tokens, model.dims) == (
        "cpu",
        "float32",
        40,
        5,
        24,
    )


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_is_close(directory, pictures, features, model, dtype):
    half = load_model(directory, device="cpu", dtype=dtype)
    tokens = half.embed_images(half.preprocess(pictures))
    assert tokens.dtype == torch.float32 and half.model_id.dtype == dtype
    cosine = (tokens * model.embed_features(features)).sum(-1)
    assert cosine.min() > 0.99
    assert half.match_logits(TEXTS, half.encode_images(half.preprocess(pictures))).dtype == torch.float32
