"""Images about which, or in which, all words of a description stand: candidates in addition to the vectors' ones.

Each source of such texts names images. A ranked source orders them, and its order is fused with that of the model by
reciprocal rank (Cormack, Clarke and Buettcher 2009); the others only see to it that their images are looked at. Where
no text holds the words, an answer is what it is without this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from imgsearch.records import Float32, Hit, Int64
from imgsearch.search.open_index import Nearest, OpenIndex
from imgsearch.search.word_matches import (
    MOST_LIFTED,
    MOST_MATCHES,
    near_expression,
    shown_lines,
    shown_words,
    word_expression,
)
from imgsearch.storage import Store
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
    looking for; ``find`` gives ids of images, at most so many, of a ranked source the best first; ``tell`` says of
    images by id which of their words these are."""

    name: str
    expression: Callable[[str], str]
    find: Callable[[Store, str, int], Iterable[int]]
    tell: Callable[[Store, str, Sequence[int]], Mapping[int, str]]
    ranked: bool = False


def _tell_people(store: Store, description: str, image_ids: Sequence[int]) -> Mapping[int, str]:
    return {image_id: shown_words(description, told) for image_id, told in read_words(store, image_ids).items()}


def _find_people(store: Store, expression: str, most: int) -> list[int]:
    return [int(image_id) for image_id in read_word_matches(store, expression, most)]


def _tell_read(store: Store, description: str, image_ids: Sequence[int]) -> Mapping[int, str]:
    texts = read_texts(store, image_ids)
    shown = {number: shown_lines(description, [line.text for line in text.lines]) for number, text in texts.items()}
    return {number: f"{READ_REASON}: {lines}" if lines else READ_REASON for number, lines in shown.items()}


PEOPLE = TextSource("people", word_expression, _find_people, _tell_people)
"""Tags, titles and captions that people wrote."""

READ = TextSource("read", near_expression, read_text_matches, _tell_read, ranked=True)
"""Words that stand in the picture, near one another."""


def _tell_generated(store: Store, description: str, image_ids: Sequence[int]) -> Mapping[int, str]:
    captions = read_captions(store, image_ids)
    return {number: f"{GENERATED_REASON}: {shown_lines(description, [one.text])}" for number, one in captions.items()}


GENERATED = TextSource("generated", word_expression, read_caption_matches, _tell_generated, ranked=True)
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

    def reasons(self, store: Store, description: str, image_ids: Sequence[int]) -> dict[int, str]:
        """Image id -> which texts hold the words, for those of ``image_ids`` that have such a text."""
        told: dict[int, list[str]] = {}
        for source, ids in self.found:
            inside = frozenset(ids)
            own = [number for number in image_ids if number in inside]
            for number, reason in source.tell(store, description, own).items() if own else ():
                told.setdefault(number, []).append(reason)
        return {number: ", ".join(filter(None, reasons)) for number, reasons in told.items()}


def find_evidence(store: Store, description: str, sources: Sequence[TextSource] = SOURCES) -> TextEvidence:
    """What the sources know of a description. 0.1 ms a source where it has no texts."""
    found = []
    for source in sources:
        expression = source.expression(description)
        if expression:
            found.append((source, tuple(source.find(store, expression, MOST_MATCHES))))
    return TextEvidence(tuple(found))


@dataclass(frozen=True, slots=True)
class Lift:
    """``best`` with ``lifted`` slots more behind the first ones, and the evidence that lifted them."""

    best: Nearest
    evidence: TextEvidence = TextEvidence()
    lifted: int = 0


def lift_images(
    opened: OpenIndex, text: Float32, best: Nearest, depth: int, evidence: TextEvidence, allowed: Int64 | None
) -> Lift:
    """Put images of the evidence that are ``allowed`` behind the first ``depth``: of each ranked source the first, and
    of the others the best by vectors for the ``text`` [1, D]."""
    ids = evidence.image_ids
    slots = opened.view.slots_of_images(ids) if len(ids) else ids
    slots = np.intersect1d(slots, opened.shown_slots if allowed is None else allowed)
    if not len(slots):
        return Lift(best)
    evidence = evidence.among(frozenset(opened.view.image_ids_of(slots).tolist()))
    first, rest = best.slots[:depth], best.slots[depth:]
    missed = np.setdiff1d(slots, first)
    if not len(missed):
        return Lift(best, evidence)
    leading = (
        opened.view.slots_of_images(np.array(sorted(evidence.places), np.int64)) if evidence.places else missed[:0]
    )
    leading = np.intersect1d(leading, missed)
    others = np.setdiff1d(missed, leading)
    chosen = [
        opened.nearest(text, count, group)[0]
        for count, group in ((len(leading), leading), (MOST_LIFTED - len(leading), others))
        if len(group) and count > 0
    ]
    chosen_slots = np.concatenate([part.slots for part in chosen])
    kept = ~np.isin(rest, chosen_slots)
    merged = Nearest(
        np.concatenate([first, chosen_slots, rest[kept]]),
        np.concatenate([best.scores[:depth], *(part.scores for part in chosen), best.scores[depth:][kept]]),
        best.background,
    )
    return Lift(merged, evidence, len(chosen_slots))


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
