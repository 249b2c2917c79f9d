"""What the small generator reaches on scenes of a seed that training never drew: captions and answers that are true.

    python benchmarks/generator_quality.py [--generator mini] [--judge mini] [--seed 40713] [--count 500] [--quick]

The tables go into RESULTS.md and, of the generator that ships, into its model card.

Captions are written greedily, by five beams, drawn once, drawn eight times (`--drawn`) with the one kept that the
retrieval model's ITM believes most, and as `imgsearch caption` does: ITM's choice of three beams and four drawn.
"Object and colour": they name an object that is in the scene with its colour; "all true": nothing that they say is
false by the scene graph. Five questions a scene, one of each kind, are answered greedily.
"""

from __future__ import annotations

import argparse
import random
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image
from results import add_flags, markdown_table, write_copy, write_section, writes

from imgsearch.generation import load_generator
from imgsearch.generation.sources import find_generator
from imgsearch.model import load_model
from imgsearch.scenes.draw import draw_scene
from imgsearch.scenes.graph import Domain, Scene, sample_scene
from imgsearch.scenes.measure import answer_figures, caption_figures
from imgsearch.scenes.questions import QUESTION_KINDS, ask
from imgsearch.scenes.truth import ASPECTS

TITLE = "Quality of the small generator on unseen scenes (benchmarks/generator_quality.py)"
_BATCH = 50
_BEAMS, _DRAWS = 3, 4  # as `imgsearch caption` compares them


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
    parser.add_argument("--drawn", type=int, default=8, help="captions drawn for each picture")
    add_flags(parser)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.count, arguments.drawn = 20, 4
    held = withheld(arguments.seed, arguments.count)
    generator = load_generator(arguments.generator, device="cpu", dtype="float32")
    judge = load_model(arguments.judge, device="cpu", dtype="float32")
    lines = caption_table(generator, judge, held, arguments.drawn)
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


def caption_table(generator: Any, judge: Any, held: Withheld, drawn: int) -> list[str]:
    """A row for each way of writing: per cent of captions, then of claims by their aspect."""
    candidates = drawn_captions(generator, held.pictures, drawn)
    beams = [[one.text for one in captions] for captions in generator.caption(held.pictures, num_captions=_BEAMS)]
    both = [[*some, *others[:_DRAWS]] for some, others in zip(beams, candidates, strict=True)]
    ways = {
        "greedy": [one.text for one in generator.caption(held.pictures, num_beams=1)],
        "five beams": [one.text for one in generator.caption(held.pictures)],
        "drawn once": [texts[0] for texts in candidates],
        f"best of {drawn} drawn by ITM": believed(judge, held.pictures, candidates),
        f"best of {_BEAMS} beams and {_DRAWS} drawn by ITM": believed(judge, held.pictures, both),
    }
    rows: list[list[object]] = []
    for way, captions in ways.items():
        figures = caption_figures(captions, held.scenes)
        rows.append([way, *(_one(figures.get(name)) for name in ("object and colour", "all true", *ASPECTS))])
    rng = random.Random(0)
    examples = [f"- {ways['greedy'][row]}" for row in rng.sample(range(len(held.scenes)), 5)]
    table = markdown_table(["captions, per cent true", "object and colour", "all true", *ASPECTS], rows)
    return [*table, "", "Some, written greedily:", "", *examples]


def drawn_captions(generator: Any, pictures: list[Image.Image], drawn: int) -> list[list[str]]:
    """For each picture ``drawn`` captions by nucleus sampling, each picture with a seed of its own."""
    result = []
    for start in range(0, len(pictures), _BATCH):
        some = pictures[start : start + _BATCH]
        seeds = list(range(start, start + len(some)))
        result += generator.caption(some, do_sample=True, num_captions=drawn, seed=seeds)
    return [[one.text for one in captions] for captions in result]


def believed(judge: Any, pictures: list[Image.Image], candidates: list[list[str]]) -> list[str]:
    """Of each picture's captions the one that ITM gives the highest logit."""
    chosen = []
    for picture, texts in zip(pictures, candidates, strict=True):
        unlike = [text for text in dict.fromkeys(texts) if text] or [""]
        features = judge.encode_images(judge.preprocess([picture]))
        logits = np.asarray(judge.match_logits(unlike, features.repeat(len(unlike), 1, 1)))
        chosen.append(unlike[int(logits.argmax())])
    return chosen


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
