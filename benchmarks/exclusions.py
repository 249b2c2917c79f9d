"""`A -B` by P(A)(1 - P(B)) of the matching head, as `imgsearch search` does it, beside subtracting B's text vector from
A's, subtracting B's score from A's, and looking for A alone, on scenes that training never drew.

    python benchmarks/exclusions.py [--seed 4242] [--count 1000] [--queries 300] [--depths 16 64] [--quick]

The library: scenes of 8 kinds of object in 5 colours, so that a picture's words fit others too. A names one group of
things, by count and kind, sometimes by colour ("two cups", "a red cup"); B is a second thing ("three trees") or the
setting ("at night") of a tenth or more of the pictures where A holds, and of at least 2; at least 5 show A alone. Half
of the queries exclude a thing, half a setting. The scene graphs say what is shown; right is a picture where A holds and
B does not. P@5: the share of right ones among the first 5; R-precision: among the first R, R being how many there are.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from drawn import draw_library, scene_numbers
from results import add_flags, markdown_table, write_section, writes

from imgsearch.app import open_searcher
from imgsearch.scenes.captions import Mention, SceneStatement
from imgsearch.scenes.graph import Domain, Scene, sample_scene
from imgsearch.scenes.vocabulary import COLOURS, KINDS, NUMBERS, SETTINGS, noun_of
from imgsearch.search.engine import Searcher
from imgsearch.search.query.description import Query

BOTH, ALONE, SHARE = 2, 5, 0.1
WEIGHTS = (0.5, 1.0)

Ways = dict[str, Callable[["Asked"], Sequence[int]]]


@dataclass(frozen=True)
class Asked:
    """One query: its words, what B is ("thing" or "setting"), and by number the pictures where A holds without B, and
    those that show B."""

    wanted: str
    unwanted: str
    kind: str
    right: frozenset[int]
    shows: frozenset[int]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--seed", type=int, default=4242)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--depths", type=int, nargs="+", default=[16, 64], help="how many are re-ranked, ours first")
    add_flags(parser)
    arguments = parser.parse_args()
    least = (BOTH, ALONE)
    if arguments.quick:
        arguments.count, arguments.queries, least = 30, 4, (1, 2)
    rng = random.Random(f"exclusions:{arguments.seed}")
    domain = Domain(kinds=tuple(rng.sample(KINDS, 8)), colours=tuple(rng.sample(sorted(COLOURS), 5)))
    scenes = [sample_scene(rng, domain) for _ in range(arguments.count)]
    asked = draw_queries(scenes, domain, rng, arguments.queries, least)
    with tempfile.TemporaryDirectory() as scratch:
        settings = draw_library(scenes, Path(scratch), arguments.model)
        with open_searcher(settings) as searcher:
            figures = measure(ways(searcher, len(scenes), arguments.depths), asked)
    lines = table(figures, asked)
    lines += ["", verdict(figures)]
    sizes = [len(one.right) for one in asked]
    lines[-1] += (
        f" {len(asked)} queries over {len(scenes):,} pictures, seed {arguments.seed}, model {arguments.model}; "
        f"right pictures a query: {np.median(sizes):.0f} (median)."
    )
    print("\n".join(lines))
    if writes(arguments):
        write_section("Leaving something out, A -B (benchmarks/exclusions.py)", lines)


def draw_queries(
    scenes: list[Scene], domain: Domain, rng: random.Random, count: int, least: tuple[int, int]
) -> list[Asked]:
    """``count`` queries, half of each kind of B, or fewer where the scenes do not hold so many. ``least``: pictures
    that show both, pictures that show A alone."""
    where = things_shown(scenes, domain)
    settings = {name: frozenset(n for n, scene in enumerate(scenes) if scene.setting == name) for name in SETTINGS}
    things = [(spoken(mention), mention.kind, shown) for mention, shown in where.items()]
    made = defaultdict(list)
    for text, kind, holds in things:
        excluded = [("thing", other, shown) for other, other_kind, shown in things if other_kind != kind]
        excluded += [("setting", SETTINGS[name][0], shown) for name, shown in settings.items()]
        for what, unwanted, shown in excluded:
            both = len(holds & shown)
            if both >= max(least[0], SHARE * len(holds)) and len(holds) - both >= least[1]:
                made[what].append(Asked(text, unwanted, what, holds - shown, shown))
    return [one for what in sorted(made) for one in rng.sample(made[what], min(count // 2, len(made[what])))]


def things_shown(scenes: list[Scene], domain: Domain) -> dict[Mention, frozenset[int]]:
    """Every count and kind, with each colour and without one, and the scenes in which it holds."""
    mentions = [
        Mention(kind, number, colour)
        for kind, number, colour in product(domain.kinds, (1, 2, 3, 4), (None, *domain.colours))
    ]
    return {
        mention: frozenset(n for n, scene in enumerate(scenes) if SceneStatement((mention,)).holds_of(scene))
        for mention in mentions
    }


def spoken(mention: Mention) -> str:
    """ "two red cups": the plainest words."""
    singular, plural = noun_of(mention.kind).words[0]
    words = [*([mention.colour] if mention.colour else []), singular if mention.count == 1 else plural]
    one = "an" if words[0][0] in "aeiou" else "a"
    return " ".join([one if mention.count == 1 else NUMBERS[mention.count], *words])


def ways(searcher: Searcher, pictures: int, depths: Sequence[int]) -> Ways:
    """Each way by name: a query -> scene numbers, best first, as many as R-precision looks at, or more."""
    numbers = scene_numbers(searcher, pictures)
    view = searcher.store.view()
    tokens = view.read(view.live_slots)  # [N, T, D]
    owners = [numbers[image_id] for image_id in view.image_ids.tolist()]
    embedded: dict[str, np.ndarray] = {}

    def vector(text: str) -> np.ndarray:
        if text not in embedded:
            embedded[text] = np.asarray(searcher.model.embed_texts([text]))[0]
        return embedded[text]

    def itc(text_vector: np.ndarray) -> np.ndarray:
        return (tokens @ text_vector).max(axis=1)

    def ranked(scores: np.ndarray) -> list[int]:
        return [owners[place] for place in np.argsort(-scores, kind="stable")]

    def searched(text: str, query: Asked, depth: int) -> list[int]:
        wanted = Query(text, k=max(5, len(query.right)), rerank=depth, everything=True)
        return [numbers[hit.image_id] for hit in searcher.search(wanted).hits]

    made: Ways = {}
    for depth in depths:
        made[f"A -B, {depth} re-ranked"] = lambda q, d=depth: searched(f'{q.wanted} -"{q.unwanted}"', q, d)
    for w in WEIGHTS:
        made[f"vector A - {w:g} B"] = lambda q, w=w: ranked(itc(vector(q.wanted) - w * vector(q.unwanted)))
    for w in WEIGHTS:
        made[f"score of A - {w:g} score of B"] = lambda q, w=w: ranked(
            itc(vector(q.wanted)) - w * itc(vector(q.unwanted))
        )
    for depth in (0, *depths):
        made[f"A alone, {depth} re-ranked"] = lambda q, d=depth: searched(q.wanted, q, d)
    return made


def measure(made: Ways, asked: list[Asked]) -> dict[str, np.ndarray]:
    """float [queries, 3] by way: P@5, R-precision, share of the first 5 that show B."""
    figures = {}
    for name, way in made.items():
        rows = []
        for one in asked:
            found = list(way(one))
            first, size = found[:5], len(one.right)
            precisions = [len(one.right.intersection(first)) / 5, len(one.right.intersection(found[:size])) / size]
            rows.append([*precisions, len(one.shows.intersection(first)) / 5])
        figures[name] = np.array(rows)
    return figures


def table(figures: dict[str, np.ndarray], asked: list[Asked]) -> list[str]:
    kinds = np.array([one.kind for one in asked])
    parts = {"all": np.ones(len(asked), np.bool_), **{f"B a {kind}": kinds == kind for kind in ("thing", "setting")}}
    header = [f"{measure}, {part}" for part in parts for measure in ("P@5", "R-precision", "B in the first 5")]
    rows = [
        [name, *(f"{100 * value:.1f}" for chosen in parts.values() for value in each[chosen].mean(axis=0))]
        for name, each in figures.items()
    ]
    return markdown_table(["way, %", *header], rows)


def verdict(figures: dict[str, np.ndarray]) -> str:
    """Who wins: the search as it is by default against the best of the others, query by query."""
    ours = next(name for name in figures if name.startswith("A -B"))
    others = {name: each for name, each in figures.items() if not name.startswith("A -B")}
    sentences = []
    for column, measured in enumerate(("P@5", "R-precision")):
        best = max(others, key=lambda way: float(others[way][:, column].mean()))
        gap = 100 * (figures[ours][:, column] - others[best][:, column])
        error = 1.96 * gap.std(ddof=1) / np.sqrt(len(gap))
        clear = abs(gap.mean()) > error
        wins = ("`A -B` wins" if gap.mean() > 0 else "`A -B` loses") if clear else "no clear winner"
        sentences.append(
            f"{measured}: {wins}: {gap.mean():+.1f} points (95 %: +- {error:.1f}) on the best other, {best}."
        )
    return " ".join(sentences)


if __name__ == "__main__":
    main()
