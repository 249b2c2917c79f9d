"""Of `benchmarks/confidence.py`: whether texts that were not understood are called sure, and known ones still are."""

from __future__ import annotations

import random
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from drawn import draw_library, scene_numbers
from foreign_texts import foreign_texts
from results import markdown_table

from imgsearch.app import open_searcher
from imgsearch.errors import UsageError
from imgsearch.model.checkpoints.resolve import find_source
from imgsearch.model.tokenizer import read_tokenizer
from imgsearch.scenes.captions import any_statement, say
from imgsearch.scenes.graph import Domain, Scene, sample_scene
from imgsearch.scenes.vocabulary import KINDS, noun_of
from imgsearch.search.calibration import NO_LEAST
from imgsearch.search.engine import Searcher
from imgsearch.search.query.description import Query

PICTURES, CAPTIONS, PAIRS = 600, 300, 100
Shows = Callable[[Scene], bool]


def words_table(model: str, seed: int, *, quick: bool = False) -> list[str]:
    """Lines of Markdown. Over drawn scenes of all kinds: how many foreign and nonsense texts have a sure match, by the
    calibration alone and with the words looked at; true captions, bare words and the same with an article."""
    rng = random.Random(f"confidence-words:{seed}")
    scenes = [sample_scene(rng, Domain()) for _ in range(40 if quick else PICTURES)]
    with (
        tempfile.TemporaryDirectory() as scratch,
        open_searcher(draw_library(scenes, Path(scratch), model)) as searcher,
    ):
        number_of = scene_numbers(searcher, len(scenes))
        shown = {image_id: scenes[number] for image_id, number in number_of.items()}
        pieces = sorted(read_tokenizer(find_source(model).path).pieces.get_vocab())
        foreign = foreign_texts(pieces, seed)[:: 50 if quick else 1]
        by_kind: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
        for kind, text in foreign:
            by_kind[kind].append(_sure(searcher, text))
        known = [_right_and_sure(searcher, shown, *one) for one in _captions(rng, scenes, 4 if quick else CAPTIONS)]
        words = [noun_of(kind).words[0][0] for kind in KINDS][:: 8 if quick else 1]
        held = [kind for kind in KINDS if noun_of(kind).words[0][0] in words]
        bare = [_right_and_sure(searcher, shown, w, _shows(k)) for w, k in zip(words, held, strict=True)]
        said = [_right_and_sure(searcher, shown, _article(w), _shows(k)) for w, k in zip(words, held, strict=True)]
        two = _two_things(searcher, shown, rng, 2 if quick else PAIRS)
    every = [one for found in by_kind.values() for one in found]
    rows = [[kind, len(found), *_shares(found)] for kind, found in [*by_kind.items(), ("all", every)]]
    lines = markdown_table(["texts", "count", "a sure match by the calibration alone, %", "as searched, %"], rows)
    lines += ["", "First hit right and sure: " + ", ".join(_said(*one) for one in (
        ("true captions", known), ("bare words", bare), ("the same with an article", said)
    )) + f". {len(scenes)} scenes, seed {seed}. {two}"]  # fmt: skip
    return lines


def _two_things(searcher: Searcher, shown: dict[int, Scene], rng: random.Random, count: int) -> str:
    """Of two things, named by nothing but their names: how often a picture that lacks one of them is called sure, with
    what the things say one by one and without it."""
    rule = searcher.calibration
    assert rule is not None
    pairs = [rng.sample(KINDS, 2) for _ in range(count)]
    texts = {"in a row": " ".join, "with articles": lambda pair: " and ".join(map(_article, pair))}
    told = []
    for name, text in texts.items():
        shares = []
        for least in (NO_LEAST, rule.least_thing):
            searcher.calibration = replace(rule, least_thing=least)
            found = [searcher.search(Query(text(pair), k=16, rerank=16)).hits for pair in pairs]
            searcher._reranked.clear()
            wrong = [
                any(hit.confident and not all(_shows(kind)(shown[hit.image_id]) for kind in pair) for hit in hits)
                for pair, hits in zip(pairs, found, strict=True)
            ]
            shares.append(100 * sum(wrong) / count)
        told.append(f"{shares[1]:.1f} % of {count} pairs of things {name} ({shares[0]:.1f} % by the whole text alone)")
    searcher.calibration = rule
    return f"A sure match that lacks one of two things: {', '.join(told)}."


def _captions(rng: random.Random, scenes: Sequence[Scene], count: int) -> list[tuple[str, Shows]]:
    statements = [any_statement(scene, rng) for scene in rng.sample(scenes, count)]
    return [(say(one, rng.getrandbits(32)), one.holds_of) for one in statements]


def _shows(kind: str) -> Shows:
    return lambda scene: any(group.kind == kind for group in scene.groups)


def _article(word: str) -> str:
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"


def _sure(searcher: Searcher, text: str) -> tuple[bool, bool]:
    """By the calibration alone, and as searched."""
    try:
        hits = searcher.search(Query(text, k=1, rerank=16)).hits
    except UsageError:
        return False, False  # refused: no words at all
    assert searcher.calibration is not None
    evidence = searcher.evidence(text, 16)
    return any(searcher.calibration.judge(one) >= 0 for one in evidence), any(hit.confident for hit in hits)


def _right_and_sure(searcher: Searcher, shown: dict[int, Scene], text: str, shows: Shows) -> tuple[bool, bool]:
    """Whether the first hit is right, and whether it is sure as well."""
    (first,) = searcher.search(Query(text, k=1, rerank=16, everything=True)).hits
    right = shows(shown[first.image_id])
    return right, right and bool(first.confident)


def _shares(found: Sequence[tuple[bool, bool]]) -> list[float]:
    return [100 * sum(one[column] for one in found) / len(found) for column in (0, 1)]


def _said(name: str, found: Sequence[tuple[bool, bool]]) -> str:
    right, sure = _shares(found)
    return f"{sure:.1f} % of {len(found)} {name} (right {right:.1f})"
