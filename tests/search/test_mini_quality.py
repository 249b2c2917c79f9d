"""Regression bounds for the weights that ship, on scenes of a seed that training never drew. They lie under what these
weights reach, not at what the project aims for: the card (data/mini/README.md) lists both, and what is missed. Nothing
is asserted of relation twins or of ITM over ITC, where these weights do not do what is wanted."""

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
    found = evaluate(mini, load_pairs(path), k_test=1)["text_to_image"]["itc"]
    assert found["r1"] >= 65
    assert found["r10"] >= 95


def test_mini_tells_colour_and_count_twins_apart(mini, tmp_path):
    """Relation twins are at chance in the weights that ship: see the model's card."""
    path = write_set(make_set(120, seed=434343, twins=True), tmp_path / "set")
    twins = evaluate(mini, load_pairs(path), k_test=1)["twins"]
    assert twins["colour"]["itm"] >= 80
    assert twins["count"]["itm"] >= 85
