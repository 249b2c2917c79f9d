"""Takes a description apart, since an image may be near to the whole and lack the one thing that counts."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from imgsearch.records import Float32
from imgsearch.search.calibration import PartAgreement, ScoreBackground
from imgsearch.search.features.heatmap import QUIET, content_words

MAX_CLAUSES = 6
"""BLIP-2 reads 32 word pieces, and so short a description seldom names more things."""

_BINDING_WORDS = """
and or but with without together while of to from by for into onto over under above below beneath beside besides
between among behind before after near next off across along against around toward towards inside outside within
upon left right
"""
_BINDING = frozenset(_BINDING_WORDS.split())
"""Words between two things. "in", "on" and "at" are not among them: they mostly say where a thing is, and stay with
it."""

_ARTICLES = frozenset(("a", "an", "the", "some"))
_MODIFIER_WORDS = """
red scarlet orange yellow golden green blue purple violet pink brown black white grey gray beige silver gold dark
bright light pale colourful colorful striped large big huge small little tiny tall short long round square old young
new modern wooden metal happy sad beautiful cute wet dry empty full open closed broken sunny cloudy rainy snowy
"""
_MODIFIERS = frozenset(_MODIFIER_WORDS.split())
"""Words that tell of another word what it is like: "red boat" is one thing, "cat umbrella" are two."""

_PIECE = re.compile(r"[^\s,;:.!?()\"]+|[,;:.!?()\"]")


@dataclass(frozen=True, slots=True)
class Parts:
    """The clauses of a description, one for each thing that it names with its attributes, and its content words."""

    clauses: tuple[str, ...]
    words: tuple[str, ...]

    @property
    def texts(self) -> tuple[str, ...]:
        return self.clauses + self.words


def parts_of(text: str) -> Parts:
    """ "two red balls on the left and a cat above a house" -> clauses "two red balls on the left", "a cat", "a house",
    words "red", "balls", "cat", "house". A text that cannot be divided is its only clause."""
    found: list[list[str]] = [[]]
    for piece in _PIECE.findall(text.lower()):
        if not piece[0].isalnum() or (piece in _BINDING and not _is_place(piece, found[-1])):
            found.append([])
        else:
            found[-1].append(piece)
    telling = (" ".join(words) for words in found if any(word not in QUIET for word in words))
    clauses = tuple(dict.fromkeys(telling))[:MAX_CLAUSES]
    return Parts(clauses or (text,), content_words(text) or (text,))


def bare_things(text: str) -> tuple[str, ...]:
    """The things that ``text`` names, if it names several and says of none but its name: "a cat and an umbrella" and
    "cat umbrella" -> "cat", "umbrella". The model takes an image that shows one of them for the whole. Of a text that
    says more ("two red birds under the stars") it is right as often with the whole, and "the stars" alone is seen too
    seldom. Articles are left out: "an umbrella" is to the small model one, and fewer of two are seen."""
    things: list[str] = []
    for clause in parts_of(text).clauses:
        words = clause.split()
        telling = [word for word in words if word not in QUIET]
        single = len(telling) == 1 and words[-1] == telling[0] and _ARTICLES.issuperset(words[:-1])
        if _MODIFIERS.intersection(words) or not (single or len(telling) == len(words)):
            return ()
        things += telling
    found = tuple(dict.fromkeys(things))[:MAX_CLAUSES]
    return found if len(found) > 1 else ()


def _is_place(word: str, before: list[str]) -> bool:
    """Whether it is the "left" of "on the left", not that of "left of"."""
    return word in ("left", "right") and len(before) > 1 and before[-1] == "the" and before[-2] in ("in", "on", "at")


def agreements(
    parts: Parts, vectors: Float32, tokens: Float32, backgrounds: Callable[[Float32], list[ScoreBackground]]
) -> list[PartAgreement]:
    """How well each of n images agrees with the parts, from ``vectors`` [P, D] of ``parts.texts``, ``tokens`` [n, T, D]
    of the images and the ``backgrounds`` of vectors [Q, D]. Cost: n x T x D x P multiplications, and the backgrounds of
    the clauses."""
    if not len(tokens):
        return []
    scores = (tokens @ vectors.T).max(axis=1)  # [n, P]
    count = len(parts.clauses)
    of_clauses = scores[:, :count]
    known = backgrounds(vectors[:count])
    z = np.array([[one.z(score) for score, one in zip(row, known, strict=True)] for row in of_clauses.tolist()])
    held = float(of_clauses.max(axis=0).min())
    rows = zip(of_clauses.mean(axis=1).tolist(), z.min(axis=1).tolist(), scores[:, count:].mean(axis=1), strict=True)
    return [PartAgreement(clauses, weakest, held, float(words)) for clauses, weakest, words in rows]
