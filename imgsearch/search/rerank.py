"""The re-rank: the texts that ITM matches each of the best candidates with, what its logits say, and the order.

Whoever asks the model (`imgsearch.search.inference`) calls this; nothing here asks anybody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from imgsearch.index.rows import rank_order
from imgsearch.model.contract import Array, Explainer
from imgsearch.model.words import VocabularyWord
from imgsearch.records import Float32, Int64
from imgsearch.search.query.parser import ParsedQuery


class SearchModel(Explainer, Protocol):
    """What a search, and the explanation of its hits, need of a model."""

    def match_both(self, texts: Sequence[str], features: Array) -> Array:
        """Text i with picture i -> float32 [K, 2], the logits of "does not match" and "matches"."""
        ...

    def count_tokens(self, text: str) -> int: ...

    def words(self, text: str) -> list[VocabularyWord]: ...


@dataclass(frozen=True, slots=True)
class Match:
    """The head's answer for one image: the raw class-1 logit, and ``margin``, its distance above the other one.
    ``unwanted`` is the largest probability among the unwanted texts, each alone and added to the description, or 0 if
    there are none. ``lacks_thing``: one of several things, asked alone, is not there (`Searcher`)."""

    logit: float
    margin: float
    unwanted: float = 0.0
    lacks_thing: bool = False

    @property
    def probability(self) -> float:
        """The softmax over both logits, class 1."""
        return float(_probability(np.float64(self.margin)))

    @property
    def shows_unwanted(self) -> bool:
        """Whether the image more likely than not shows something unwanted."""
        return self.unwanted >= 0.5


def match_texts(parsed: ParsedQuery) -> tuple[str, ...]:
    """The texts that ITM matches each candidate with: the description, the unwanted texts, and both together. The head
    was trained on whole descriptions, and is sure of "a red boat at night" where it is not of "at night"."""
    if not parsed.description:
        return parsed.excluded
    joined = (together(parsed.description, text) for text in parsed.excluded)
    return (parsed.description, *parsed.excluded, *(text for text in joined if text))


Matched = tuple[list[Match | None], list[str], bool]
"""A match for each candidate, or None where its image cannot be read; sentences that say how many and why; whether all
were reached in time."""

_PLACE_WORDS = """
in on at under over above below beneath beside behind by near next inside outside with without from of to
"""
_PLACES = frozenset(_PLACE_WORDS.split())
_LONGEST_TOGETHER = 24
"""Words. Longer texts are cut after 32 pieces, and a description without its end can be true where the whole is not."""


_ADDED = 2.0
"""Logits by which a description with the unwanted text may match worse than without it, and the picture still be taken
to show it. Where it is shown the median fall is small, where it is not 6 and more. `benchmarks/exclusions.py --seed 777
--queries 150`, right ones and those that show B among the first five: at 0 68.7 and 6.1 %, at 1 69.5 and 3.3, at 2 69.2
and 1.9, at 4 69.2 and 0.9 (of things 64.8 where it was 66.4); without 62.9 and 13.9."""


def together(wanted: str, unwanted: str) -> str:
    """ "a boat", "at night" -> "a boat at night"; "a boat", "two trees" -> "a boat and two trees"; "" if too long."""
    binding = " " if unwanted.split(" ", 1)[0].lower() in _PLACES else " and "
    joined = wanted + binding + unwanted
    return joined if len(joined.split()) <= _LONGEST_TOGETHER else ""


@dataclass(frozen=True, slots=True)
class Reranked:
    """ITM's answers for the first candidates, with notes for the person. ``due``: the number of answers if complete."""

    matches: list[Match | None]
    notes: list[str]
    complete: bool = True
    due: int = 0

    @property
    def count(self) -> int:
        """Candidates that were matched."""
        return sum(match is not None for match in self.matches)


def matches_from_logits(parsed: ParsedQuery, answers: Sequence[Float32]) -> list[Match]:
    """What the logits say of n pictures. ``answers``: for each of `match_texts` float32 [n, 2]."""
    count = len(answers[0])
    both_of = [answer.astype(np.float64) for answer in answers]
    margins = [both[:, 1] - both[:, 0] for both in both_of]  # each [n]
    alone = margins[bool(parsed.description) :][: len(parsed.excluded)]
    added = [both - margins[0] + _ADDED for both in margins[1 + len(parsed.excluded) :]] if parsed.description else []
    unwanted = [_probability(margin) for margin in (*alone, *added)]
    most_unwanted = np.max([np.zeros(count), *unwanted], axis=0)
    logit = both_of[0][:, 1] if parsed.description else np.zeros(count)
    margin = margins[0] if parsed.description else np.full(count, np.inf)
    rows = zip(logit.tolist(), margin.tolist(), most_unwanted.tolist(), strict=True)
    return [Match(*row) for row in rows]


def _probability(margin: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-np.clip(margin, -500, 500)))


def failure_sentences(reasons: Sequence[str]) -> list[str]:
    """One sentence about all candidates that could not be re-ranked, or none if there are none."""
    if not reasons:
        return []
    count = "1 candidate was" if len(reasons) == 1 else f"{len(reasons)} candidates were"
    return [f"{count} not re-ranked and kept the place of the first search: {reasons[0]}"]


def fused_score(score: float, match: Match, parsed: ParsedQuery) -> float:
    """The number that `fused_order` sorts a matched candidate by. ``score`` is that of the first stage."""
    return match.probability * (1 - match.unwanted) if parsed.excluded else score + match.logit


def fused_order(scores: Float32, matches: Sequence[Match | None], image_ids: Int64, parsed: ParsedQuery) -> Int64:
    """The places of candidates, best first. ``scores`` [n], of the first search, and ``image_ids`` [n] are in its
    order, ``matches`` [m <= n] belong to the first m. -> [n] positions.

    Matched candidates go by ITC + raw class-1 logit, as the authors fuse them; where something is not wanted, by
    P(wanted) (1 - P(unwanted)); rounded to 1e-5, then by image id. One without a match keeps the place that it had
    among all; those after the m-th are not touched.
    """
    order = np.arange(len(scores), dtype=np.int64)
    matched = np.array([i for i, match in enumerate(matches) if match is not None], np.int64)
    known = [match for match in matches if match is not None]
    found = scores[matched].astype(np.float64).tolist()
    fused = np.array([fused_score(*pair, parsed) for pair in zip(found, known, strict=True)], np.float64)
    order[matched] = matched[rank_order(fused, image_ids[matched])]
    return order
