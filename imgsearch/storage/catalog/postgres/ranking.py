"""FTS5's rules for one text at hand: whether an expression matches, and how good the match is by BM25.

PostgreSQL's own ranking knows no document frequency, so a search there would order texts differently than on SQLite.
The formula, its constants and the counting of phrases follow SQLite 3.40's ``fts5_aux.c`` (bm25) and ``fts5_expr.c``
(NEAR), so that both give the same order; a test compares them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from imgsearch.storage.catalog.postgres.expressions import Either, Every, InColumn, Near, Node, Phrase

_K1, _B = 1.2, 0.75
_LEAST_WEIGHT = 1e-6  # of a phrase that stands in more than half of all texts


@dataclass(frozen=True, slots=True)
class Collection:
    """What BM25 must know of all texts: their number, their words together, how many hold each phrase."""

    texts: int
    words: int
    holding: Mapping[Phrase, int]

    def weight(self, phrase: Phrase) -> float:
        """The inverse document frequency."""
        held = self.holding[phrase]
        weight = math.log((self.texts - held + 0.5) / (held + 0.5))
        return weight if weight > 0 else _LEAST_WEIGHT


class RankedText:
    """One text, made by `wordforms.indexed`."""

    def __init__(self, text: str) -> None:
        self._text = f" {text} "
        self.words = text.split(" ") if text else []

    def places(self, phrase: Phrase) -> list[int]:
        """Where the phrase begins, as numbers of words, ascending."""
        if f" {phrase.text}{'' if phrase.unfinished else ' '}" not in self._text:
            return []
        size, wanted = len(phrase.words), list(phrase.words)
        found = []
        for start in range(len(self.words) - size + 1):
            part = self.words[start : start + size]
            unfinished = phrase.unfinished and part[:-1] == wanted[:-1] and part[-1].startswith(wanted[-1])
            if part == wanted or unfinished:
                found.append(start)
        return found

    def counts(self, node: Node) -> list[int] | None:
        """How often each phrase of the expression takes part in the match, in its order; None for no match."""
        match node:
            case Phrase():
                found = len(self.places(node))
                return [found] if found else None
            case Near():
                return near_counts([self.places(phrase) for phrase in node.phrases], node)
            case InColumn():
                return self.counts(node.part)
        parts = [(part, self.counts(part)) for part in node.parts]
        held = [counts for _, counts in parts if counts is not None]
        if not held or (isinstance(node, Every) and len(held) < len(parts)):
            return None
        return [count for part, counts in parts for count in (counts or [0] * _phrases(part))]


def score(document: RankedText, counts: Sequence[int], weights: Sequence[float], average: float) -> float:
    """BM25, as FTS5 gives it: the smaller, the better."""
    total = 0.0
    for count, weight in zip(counts, weights, strict=True):
        length = _K1 * (1 - _B + _B * len(document.words) / average)
        total += weight * ((count * (_K1 + 1.0)) / (count + length))
    return -1.0 * total


def near_counts(places: list[list[int]], node: Near) -> list[int] | None:
    """How many places of each phrase stand near enough to one of every other; None where there are none. The steps of
    ``fts5ExprNearIsMatch``."""
    if not all(places):
        return None
    at = [0] * len(places)
    kept: list[list[int]] = [[] for _ in places]
    while _advanced(places, at, node):
        for own, mine, here in zip(kept, places, at, strict=True):
            if not own or own[-1] != mine[here]:
                own.append(mine[here])
        following = [
            mine[here + 1] if here + 1 < len(mine) else math.inf for mine, here in zip(places, at, strict=True)
        ]
        least = min(range(len(at)), key=lambda each: following[each])
        at[least] += 1
        if at[least] == len(places[least]):
            break
    return [len(own) for own in kept] if kept[0] else None


def _advanced(places: list[list[int]], at: list[int], node: Near) -> bool:
    """Move on to the next places that stand near one another; False once a phrase has none left."""
    last = places[0][at[0]]
    while True:
        fits = True
        for each, phrase in enumerate(node.phrases):
            first = last - len(phrase.words) - node.distance
            if first <= places[each][at[each]] <= last:
                continue
            fits = False
            while places[each][at[each]] < first:
                at[each] += 1
                if at[each] == len(places[each]):
                    return False
            last = max(last, places[each][at[each]])
        if fits:
            return True


def _phrases(node: Node) -> int:
    match node:
        case Phrase():
            return 1
        case Near():
            return len(node.phrases)
        case InColumn():
            return _phrases(node.part)
        case Every() | Either():
            return sum(map(_phrases, node.parts))
