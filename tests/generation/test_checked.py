"""Checked captions: the candidate that the matching head believes most, whatever else is in the batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from imgsearch.errors import UsageError
from imgsearch.generation.checked import (
    ITM_WEIGHT,
    CaptionSettings,
    checked_captions,
    content_of_image,
    draw_candidates,
    features_of_images,
    image_seed,
    said_of,
)
from imgsearch.generation.contract import Caption, Captions


class ByLength:
    """Believes in long texts: a margin of as many logits as there are letters over twenty."""

    image_size = 8

    def preprocess_arrays(self, arrays: Any) -> Any:
        return arrays.astype(np.float32)

    def encode_images(self, pixels: Any) -> Any:
        return pixels.reshape(len(pixels), 8, -1)

    def match_both(self, texts: Sequence[str], features: Any) -> Any:
        assert len(texts) == len(features)
        return np.array([[0.0, len(text) - 20.0] for text in texts], np.float32)


@pytest.mark.parametrize("method", ["beams", "greedy", "nucleus"])
def test_kept_is_the_candidate_believed_most_in_any_company(
    generators: Any, images: list[Image.Image], method: str
) -> None:
    settings = CaptionSettings(method=method, seed=5, agreement=0.0)
    for generator in generators.values():
        together = checked_captions(generator, ByLength(), images[:3], settings)
        alone = [checked_captions(generator, ByLength(), [image], settings)[0] for image in images[:3]]
        assert together == alone
        seeds = [image_seed(content_of_image(image), 5) for image in images[:3]]
        for found, drawn in zip(together, draw_candidates(generator, images[:3], settings, seeds), strict=True):
            belief = {each.text: ITM_WEIGHT * (len(each.text) - 20) + each.likelihood for each in drawn}
            best_first = sorted(belief, key=lambda text: (len(text) < 20, -belief[text]))
            assert [each.text for each in found.candidates] == best_first
            assert found.text == found.candidates[0].text
            assert found.probability == pytest.approx(1 / (1 + np.exp(20.0 - len(found.text))))
            assert found.sure == (len(found.text) >= 20)


def test_candidates_are_the_beams_and_then_the_draws(opt: Any, images: list[Image.Image]) -> None:
    settings = CaptionSettings(beams_kept=2, draws=3)
    (texts,) = draw_candidates(opt, images[:1], settings, [7])
    beams = opt.caption(images[:1], num_captions=2)[0]
    drawn = opt.caption(images[:1], do_sample=True, num_captions=3, seed=[7])[0]
    assert [each.text for each in texts] == list(
        dict.fromkeys([*(one.text for one in beams), *(one.text for one in drawn)])
    )


@pytest.mark.parametrize("method", ["beams", "nucleus"])
def test_likelihood_is_the_sum_of_log_probabilities_whatever_the_penalty(
    opt: Any, images: list[Image.Image], method: str
) -> None:
    """Against the loss of the text, which is a mean over its ids, the start and the end included."""
    settings = CaptionSettings(method=method, draws=2, beams_kept=2, max_new_tokens=20, length_penalty=0.5)
    (drawn,) = draw_candidates(opt, images[:1], settings, [7])
    sums = {each.text: each.likelihood for each in drawn}
    lengths = {text: len(opt.tokenizer.encode(text)) + 1 for text in sums}
    losses = {text: opt.caption_loss(images[:1], [text]) * lengths[text] for text in sums}
    first, *others = sums
    for text in others:
        assert sums[first] - sums[text] == pytest.approx(losses[text] - losses[first], abs=1e-2)


class Saying:
    """Says these texts of every image, with these log-probabilities, whatever is asked of it."""

    def __init__(self, **texts: float) -> None:
        self.texts = {text.replace("_", " "): likelihood for text, likelihood in texts.items()}

    def caption(
        self, images: Sequence[Image.Image], *_given: Any, length_penalty: float, **_more: Any
    ) -> list[Captions]:
        said = [Caption(text, [5, 5], total / 3**length_penalty) for text, total in self.texts.items()]
        return [Captions.of(said) for _ in images]


def test_what_itm_takes_for_no_match_comes_last(images: list[Image.Image]) -> None:
    saying = Saying(a_cat=-1.0, a_cat_on_a_grey_house=-9.0, a_cat_above_a_grey_house=-11.0)
    for settings in (CaptionSettings(agreement=0.0), CaptionSettings(agreement=0.0, length_penalty=-1.0)):
        (found,) = checked_captions(saying, ByLength(), images[:1], settings)  # type: ignore[arg-type]
        assert [each.text for each in found.candidates] == [
            *("a cat on a grey house", "a cat above a grey house", "a cat"),
        ]


def test_caption_says_only_what_the_candidates_agree_on(images: list[Image.Image]) -> None:
    saying = Saying(a_cat_and_two_red_houses=-2.0, a_cat_and_three_red_houses=-4.0)
    (found,) = checked_captions(saying, ByLength(), images[:1])  # type: ignore[arg-type]
    assert found.text == "a cat and red houses" and found.sure
    assert found.probability == pytest.approx(1 / (1 + np.exp(-4.0)))  # of the whole, which has 24 letters
    assert [each.text for each in found.candidates[1:]] == ["a cat and two red houses", "a cat and three red houses"]
    (whole,) = checked_captions(saying, ByLength(), images[:1], CaptionSettings(agreement=0.0))  # type: ignore[arg-type]
    assert whole.candidates == found.candidates[1:]


def test_part_of_a_caption_is_as_likely_as_the_whole(images: list[Image.Image]) -> None:
    saying = Saying(a_cat_above_two_grey_houses=-2.0, a_cat_above_a_kite_there=-0.5)
    (found,) = checked_captions(saying, ByLength(), images[:1])  # type: ignore[arg-type]
    assert found.text == "a cat" and found.sure  # alone it has a margin of -15
    assert found.probability == found.candidates[1].probability == pytest.approx(1 / (1 + np.exp(-7.0)))


def test_unchecked_caption_is_what_the_generator_says(opt: Any, images: list[Image.Image]) -> None:
    said = [each.text for each in opt.caption(images[:2])]
    for matcher, settings in [(None, CaptionSettings()), (ByLength(), CaptionSettings(check=False))]:
        found = checked_captions(opt, matcher, images[:2], settings)
        assert [(each.text, each.probability, each.sure) for each in found] == [(text, None, True) for text in said]


def test_judge_decides_unless_a_threshold_is_given(opt: Any, images: list[Image.Image]) -> None:
    asked: list[tuple[str, float]] = []

    def judge(text: str, margin: float, features: Any) -> bool:
        asked.append((text, margin))
        return False

    found = checked_captions(opt, ByLength(), images[:1], judge=judge)[0]
    assert not found.sure and asked == [(found.text, len(found.text) - 20.0)]
    settings = CaptionSettings(threshold=0.0)
    assert checked_captions(opt, ByLength(), images[:1], settings, judge=judge)[0].sure


def test_known_features_give_the_same_as_the_pictures(opt: Any, tiny: Any, images: list[Image.Image]) -> None:
    known = features_of_images(tiny, images[:2])
    found = checked_captions(opt, tiny, images[:2], features=known)
    assert found == checked_captions(opt, tiny, images[:2])
    assert all(each.probability is not None and 0 <= each.probability <= 1 for each in found)


def test_seed_decides_what_is_drawn(opt: Any, images: list[Image.Image]) -> None:
    hot = CaptionSettings(method="nucleus", temperature=3.0, draws=6)
    first = checked_captions(opt, ByLength(), images[:3], hot)
    assert first == checked_captions(opt, ByLength(), images[:3], hot)
    assert first != checked_captions(opt, ByLength(), images[:3], replace(hot, seed=1))
    assert image_seed("a", 1) != image_seed("b", 1) and 0 <= image_seed("a", 1) < 2**62


def test_prompt_that_says_something_is_part_of_the_caption() -> None:
    assert said_of("a photo of", "a dog") == "a dog"
    assert said_of("A picture of two", "dogs") == "two dogs"
    assert said_of("the red", "ball") == "the red ball" and said_of("the red", "") == ""


@pytest.mark.parametrize(
    "wrong", [{"method": "best"}, {"draws": -1}, {"beams_kept": 0}, {"threshold": 1.5}, {"agreement": -1}]
)
def test_settings_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        CaptionSettings(**wrong)


def test_no_pictures_are_no_captions(opt: Any) -> None:
    assert checked_captions(opt, ByLength(), []) == []
