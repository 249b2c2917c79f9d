"""How a vocabulary takes the words of a text: whole, in pieces, or not at all."""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cached_property

from tokenizers import Tokenizer

from imgsearch.model.text import clean_text

UNKNOWN = "[UNK]"

_OF_A_SCRIPT = 0.05
"""Share of its whole pieces from which on a vocabulary is one of a script. BERT's uncased English one: Latin 94 %, CJK
1.0 %, every other below 0.3 %; BERT's Chinese one: CJK above a third."""

_LATIN = "LATIN"


@dataclass(frozen=True, slots=True)
class VocabularyWord:
    """A word as the tokenizer parts them. ``pieces`` without the ``##`` of those that continue a word; ``foreign`` if
    the vocabulary is of other scripts than its letters, or of no numbers and it is one."""

    spelling: str
    pieces: tuple[str, ...]
    foreign: bool = False


class WordReader:
    """Takes texts apart with a word-piece tokenizer."""

    def __init__(self, pieces: Tokenizer) -> None:
        self._pieces = pieces

    def words(self, text: str) -> list[VocabularyWord]:
        """The words of a text, cleaned as the model reads it. A sign is a word of its own."""
        cleaned = clean_text(text)
        found = self._pieces.encode(cleaned, add_special_tokens=False)
        parts: dict[int | None, tuple[int, int, list[str]]] = {}  # by the word's number: begin, end, pieces
        for number, piece, (begin, end) in zip(found.word_ids, found.tokens, found.offsets, strict=True):
            first, _, pieces = parts.get(number, (begin, end, []))
            parts[number] = (first, end, [*pieces, piece.removeprefix("##")])
        spelled = [(cleaned[begin:end], tuple(pieces)) for begin, end, pieces in parts.values()]
        return [VocabularyWord(spelling, pieces, self._foreign(spelling)) for spelling, pieces in spelled]

    def _foreign(self, word: str) -> bool:
        if word.isascii():
            return word.isdigit() and not self._shares["number"]
        scripts = {_script(letter) for letter in word if letter.isalpha()}
        return any(self._shares[script] < _OF_A_SCRIPT for script in scripts)

    @cached_property
    def _shares(self) -> defaultdict[str, float]:
        """By script, its share of the vocabulary's whole pieces with a letter; "number": of numbers of two digits on.
        Cost: 20 ms for 30,000 pieces, once, where a text asks for it."""
        special = {"[PAD]", UNKNOWN, "[CLS]", "[SEP]", "[MASK]", "[DEC]"}
        whole = [
            piece
            for piece in self._pieces.get_vocab()
            if not piece.startswith(("##", "[unused")) and piece not in special
        ]
        counts = Counter(_script(piece[0]) for piece in whole if piece[0].isalpha())
        total = max(1, counts.total())
        shares = defaultdict(float, {script: count / total for script, count in counts.items()})
        shares["number"] = sum(piece.isdigit() and len(piece) > 1 for piece in whole) / total
        return shares


def _script(letter: str) -> str:
    """The first word of a letter's name: "LATIN", "CJK", "HIRAGANA"."""
    if letter.isascii():
        return _LATIN
    return unicodedata.name(letter, "UNNAMED").split(" ", 1)[0].removesuffix("-")
