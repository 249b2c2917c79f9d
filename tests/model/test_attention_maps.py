"""Where the Q-Former looks: both engines against the shares that transformers' own plain attention reports."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from imgsearch.model import load_model, open_numpy
from imgsearch.model.contract import Explainer

TEXTS = ["boat", "red boat left of the tree", "", "snow of the red tree of the snow " * 6, "zebra"]


def noise(count: int, side: int) -> np.ndarray:
    return np.random.default_rng(side).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def reported(heavy, text: str, features) -> np.ndarray:
    """Of one pair, read alone and so never padded: [T, N - 1], from the attention that transformers records."""
    network = heavy.network
    (ids,) = heavy.tokenizer.encode([text], 32)
    network.qformer.config._attn_implementation = "eager"
    with torch.inference_mode():
        words = network.embeddings(input_ids=torch.tensor([ids]))
        found = network.qformer(
            query_embeds=torch.cat([network.query_tokens, words], dim=1),
            query_length=heavy.query_tokens,
            encoder_hidden_states=torch.as_tensor(features)[None],
            output_attentions=True,
        ).cross_attentions
    network.qformer.config._attn_implementation = "sdpa"
    kept = [layer[0].mean(dim=0) for layer in found if layer is not None][-2:]
    return torch.stack(kept).mean(dim=0)[:, 1:].numpy()


@pytest.mark.parametrize("changed", [{}, {"frequency": 1}, {"frequency": 3, "layers": 5}, {"layers": 1, "tokens": 1}])
def test_attention_is_what_transformers_reports(small, tmp_path, changed):
    small.write_directory(small.network(small.Sizes(**changed), seed=len(changed)), tmp_path)
    heavy, light = load_model(tmp_path, device="cpu"), open_numpy(tmp_path, "cpu")
    assert isinstance(heavy, Explainer) and isinstance(light, Explainer)
    features = light.encode_images(light.preprocess_arrays(noise(len(TEXTS), 40)))
    expected = np.stack([reported(heavy, text, one) for text, one in zip(TEXTS, features, strict=True)])
    for model in (heavy, light):
        found = np.asarray(model.attention_maps(TEXTS, features))
        assert found.dtype == np.float32 and found.shape == expected.shape
        assert np.abs(found - expected).max() < 1e-5
        assert (found > 0).all() and (found.sum(axis=2) < 1).all()  # the class token has the rest


def test_one_picture_for_all_texts_is_that_picture_with_each(directory):
    for model in (open_numpy(directory, "cpu"), load_model(directory, device="cpu")):
        features = np.asarray(model.encode_images(model.preprocess_arrays(noise(1, 40))))
        once = np.asarray(model.attention_maps(TEXTS, features))
        assert np.abs(once - np.asarray(model.attention_maps(TEXTS, features.repeat(5, axis=0)))).max() < 1e-6
        assert np.asarray(model.attention_maps([], features)).shape == (0, 5, 25)


def test_features_of_another_number_of_pictures_are_refused(directory):
    for model in (open_numpy(directory, "cpu"), load_model(directory, device="cpu")):
        features = model.encode_images(model.preprocess_arrays(noise(2, 40)))
        with pytest.raises(ValueError, match="5 texts and features of 2 images"):
            model.attention_maps(TEXTS, features)
