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
    CaptionSettings,
    checked_captions,
    draw_candidates,
    features_of_images,
    image_seed,
    said_of,
)


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
    settings = CaptionSettings(method=method, seed=5)
    for generator in generators.values():
        together = checked_captions(generator, ByLength(), images[:4], settings)
        alone = [checked_captions(generator, ByLength(), [image], settings)[0] for image in images[:4]]
        assert together == alone
        for found in together:
            longest = max(len(each.text) for each in found.candidates)
            assert len(found.text) == longest and found.text == found.candidates[0].text
            assert found.probability == pytest.approx(1 / (1 + np.exp(20.0 - longest)))
            assert found.sure == (longest >= 20)


def test_candidates_are_the_beams_and_then_the_draws(opt: Any, images: list[Image.Image]) -> None:
    settings = CaptionSettings(beams_kept=2, draws=3)
    (texts,) = draw_candidates(opt, images[:1], settings, [7])
    beams = opt.caption(images[:1], num_captions=2)[0]
    drawn = opt.caption(images[:1], do_sample=True, num_captions=3, seed=[7])[0]
    assert texts == list(dict.fromkeys([*(one.text for one in beams), *(one.text for one in drawn)]))


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


@pytest.mark.parametrize("wrong", [{"method": "best"}, {"draws": -1}, {"beams_kept": 0}, {"threshold": 1.5}])
def test_settings_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        CaptionSettings(**wrong)


def test_no_pictures_are_no_captions(opt: Any) -> None:
    assert checked_captions(opt, ByLength(), []) == []
