"""Bounds for the weights that ship, on scenes of a seed that training never drew: what the project aims for, less what
the small size of these sets may take away: single mistakes weigh more."""

from __future__ import annotations

import pytest

from imgsearch.evaluation.pairs import load_pairs
from imgsearch.evaluation.retrieval import evaluate
from imgsearch.model import load_model
from imgsearch.scenes.dataset import make_set, write_set


@pytest.fixture(scope="module")
def mini():
    return load_model("mini", device="cpu")


def test_mini_is_a_blip2_with_32_tokens_of_256_dimensions(mini):
    assert (mini.query_tokens, mini.dims) == (32, 256)


def test_mini_finds_random_scenes_by_their_captions(mini, tmp_path):
    path = write_set(make_set(80, seed=424242), tmp_path / "set")
    found = evaluate(mini, load_pairs(path), k_test=1)["text_to_image"]["itc"]
    assert found["r1"] >= 88  # 95 measured
    assert found["r10"] >= 98


@pytest.mark.slow
def test_mini_tells_colour_count_and_relation_twins_apart(mini, tmp_path):
    path = write_set(make_set(60, seed=434343, twins=True), tmp_path / "set")
    result = evaluate(mini, load_pairs(path), k_test=6)
    twins = result["twins"]
    assert twins["colour"]["itm"] >= 97
    assert twins["count"]["itm"] >= 92
    assert twins["relation"]["itm"] >= 97
    assert result["text_to_image"]["itm"]["r1"] > result["text_to_image"]["itc"]["r1"]
