"""Heat maps: against boxes of drawn scenes, a sum written out by hand, and the other engine."""

from __future__ import annotations

import random
import string

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgsearch.model import load_model, open_numpy
from imgsearch.model.text import clean_text
from imgsearch.scenes.captions import any_statement, say
from imgsearch.scenes.draw import draw_scene
from imgsearch.scenes.graph import Domain, sample_scene
from imgsearch.scenes.vocabulary import noun_of
from imgsearch.search.features.heatmap import MAX_WORDS, content_words, heat_map

SIDE, TOKENS, DIMS = 3, 4, 6


class Dice:
    """Attention, tokens and texts drawn from the words themselves; a text's vectors do not depend on its company."""

    def attention_maps(self, texts, features):
        assert features.shape == (1, *ANY.shape)
        looks = [np.random.default_rng(list(text.encode())).random((TOKENS, SIDE * SIDE)) for text in texts]
        return np.array(looks, np.float32).reshape(-1, TOKENS, SIDE * SIDE)

    def embed_features(self, features):
        return self._unit(np.random.default_rng(9).normal(size=(1, TOKENS, DIMS)))

    def embed_texts(self, texts):
        return self._unit([np.random.default_rng([7, *text.encode()]).normal(size=DIMS) for text in texts])

    def _unit(self, rows):
        rows = np.array(rows, np.float32)
        return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


ANY = np.zeros((SIDE * SIDE + 1, 5), np.float32)


def by_hand(model, word: str) -> np.ndarray:
    tokens, (vector, empty) = model.embed_features(ANY[None])[0], model.embed_texts([word, ""])
    looks = model.attention_maps([word], ANY[None])[0]
    agreement = [sum(float(a) * float(b - c) for a, b, c in zip(token, vector, empty, strict=True)) for token in tokens]
    mean = sum(agreement) / TOKENS
    map_ = [0.0] * SIDE**2
    for token in range(TOKENS):
        for patch in range(SIDE**2):
            map_[patch] += max(agreement[token] - mean, 0) ** 2 * float(looks[token, patch])
    return np.array([(value - min(map_)) / (max(map_) - min(map_)) for value in map_]).reshape(SIDE, SIDE)


@given(st.lists(st.text(string.ascii_lowercase, min_size=3, max_size=8), min_size=1, max_size=3))
def test_map_is_what_the_agreeing_tokens_look_at(words):
    found = heat_map(Dice(), " ".join(words), ANY)
    assert found.words == content_words(" ".join(words)) and found.grids.dtype == np.float32
    for word, grid in zip(found.words, found.grids, strict=True):
        assert np.abs(grid - by_hand(Dice(), word)).max() < 1e-4


class Even(Dice):
    """Every token alike, every patch alike."""

    def attention_maps(self, texts, features):
        return np.full((len(texts), TOKENS, SIDE * SIDE), 0.1, np.float32)

    def embed_features(self, features):
        return np.full((1, TOKENS, DIMS), DIMS**-0.5, np.float32)


def test_map_is_nought_when_every_patch_is_looked_at_alike():
    assert (heat_map(Even(), "boat", ANY).grids == np.zeros((1, SIDE, SIDE))).all()


def test_text_without_words_has_no_map():
    found = heat_map(Dice(), " .!* ", ANY)
    assert found.words == () and found.grids.shape == (0, SIDE, SIDE)


def test_features_of_a_batch_are_refused():
    with pytest.raises(ValueError, match=r"\[1, 10, 5\], expected \[N, W\]"):
        heat_map(Dice(), "boat", ANY[None])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A photo of two Red boats, on the SEA!", ("red", "boats", "sea")),
        ("red boat under the red kite", ("red", "boat", "kite")),
        ("a t-shirt (blue) and the dog's \u201cball\u201d?", ("t-shirt", "blue", "dog's", "ball")),
        ("to the left of", ("to", "the", "left", "of")),
        ("--- , ?", ()),
        ("猫", ("猫",)),
    ],
)
def test_content_words_are_those_that_a_picture_can_show(text, words):
    assert content_words(text) == words


@given(st.text())
def test_content_words_are_few_different_and_of_the_text(text):
    words = content_words(text)
    assert len(words) == len(set(words)) <= MAX_WORDS
    assert all(word and word in clean_text(text) for word in words)


@pytest.fixture(scope="module")
def mini():
    return open_numpy("mini", "cpu")


def features_of(model, scene):
    picture, boxes = draw_scene(scene)
    return np.asarray(model.encode_images(model.preprocess([picture])))[0], boxes


def test_peak_lies_in_the_named_things_box_for_seven_words_of_ten(mini):
    rng, found = random.Random("peaks"), []
    for _ in range(40):
        scene = sample_scene(rng, Domain())
        statement = any_statement(scene, rng)
        features, boxes = features_of(mini, scene)
        maps = heat_map(mini, say(statement, rng.getrandbits(32)), features)
        for mention in statement.mentions:
            group = [one.kind for one in scene.groups].index(mention.kind)
            (named,) = {word for pair in noun_of(mention.kind).words for word in pair} & set(maps.words)
            grid = maps.grids[maps.words.index(named)]
            row, column = np.unravel_index(grid.argmax(), grid.shape)
            x, y = (column + 0.5) / grid.shape[1], (row + 0.5) / grid.shape[0]
            found.append(any(b.group == group and b.x0 <= x <= b.x1 and b.y0 <= y <= b.y1 for b in boxes))
    assert len(found) > 40
    assert np.mean(found) >= 0.7, f"{sum(found)} of {len(found)}"


def test_both_engines_draw_the_same_maps(mini):
    heavy = load_model("mini", device="cpu")
    scene = sample_scene(random.Random(4), Domain())
    text = "two butterflies, a zebra's Boat and a photographer in the snow"  # words of several pieces, words unknown
    light_maps = heat_map(mini, text, features_of(mini, scene)[0])
    heavy_maps = heat_map(heavy, text, features_of(heavy, scene)[0])
    assert light_maps.words == heavy_maps.words == ("butterflies", "zebra's", "boat", "photographer", "snow")
    assert np.abs(light_maps.grids - heavy_maps.grids).max() < 1e-3
    assert light_maps.grids.min() == 0 and (light_maps.grids.max(axis=(1, 2)) == 1).all()


def test_words_around_it_do_not_move_a_words_map(mini):
    features, _ = features_of(mini, sample_scene(random.Random(5), Domain()))
    alone = heat_map(mini, "boat", features).grids[0]
    maps = heat_map(mini, "two little butterflies over a boat", features)
    assert np.abs(maps.grids[maps.words.index("boat")] - alone).max() < 1e-4
