"""What the small generator reaches on scenes of a seed that training never drew: captions and answers that are true.

    python benchmarks/generator_quality.py [--generator mini] [--judge mini] [--seed 40713] [--count 500] [--quick]

The tables go into RESULTS.md and, of the generator that ships, into its model card.

Captions are written greedily, by five beams, drawn once, chosen by ITM alone among five beams and six drawn, and
checked as `imgsearch caption` does it, without and with shortening. "Object and colour": they name an object that is in
the scene with its colour; "all true": nothing that they say is false by the scene graph; "claims": how many things they
say. Five questions a scene, one of each kind, are answered greedily. The check was tuned on seed 66601, never on 40713.
"""

from __future__ import annotations

import argparse
import random
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import Image
from results import add_flags, markdown_table, write_copy, write_section, writes

from imgsearch.generation import load_generator
from imgsearch.generation.checked import CaptionSettings, checked_captions, features_of_images
from imgsearch.generation.sources import find_generator
from imgsearch.model import load_model
from imgsearch.scenes.draw import draw_scene
from imgsearch.scenes.graph import Domain, Scene, sample_scene
from imgsearch.scenes.measure import answer_figures, caption_figures
from imgsearch.scenes.questions import QUESTION_KINDS, ask
from imgsearch.scenes.truth import ASPECTS, true_of

TITLE = "Quality of the small generator on unseen scenes (benchmarks/generator_quality.py)"
_BATCH = 50


@dataclass(frozen=True, slots=True)
class Withheld:
    """Scenes and their pictures, of a seed of their own."""

    scenes: list[Scene]
    pictures: list[Image.Image]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generator", default="mini")
    parser.add_argument("--judge", default="mini", help="the retrieval model whose ITM chooses")
    parser.add_argument("--seed", type=int, default=40713)
    parser.add_argument("--count", type=int, default=500)
    add_flags(parser)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.count = 20
    held = withheld(arguments.seed, arguments.count)
    generator = load_generator(arguments.generator, device="cpu", dtype="float32")
    judge = load_model(arguments.judge, device="cpu", dtype="float32")
    lines = caption_table(generator, judge, held)
    lines += ["", *answer_table(generator, held, arguments.seed)]
    lines += [
        "",
        f"{arguments.count} scenes of seed {arguments.seed}, generator {arguments.generator}, judge {arguments.judge}; "
        "drawing: top_p 0.9 at temperature 1.",
    ]
    print("\n".join(lines))
    if writes(arguments):
        write_section(TITLE, lines)
        if arguments.generator == "mini":
            write_copy(find_generator("mini").path / "README.md", "generator_quality", lines)


def withheld(seed: int, count: int) -> Withheld:
    """So many scenes that training never drew, whatever their colour-object pairs."""
    rng = random.Random(f"generator quality:{seed}")
    scenes = [sample_scene(rng, Domain()) for _ in range(count)]
    return Withheld(scenes, [draw_scene(scene)[0] for scene in scenes])


def caption_table(generator: Any, judge: Any, held: Withheld) -> list[str]:
    """A row for each way of writing: per cent of captions, then of claims by their aspect."""
    made = [
        part
        for start in range(0, len(held.scenes), _BATCH)
        for part in ways_of(generator, judge, held.pictures[start : start + _BATCH], start)
    ]
    rows: list[list[object]] = []
    for way in made[0]:
        captions = [of_picture[way].text for of_picture in made]
        figures = caption_figures(captions, held.scenes)
        claims = np.mean([len(true_of(*pair).claims) for pair in zip(captions, held.scenes, strict=True)])
        names = ("object and colour", "all true", *ASPECTS)
        rows.append([way, *(_one(figures.get(name)) for name in names), f"{claims:.2f}"])
    table = markdown_table(["captions, per cent true", "object and colour", "all true", *ASPECTS, "claims"], rows)
    checked = [of_picture[CHECKED] for of_picture in made]
    shorter = np.mean([of_picture[CHECKED].text != of_picture[WHOLE].text for of_picture in made])
    sure = [place for place, caption in enumerate(checked) if caption.sure]
    of_sure = caption_figures([checked[place].text for place in sure], [held.scenes[place] for place in sure])
    rng = random.Random(0)
    return [
        *table,
        "",
        f"{100 * shorter:.1f} % of the checked are shortened; {100 * len(sure) / len(checked):.1f} % are sure, "
        f"of which {of_sure['all true']:.1f} % are true in all they say.",
        "",
        "Some, checked:",
        "",
        *(f"- {checked[row].text}" for row in rng.sample(range(len(checked)), 5)),
    ]


WHOLE, CHECKED = "checked, not shortened", "checked"


def ways_of(generator: Any, judge: Any, pictures: list[Image.Image], first: int) -> list[dict[str, Any]]:
    """For each picture its caption by each way, as anything with a ``text``; each picture draws from a seed of its
    own."""
    settings = CaptionSettings()
    seeds = [first + number for number in range(len(pictures))]
    greedy = generator.caption(pictures, num_beams=1)
    beams = generator.caption(pictures, num_beams=settings.num_beams, num_captions=settings.beams_kept)
    drawn = generator.caption(pictures, do_sample=True, num_captions=settings.draws, seed=seeds)
    features = features_of_images(judge, pictures)
    given: dict[str, Any] = {"seeds": seeds, "features": features}
    told: Any = Repeating(beams, drawn)
    known: Any = Remembering(judge)
    whole = checked_captions(told, known, pictures, replace(settings, agreement=0.0), **given)
    checked = checked_captions(told, known, pictures, settings, **given)
    return [
        {
            "greedy": greedy[row],
            "five beams": beams[row],
            "drawn once": drawn[row],
            "ITM's choice": max(whole[row].candidates, key=lambda each: each.probability or 0.0),
            WHOLE: whole[row],
            CHECKED: checked[row],
        }
        for row in range(len(pictures))
    ]


@dataclass(frozen=True, slots=True)
class Repeating:
    """A generator that says again what was drawn."""

    beams: list[Any]
    drawn: list[Any]

    def caption(self, images: Any, prompt: str = "", *, do_sample: bool = False, **_settings: Any) -> list[Any]:
        """The captions of the pictures that they were drawn for."""
        return self.drawn if do_sample else self.beams


class Remembering:
    """A judge that reads no text twice with the same picture."""

    def __init__(self, judge: Any) -> None:
        self._judge = judge
        self._known: dict[tuple[bytes, tuple[str, ...]], Any] = {}

    def match_both(self, texts: list[str], features: Any) -> Any:
        """As the judge's."""
        key = features[0].tobytes(), tuple(texts)
        if key not in self._known:
            self._known[key] = self._judge.match_both(texts, features)
        return self._known[key]


def answer_table(generator: Any, held: Withheld, seed: int) -> list[str]:
    """Per cent of the answers that are right, by kind of question."""
    rng = random.Random(f"generator questions:{seed}")
    questions = [ask(scene, kind, rng) for scene in held.scenes for kind in QUESTION_KINDS]
    pictures = [picture for picture in held.pictures for _ in QUESTION_KINDS]
    answers = generator.answer(pictures, [question.text for question in questions], num_beams=1)
    figures = answer_figures(questions, [answer.text for answer in answers])
    return markdown_table(["questions", "right, %"], [[kind, _one(value)] for kind, value in figures.items()])


def _one(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


if __name__ == "__main__":
    main()
