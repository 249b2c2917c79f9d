"""Images about which, or in which, all words of a description stand: candidates in addition to the vectors' ones.

Each source of such texts names images. A ranked source orders them, and its order is fused with that of the model by
reciprocal rank (Cormack, Clarke and Buettcher 2009); the others only see to it that their images are looked at. Where
no text holds the words, an answer is what it is without this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from imgsearch.records import Hit, Int64
from imgsearch.search.request import Candidate, Nearest
from imgsearch.search.word_matches import near_expression, shown_lines, shown_words, word_expression
from imgsearch.storage import Store, StoredCaption, StoredText
from imgsearch.storage.reads.captions import read_caption_matches, read_captions
from imgsearch.storage.reads.fact_reads import read_word_matches, read_words
from imgsearch.storage.reads.image_texts import read_text_matches, read_texts

MOST_RANKED = 16
"""Images of a ranked source that are re-ranked and take part in the fusion; the vectors choose among the others."""

_DAMPING = 60  # of reciprocal rank fusion, as its authors found it
_MODEL_PLACES = 10
"""Places of the model's order that count for an image whose text has the words. One that the model likes no better than
that is not lifted above those that it likes best, but set among them."""

READ_REASON = "read in the picture"
GENERATED_REASON = "generated caption"


@dataclass(frozen=True, slots=True)
class TextSource:
    """Where texts come from. ``expression`` makes the FTS5 query of a description, "" where none of its words is worth
    looking for; ``find`` gives ids of images, at most so many, of a ranked source the best first; ``read`` reads the
    texts of images by id, and ``tell`` says which words of a description one of them holds."""

    name: str
    expression: Callable[[str], str]
    find: Callable[[Store, str, int], Iterable[int]]
    read: Callable[[Store, Sequence[int]], Mapping[int, Any]]
    tell: Callable[[str, Any], str]
    ranked: bool = False


def _tell_read(description: str, text: StoredText) -> str:
    lines = shown_lines(description, [line.text for line in text.lines])
    return f"{READ_REASON}: {lines}" if lines else READ_REASON


def _tell_generated(description: str, caption: StoredCaption) -> str:
    return f"{GENERATED_REASON}: {shown_lines(description, [caption.text])}"


PEOPLE = TextSource("people", word_expression, read_word_matches, read_words, shown_words)
"""Tags, titles and captions that people wrote."""

READ = TextSource("read", near_expression, read_text_matches, read_texts, _tell_read, ranked=True)
"""Words that stand in the picture, near one another."""

GENERATED = TextSource("generated", word_expression, read_caption_matches, read_captions, _tell_generated, ranked=True)
"""Sure captions that a generator wrote. All words, for captions that only hold some cost 4 of 97.5 % first places on
drawn scenes, and these cost none (docs/generation.md)."""

SOURCES = (PEOPLE, READ)
"""What a search asks. Not the generated captions: `imgsearch eval --captions` measures whether they help a library."""

WITH_CAPTIONS = (*SOURCES, GENERATED)


@dataclass(frozen=True, slots=True)
class TextEvidence:
    """The images that each source found, the best first."""

    found: tuple[tuple[TextSource, tuple[int, ...]], ...] = ()

    def __bool__(self) -> bool:
        return any(ids for _, ids in self.found)

    @property
    def image_ids(self) -> Int64:
        """All of them, ascending."""
        return np.unique(np.array([number for _, ids in self.found for number in ids], np.int64))

    @property
    def places(self) -> dict[int, tuple[int, ...]]:
        """Image id -> its place, from 0 on, in each ranked source that has it among its first."""
        places: dict[int, tuple[int, ...]] = {}
        for source, ids in self.found:
            for place, number in enumerate(ids[:MOST_RANKED] if source.ranked else ()):
                places[number] = (*places.get(number, ()), place)
        return places

    def among(self, image_ids: frozenset[int]) -> TextEvidence:
        """What remains of it for these images."""
        return TextEvidence(
            tuple((source, tuple(number for number in ids if number in image_ids)) for source, ids in self.found)
        )


NO_EVIDENCE = TextEvidence()


def put_behind(best: Nearest, depth: int, chosen: Sequence[Nearest]) -> Nearest:
    """``best`` with the slots of ``chosen`` behind its first ``depth``, where it does not have them twice."""
    slots = np.concatenate([part.slots for part in chosen])
    rest = ~np.isin(best.slots[depth:], slots)
    return Nearest(
        np.concatenate([best.slots[:depth], slots, best.slots[depth:][rest]]),
        np.concatenate([best.scores[:depth], *(part.scores for part in chosen), best.scores[depth:][rest]]),
        best.background,
    )


def with_words(
    found: Sequence[Candidate], reasons: Mapping[int, str], places: Mapping[int, tuple[int, ...]], lifted: range
) -> list[Candidate]:
    """The candidates, each with the ``reasons`` and ``places`` of the texts that hold the description's words.
    ``lifted``: where those stand that only such texts brought."""
    return [
        replace(one, words=reasons[one.image_id], lifted=place in lifted, text_places=places.get(one.image_id, ()))
        if one.image_id in reasons
        else one
        for place, one in enumerate(found)
    ]


def fused_by_rank(hits: list[Hit], places: Mapping[int, tuple[int, ...]], description: str) -> list[Hit]:
    """``hits`` in the model's order, with those whose texts have the words set among them: a hit's worth is the sum of
    1 / (60 + place) over the orders that have it. A description with digits means what is written, so at equal worth
    the text goes first. Hits that the model holds for wrong stay behind, unless a text speaks for them."""
    if not places:
        return hits
    literal = any(letter.isdigit() for letter in description)

    def worth(hit: Hit, place: int) -> tuple[bool, float, bool, int]:
        own = places.get(hit.image_id, ())
        total = sum(1 / (_DAMPING + 1 + each) for each in own)
        if hit.confident is not False and (not own or place < _MODEL_PLACES):
            total += 1 / (_DAMPING + 1 + place)
        return not total, -round(total, 12), bool(own) != literal, place

    order = sorted(range(len(hits)), key=lambda place: worth(hits[place], place))
    return [hits[place] for place in order]


def listed_notes(hits: Sequence[Hit]) -> list[str]:
    """Why hits are listed that the model does not hold for certain; none if there are none."""
    listed = [hit.words for hit in hits if hit.words and not hit.confident]
    read = sum(words.startswith(READ_REASON) for words in listed)
    generated = sum(words.startswith(GENERATED_REASON) for words in listed)
    notes = []
    if read + generated < len(listed):
        notes.append("some are here because people described them so, whatever the model sees")
    if read:
        notes.append("some are here because of the words read in them, whatever the model sees")
    if generated:
        notes.append("some are here because a generated caption describes them so, whatever the model sees")
    return notes
