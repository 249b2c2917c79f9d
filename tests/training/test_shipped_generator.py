"""The generator that ships tells the truth of scenes that it was not trained on; the full figures are measured by
benchmarks/generator_quality.py, these are loosened for forty scenes."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from imgsearch.generation import load_generator
from imgsearch.generation.sources import find_generator
from imgsearch.model import load_model
from imgsearch.scenes.draw import draw_scene
from imgsearch.scenes.graph import Domain, Scene, sample_scene
from imgsearch.scenes.measure import answer_figures, caption_figures
from imgsearch.scenes.questions import QUESTION_KINDS, ask

SCENES = 40
BEAMS, DRAWN = 3, 4  # as `imgsearch caption` has them
MOST_BYTES = 24 * 2**20  # that the generator may add to the wheel


@pytest.fixture(scope="module")
def generator() -> Any:
    return load_generator("mini", device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    rng = random.Random("shipped generator")
    return [sample_scene(rng, Domain()) for _ in range(SCENES)]


@pytest.fixture(scope="module")
def pictures(scenes: list[Scene]) -> list[Image.Image]:
    return [draw_scene(scene)[0] for scene in scenes]


def test_shipped_generator_names_objects_and_colours_that_are_there(
    generator: Any, scenes: list[Scene], pictures: list[Image.Image]
) -> None:
    figures = caption_figures([one.text for one in generator.caption(pictures, num_beams=1)], scenes)
    assert figures["object and colour"] >= 85, figures


def test_shipped_generator_goes_on_from_a_prompt(generator: Any, pictures: list[Image.Image]) -> None:
    captions = generator.caption(pictures[:8], prompt="a photo of", num_beams=1)
    assert all(one.text.split(" ")[0] in ("a", "an", "one", "two", "three", "four") for one in captions), captions


def test_shipped_generator_is_mostly_right_when_itm_chooses(
    generator: Any, scenes: list[Scene], pictures: list[Image.Image]
) -> None:
    judge = load_model("mini", device="cpu", dtype="float32")
    beams = generator.caption(pictures, num_captions=BEAMS)
    drawn = generator.caption(pictures, do_sample=True, num_captions=DRAWN, seed=1)
    features = judge.encode_images(judge.preprocess(pictures)).repeat_interleave(BEAMS + DRAWN, dim=0)
    texts = [[one.text for one in (*some, *others)] for some, others in zip(beams, drawn, strict=True)]
    logits = np.asarray(judge.match_logits([text for of_image in texts for text in of_image], features))
    places = logits.reshape(-1, BEAMS + DRAWN).argmax(1)
    chosen = [of_image[int(place)] for of_image, place in zip(texts, places, strict=True)]
    assert caption_figures(chosen, scenes)["all true"] >= 70


def test_shipped_generator_answers_questions_of_every_kind(
    generator: Any, scenes: list[Scene], pictures: list[Image.Image]
) -> None:
    rng = random.Random("shipped generator's questions")
    questions = [ask(scene, kind, rng) for scene in scenes for kind in QUESTION_KINDS]
    asked = [picture for picture in pictures for _ in QUESTION_KINDS]
    answers = generator.answer(asked, [question.text for question in questions], num_beams=1)
    figures = answer_figures(questions, [answer.text for answer in answers])
    assert figures["all"] >= 80 and min(figures.values()) >= 70, figures


def test_shipped_generator_is_small_and_says_how_it_was_made() -> None:
    folder = Path(find_generator("mini").path)
    assert sum(path.stat().st_size for path in folder.iterdir()) < MOST_BYTES
    assert "python -m imgsearch.training.generator.recipe" in (folder / "README.md").read_text(encoding="utf-8")
    assert json.loads((folder / "processor_config.json").read_text())["num_query_tokens"] == 32
