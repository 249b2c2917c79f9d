"""The model that ships, on scenes of a seed that training never drew. The bounds lie under what benchmarks/quality.py
measured on sets of 1,000 (see data/mini/README.md), by the spread that sets of this size show."""

from __future__ import annotations

import pytest

from imgsearch.model import load_model
from imgsearch.scenes.dataset import make_set, write_set
from imgsearch.search.evaluation import evaluate
from imgsearch.search.pairs import load_pairs


@pytest.fixture(scope="module")
def mini():
    return load_model("mini", device="cpu")


def test_mini_is_a_blip2_with_32_tokens_of_256_dimensions(mini):
    assert (mini.query_tokens, mini.dims) == (32, 256)


def test_mini_finds_random_scenes_by_their_captions(mini, tmp_path):
    path = write_set(make_set(250, seed=424242), tmp_path / "set")
    found = evaluate(mini, load_pairs(path), k_test=4)["text_to_image"]
    assert found["itc"]["r1"] >= 70
    assert found["itc"]["r10"] >= 97


def test_mini_tells_twins_apart_and_matching_beats_similarity(mini, tmp_path):
    path = write_set(make_set(120, seed=434343, twins=True), tmp_path / "set")
    found = evaluate(mini, load_pairs(path), k_test=8)
    twins = found["twins"]
    assert twins["colour"]["itm"] >= 90
    assert twins["count"]["itm"] >= 75
    assert twins["relation"]["itm"] >= 75
    assert found["text_to_image"]["itm"]["r1"] >= found["text_to_image"]["itc"]["r1"] + 5
