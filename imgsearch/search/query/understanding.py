"""Whether a model can know the meaning of a description.

Vectors and ITM answer any text, whether it is made of words or of random letters. The first images for random letters
are much the same whatever the letters are.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from imgsearch.model.words import UNKNOWN, VocabularyWord
from imgsearch.search.features.heatmap import QUIET
from imgsearch.search.query.description import query_notes
from imgsearch.search.query.parser import ParsedQuery

_PIECE_LETTERS = 7 / 3
"""A word counts as understood if its pieces have this many letters or more on average. BERT's 30,522 pieces cut
"giraffe" and "frisbee" like this (gi raf fe), "asdfgh" into pieces of 2.0 letters, and words of other scripts into
single letters."""


_RELATIVE_WORDS = """
zero none nothing something anything everything nobody somebody anybody everybody big large small little tiny huge
other another same different such like yes maybe please if because while about again always never ever once still yet
quite really rather
"""
_RELATIVE = frozenset(_RELATIVE_WORDS.split())  # words that name nothing unless others do

_APOSTROPHES = ("'", "\u2019")
_NAMED = 5  # words in a note


@dataclass(frozen=True, slots=True)
class Understanding:
    """``unknown``: words, as typed, that the model cannot know. ``telling``: whether any word names something."""

    unknown: tuple[str, ...]
    telling: bool

    @property
    def sure(self) -> bool:
        """Whether an image may be called a sure match for the description."""
        return self.telling and not self.unknown


@dataclass(frozen=True, slots=True)
class ReadQuery:
    """A query as the model reads it. ``sure``: whether an image may be called certain for it. ``notes`` tell the person
    what the model will not see or cannot know, one sentence each."""

    sure: bool = True
    notes: tuple[str, ...] = ()


def read_by_model(parsed: ParsedQuery, words: Mapping[str, Sequence[VocabularyWord]], pieces: int) -> ReadQuery:
    """Say what of the description and of the excluded texts the model reads and knows. ``words``: of each of these
    texts, as the model takes it apart; ``pieces``: of the description, in all."""
    excluded = [understand(words[text]) for text in parsed.excluded]
    if not parsed.description:  # "-hat" alone, or filters
        found = understanding_notes(Understanding((), telling=True), excluded)
        return ReadQuery(notes=(*parsed.notes, *found))
    description = understand(words[parsed.description])
    sure = description.sure and not any(one.unknown for one in excluded)
    notes = (*query_notes(parsed.description, pieces), *understanding_notes(description, excluded))
    return ReadQuery(sure, (*parsed.notes, *notes))


def understand(words: Sequence[VocabularyWord]) -> Understanding:
    """Find the ``words`` of a description that a model can know."""
    asked = [
        word
        for place, word in enumerate(words)
        if _says_something(word.spelling) and word.spelling not in QUIET and not _belongs_to_another(words, place)
    ]
    unknown = dict.fromkeys(word.spelling for word in asked if not _understood(word))
    return Understanding(tuple(unknown), any(_names(word.spelling) for word in asked))


def _names(spelling: str) -> bool:
    return spelling[0].isalpha() and spelling not in _RELATIVE


def _says_something(spelling: str) -> bool:
    """Punctuation says nothing. A sign such as "=", "|" or an emoji counts, because it means something that no image
    shows."""
    return any(letter.isalnum() or unicodedata.category(letter)[0] == "S" for letter in spelling.strip("+$`´"))


def _belongs_to_another(words: Sequence[VocabularyWord], place: int) -> bool:
    """Whether it is a letter after an apostrophe ("the cat's") or before a hyphen ("X-ray")."""
    if len(words[place].spelling) > 1:
        return False
    before = words[place - 1].spelling if place else ""
    after = words[place + 1].spelling if place + 2 < len(words) else ""
    return (place > 1 and before in _APOSTROPHES) or after == "-"


def _understood(word: VocabularyWord) -> bool:
    if word.foreign or UNKNOWN in word.pieces:
        return False
    if len(word.pieces) == 1:
        if not word.spelling[0].isalnum():
            return False
        return len(word.spelling) > 1 or word.spelling.isdigit() or unicodedata.category(word.spelling) == "Lo"
    pieces = word.pieces[:-1] if word.pieces[-1] == "s" else word.pieces  # a plural
    return min(map(len, pieces)) > 1 and sum(map(len, pieces)) / len(pieces) >= _PIECE_LETTERS


def understanding_notes(description: Understanding, excluded: Sequence[Understanding]) -> list[str]:
    """Sentences for the person, one for each thing that the model cannot know."""
    unknown = [word for one in (description, *excluded) for word in one.unknown]
    notes = []
    if unknown:
        named = ", ".join(f'"{word}"' for word in unknown[:_NAMED])
        more = f" and {len(unknown) - _NAMED} more" if len(unknown) > _NAMED else ""
        what = "this word was" if len(unknown) == 1 else "these words were"
        notes.append(f"{what} not understood by the model: {named}{more}; no picture is called a sure match")
    elif not description.telling:
        notes.append("the words name nothing that a picture could show; no picture is called a sure match")
    return notes
