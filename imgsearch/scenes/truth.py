"""Whether a caption in the generator's language is true of a scene: read back into what it says, each thing checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from imgsearch.scenes.captions import Mention, relation_between
from imgsearch.scenes.graph import ObjectGroup, Scene
from imgsearch.scenes.vocabulary import COLOURS, NOUNS, NUMBERS, POSITIONS, RELATIONS, SETTINGS, SIZES

ASPECTS = ("object", "colour", "count", "size", "position", "relation", "setting")
_WORD = re.compile(r"[a-z0-9]+|[^\sa-z0-9]")
# Words that join mentions or open a caption and claim nothing.
_FILLERS = frozenset(
    ("and", "with", "together", ",", ".", "there", "is", "are", "i", "see", "it", "here", "this", "shows")
)
_OPENINGS = (("picture", "of"), ("photo", "of"), ("image", "of"), ("photograph", "of"))


@dataclass(frozen=True, slots=True)
class Claim:
    """One thing that a caption says: its aspect (one of `ASPECTS`), the words, and whether it is true of the scene."""

    aspect: str
    words: str
    true: bool


@dataclass(frozen=True, slots=True)
class Findings:
    """``claims`` in the caption's order; ``mentions`` what it names; ``unread`` the words that belong to nothing that
    the generator's language says; ``coloured``: it names an object that is there, with the colour that it has."""

    claims: tuple[Claim, ...]
    mentions: tuple[Mention, ...]
    unread: tuple[str, ...]
    coloured: bool

    @property
    def all_true(self) -> bool:
        """It says something, and nothing of it is false or cannot be read."""
        return bool(self.claims) and not self.unread and all(claim.true for claim in self.claims)


def _phrases(table: Mapping[str, tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    return {tuple(phrase.split()): name for name, phrases in table.items() for phrase in phrases}


_NOUN_OF = {word: noun.name for noun in NOUNS for pair in noun.words for word in pair}
_COLOUR_OF = {word: name for name, (_, words) in COLOURS.items() for word in words}
_SIZE_OF = {word: name for name, words in SIZES.items() for word in words}
_COUNT_OF = {**{word: count for count, word in enumerate(NUMBERS)}, **{str(n): n for n in range(10)}, "a": 1, "an": 1}
# Aspect by phrase, the longest phrase first, so that "to the left of" is not read as "left".
_PLACED: list[tuple[tuple[str, ...], str, str]] = sorted(
    (
        (phrase, aspect, name)
        for aspect, table in (("position", POSITIONS), ("relation", RELATIONS), ("setting", SETTINGS))
        for phrase, name in _phrases(table).items()
    ),
    key=lambda entry: -len(entry[0]),
)


def true_of(caption: str, scene: Scene) -> Findings:
    """What the caption says of the scene, and which of it is true, decided from the graph alone.

    Read are the words and phrases of `imgsearch.scenes.vocabulary` in any order that `say` could make, and a little
    more ("the", digits). A thing named twice claims its number twice over, which is false."""
    return _Reader(scene).read(_WORD.findall(caption.lower()))


class _Reader:
    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._group_of = {group.kind: group for group in scene.groups}
        self._claims: list[Claim] = []
        self._mentions: list[Mention] = []
        self._unread: list[str] = []
        self._coloured = False
        self._relation: tuple[str, str] | None = None  # its words and name, until the second thing is read

    def read(self, words: list[str]) -> Findings:
        start = 0
        while start < len(words):
            start += self._read_at(words, start)
        if self._relation is not None:
            self._claim("relation", self._relation[0], False)  # of nothing to nothing
        return Findings(tuple(self._claims), tuple(self._mentions), tuple(self._unread), self._coloured)

    def _read_at(self, words: list[str], start: int) -> int:
        """How many words from ``start`` on were read."""
        for phrase, aspect, name in _PLACED:
            if tuple(words[start : start + len(phrase)]) == phrase:
                self._read_place(aspect, name, " ".join(phrase))
                return len(phrase)
        rest = words[start + (words[start] in ("a", "the")) :]
        if tuple(rest[:2]) in _OPENINGS:
            return 2 + (len(words) - start - len(rest))
        length = self._read_mention(words, start)
        if length:
            return length
        if words[start] not in _FILLERS:
            self._unread.append(words[start])
        return 1

    def _read_place(self, aspect: str, name: str, words: str) -> None:
        if aspect == "setting":
            self._claim(aspect, words, name == self._scene.setting)
        elif aspect == "relation":
            self._relation = (words, name)
        else:
            group = self._group_of.get(self._mentions[-1].kind) if self._mentions else None
            self._claim(aspect, words, group is not None and group.position == name)

    def _read_mention(self, words: list[str], start: int) -> int:
        """[number] [size] [colour] noun; 0 if that is not what stands here."""
        place = start
        count = _COUNT_OF.get(words[place])
        place += count is not None or words[place] == "the"
        size = _SIZE_OF.get(words[place]) if place < len(words) else None
        place += size is not None
        colour = _COLOUR_OF.get(words[place]) if place < len(words) else None
        place += colour is not None
        kind = _NOUN_OF.get(words[place]) if place < len(words) else None
        if kind is None:
            return 0
        said = " ".join(words[start : place + 1])
        self._check(Mention(kind, -1 if count is None else count, colour, size), said)
        return place + 1 - start

    def _check(self, mention: Mention, said: str) -> None:
        group = self._group_of.get(mention.kind)
        self._claim("object", said, group is not None)
        if mention.colour is not None:
            right = group is not None and group.colour == mention.colour
            self._claim("colour", said, right)
            self._coloured = self._coloured or right
        again = any(other.kind == mention.kind for other in self._mentions)
        if mention.count >= 0:
            self._claim("count", said, group is not None and group.count == mention.count and not again)
        if mention.size is not None:
            self._claim("size", said, group is not None and group.size == mention.size)
        if self._relation is not None:
            self._check_relation(self._group_of.get(self._mentions[-1].kind) if self._mentions else None, group)
        self._mentions.append(mention)

    def _check_relation(self, first: ObjectGroup | None, second: ObjectGroup | None) -> None:
        assert self._relation is not None
        words, name = self._relation
        apart = first is not None and second is not None and first != second
        self._claim("relation", words, apart and relation_between(first, second) == name)  # type: ignore[arg-type]
        self._relation = None

    def _claim(self, aspect: str, words: str, true: bool) -> None:
        self._claims.append(Claim(aspect, words, true))
