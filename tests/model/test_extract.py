"""LAVIS's extract_features, against what salesforce-lavis 1.0.2 recorded of the same states."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from imgsearch.model.runtimes.torch.extract import extract_images, extract_pairs, extract_texts

GOLDEN = Path(__file__).parents[1] / "golden" / "lavis"
ABOUT = json.loads((GOLDEN / "about.json").read_text())


@pytest.fixture(scope="module")
def answers() -> Any:
    with np.load(GOLDEN / "lavis_answers.npz") as file:
        return {name: file[name] for name in file}


@pytest.fixture(scope="module")
def pixels() -> Any:
    from imgsearch.media.preprocess import resize_to_model

    return np.stack(
        [resize_to_model(Image.open(GOLDEN / "images" / name), ABOUT["size"]["image_size"]) for name in ABOUT["images"]]
    )


def test_image_mode_is_laviss_tokens(tiny: Any, pixels: Any, answers: Any) -> None:
    found = extract_images(tiny, pixels)
    assert np.abs(np.stack([one.embeds for one in found]) - answers["image_tokens"]).max() < 5e-5
    assert np.abs(np.stack([one.projected for one in found]) - answers["image_tokens_proj"]).max() < 1e-5


def test_text_mode_begins_with_laviss_cls_and_is_alone_what_it_is_in_company(tiny: Any, answers: Any) -> None:
    captions = ABOUT["captions"]
    found = extract_texts(tiny, captions)
    assert np.abs(np.stack([one.projected[0] for one in found]) - answers["text_proj_untruncated"]).max() < 1e-5
    for caption, one in zip(captions, found, strict=True):
        (alone,) = extract_texts(tiny, [caption])
        assert alone.embeds.shape == one.embeds.shape and len(alone.embeds) == len(alone.projected)
        assert np.abs(alone.embeds - one.embeds).max() < 5e-5
        assert np.allclose(np.linalg.norm(one.projected, axis=1), 1, atol=1e-5)


def test_pair_mode_is_what_laviss_matching_head_reads(tiny: Any, pixels: Any, answers: Any) -> None:
    import torch

    texts = [ABOUT["captions"][(place + 3) % 12] for place in range(12)]
    found = extract_pairs(tiny, pixels, texts)
    with torch.inference_mode():
        read = tiny.network.itm_head(torch.from_numpy(np.stack([one.embeds for one in found]))).mean(dim=1).numpy()
    short = [place for place, text in enumerate(texts) if tiny.count_tokens(text) <= 32]  # match_both cuts longer ones
    expected = np.stack([answers["itm_logits"][place, (place + 3) % 12] for place in range(12)])
    assert len(short) == 11 and np.abs(read - expected)[short].max() < 1e-4
    assert found[0].embeds.shape == (32, 128) and found[0].projected is None
