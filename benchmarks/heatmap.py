"""Whether a word's heat map points at the thing: peaks inside the boxes that drawn scenes tell, beside other ways.

A word counts as found if the peak of its map lies in the box of one of the things that it names: the centre of the
greatest patch, or the top of the parabolas through it and its neighbours, which is where a smoothly drawn map is
brightest.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from results import add_flags, markdown_table, write_copy, write_section, writes

from imgsearch.model import open_numpy
from imgsearch.model.runtimes.numpy import qformer as numpy_qformer
from imgsearch.records import Float32
from imgsearch.scenes.captions import any_statement, say
from imgsearch.scenes.draw import SceneBox, draw_scene
from imgsearch.scenes.graph import Domain, sample_scene
from imgsearch.scenes.vocabulary import COLOURS, noun_of
from imgsearch.search.features.heatmap import content_words, heat_map

DOCS = Path(__file__).parents[1] / "docs" / "search.md"
Way = Callable[[Any, str, str, Float32], Float32]  # model, text, word, features -> [h, w]


@dataclass(frozen=True, slots=True)
class Asked:
    """One word of one caption and the boxes of the things that it names."""

    text: str
    word: str
    kind: str  # "object" or "colour"
    boxes: list[SceneBox]
    features: Float32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--seed", type=int, default=4711)
    parser.add_argument("--scenes", type=int, default=200)
    add_flags(parser)
    arguments = parser.parse_args()
    model: Any = open_numpy(arguments.model, "cpu")
    scenes = 20 if arguments.quick else arguments.scenes
    asked = list(ask(model, scenes, arguments.seed))
    rows = [[name, *score(way, model, asked)] for name, way in ways().items()]
    for layers in (1, 3):
        numpy_qformer.WATCHED_LAYERS = layers  # type: ignore[misc]
        rows.append(
            [
                f"as `imgsearch serve`, {layers} of the last layers watched instead of 2",
                *score(_word_alone, model, asked),
            ]
        )
    kinds = Counter(one.kind for one in asked)
    chance = [100 * float(np.mean([_share(one.boxes, 64) for one in asked if one.kind == kind])) for kind in kinds]
    lines = markdown_table([f"peak in the box, % of {kinds['object']} objects, {kinds['colour']} colours", *HEAD], rows)
    lines += ["", f"{scenes} scenes, seed {arguments.seed}, model {arguments.model}. "]
    lines[-1] += f"A random place lies in the box for {chance[0]:.0f} % of the objects."
    print("\n".join(lines))
    if writes(arguments):
        write_section("Where a word is seen (benchmarks/heatmap.py)", lines)
        write_copy(DOCS, "heatmap", lines)


HEAD = ("objects, patch", "objects, drawn smoothly", "colours, patch", "colours, drawn smoothly")


def ask(model: Any, scenes: int, seed: int) -> Iterator[Asked]:
    """Every object word, and every colour that only one group has, of one caption a scene."""
    rng = random.Random(f"heat maps:{seed}")
    for _ in range(scenes):
        scene = sample_scene(rng, Domain())
        statement = any_statement(scene, rng)
        text = say(statement, rng.getrandbits(32))
        picture, boxes = draw_scene(scene)
        features = model.encode_images(model.preprocess([picture]))
        for mention in statement.mentions:
            group = next(number for number, one in enumerate(scene.groups) if one.kind == mention.kind)
            own = [box for box in boxes if box.group == group]
            names = {word for pair in noun_of(mention.kind).words for word in pair}
            colours = [one.colour for one in scene.groups]
            if mention.colour and colours.count(mention.colour) == 1:
                names |= set(COLOURS[mention.colour][1])
            for word in content_words(text):
                if word in names:
                    kind = "colour" if mention.colour and word in COLOURS[mention.colour][1] else "object"
                    yield Asked(text, word, kind, own, features)


def score(way: Way, model: Any, asked: list[Asked]) -> list[float]:
    """Per cent of the words whose peak lies in a box: objects by patch and smoothly, colours likewise."""
    found: dict[str, list[tuple[bool, bool]]] = {"object": [], "colour": []}
    for one in asked:
        grid = way(model, one.text, one.word, one.features)
        found[one.kind].append((_inside(_centre(grid), one.boxes), _inside(_top(grid), one.boxes)))
    return [100 * float(share) for kind in found.values() for share in np.mean(kind, axis=0)]


def ways() -> dict[str, Way]:
    """The way that is used, and those that it was chosen before."""
    return {
        "as `imgsearch serve`: the word alone read with the picture": _word_alone,
        "the whole text read with the picture": _whole_text,
        "the picture read without a text": _no_text,
        "patches blotted out, fall of the word's ITM logit": _blotted,
    }


def _word_alone(model: Any, text: str, word: str, features: Float32) -> Float32:
    del text
    grid: Float32 = heat_map(model, word, features[0]).grids[0]
    return grid


@dataclass(frozen=True, slots=True)
class _Reading:
    """A model that reads ``text`` instead of each word, but weighs its tokens as ever."""

    model: Any
    text: str

    def attention_maps(self, texts: list[str], features: Float32) -> Float32:
        seen: Float32 = self.model.attention_maps([self.text] * len(texts), features)
        return seen

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)


def _whole_text(model: Any, text: str, word: str, features: Float32) -> Float32:
    return _word_alone(_Reading(model, text), text, word, features)


def _no_text(model: Any, text: str, word: str, features: Float32) -> Float32:
    return _word_alone(_Reading(model, ""), text, word, features)


def _blotted(model: Any, text: str, word: str, features: Float32) -> Float32:
    """Each patch in turn replaced by the mean of all."""
    del text
    patches = features.shape[1] - 1
    spoilt = np.repeat(features, patches + 1, axis=0)
    spoilt[np.arange(patches), np.arange(patches) + 1] = features[0, 1:].mean(axis=0)
    logits = np.asarray(model.match_logits([word] * (patches + 1), spoilt))
    side = round(patches**0.5)
    fall: Float32 = (logits[-1] - logits[:-1]).reshape(side, side)
    return fall


def _centre(grid: Float32) -> tuple[float, float]:
    row, column = np.unravel_index(int(grid.argmax()), grid.shape)
    return (float(column) + 0.5) / grid.shape[1], (float(row) + 0.5) / grid.shape[0]


def _top(grid: Float32) -> tuple[float, float]:
    row, column = np.unravel_index(int(grid.argmax()), grid.shape)
    x, y = _centre(grid)
    return x + _beside(grid[row], int(column)) / grid.shape[1], y + _beside(grid[:, column], int(row)) / grid.shape[0]


def _beside(line: Float32, place: int) -> float:
    """How far beside ``place``, in patches, the parabola through it and its neighbours has its top."""
    if not 0 < place < len(line) - 1:
        return 0.0
    before, here, after = (float(value) for value in line[place - 1 : place + 2])
    bend = before - 2 * here + after
    return 0.5 * (before - after) / bend if bend < 0 else 0.0


def _inside(place: tuple[float, float], boxes: list[SceneBox]) -> bool:
    x, y = place
    return any(box.x0 <= x <= box.x1 and box.y0 <= y <= box.y1 for box in boxes)


def _share(boxes: list[SceneBox], across: int) -> float:
    places = (np.arange(across) + 0.5) / across
    return float(np.mean([_inside((x, y), boxes) for x in places for y in places]))


if __name__ == "__main__":
    main()
