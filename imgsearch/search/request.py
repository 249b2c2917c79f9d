"""What the first stage is asked for, and what it finds."""

from __future__ import annotations

from dataclasses import dataclass

from imgsearch.records import Float32, Int64
from imgsearch.search.calibration import PartAgreement, ScoreBackground
from imgsearch.search.features.stored import ImageSource
from imgsearch.search.query.parser import ParsedQuery
from imgsearch.search.query.parts import Parts


@dataclass(frozen=True, slots=True)
class RetrievalRequest:
    """A parsed query, made ready for the library: what the first stage looks for, and how much of it ITM re-ranks.

    ``text`` is the description's vector [1, D] and ``image`` the tokens [T, D] of an image to compare with; either or
    both may be missing. ``excluding`` are ids of such images, which are no answers. ITM re-ranks the first ``depth``
    candidates, and up to ``reach`` where some show what is not wanted. With ``worded``, images whose texts hold the
    description's words (`text_evidence`) follow the first ``depth``. If ``parts`` of the description are given, with
    their ``vectors`` [P, D], the candidates that may be re-ranked are compared with them."""

    parsed: ParsedQuery
    text: Float32 | None = None
    image: Float32 | None = None
    excluding: tuple[int, ...] = ()
    depth: int = 0
    reach: int = 0
    worded: bool = False
    parts: Parts | None = None
    vectors: Float32 | None = None


@dataclass(frozen=True, slots=True)
class Nearest:
    """The best slots and their scores [n] for one request, and the background of the library for its text."""

    slots: Int64
    scores: Float32
    background: ScoreBackground


@dataclass(frozen=True, slots=True)
class Candidate:
    """An image that the vectors found, with the catalog's facts about it. ``score``: ITC, or likeness, or their sum;
    ``z``: by how many deviations the score is above the library's mean for this text; ``words``: the texts about it or
    in it that hold the description's words; ``lifted``: it is a candidate only because of these; ``text_places``: its
    place, from 0 on, in each ranked source of texts."""

    image_id: int
    score: float
    z: float
    source: ImageSource
    words: str = ""
    lifted: bool = False
    text_places: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class RetrievalResult:
    """The candidates, best first, with what an answer has to say about all of them."""

    candidates: list[Candidate]
    more: bool  # further images pass the filters
    generation: int
    note: str | None = None  # for the person, about the index
    agreements: tuple[PartAgreement, ...] = ()  # how the first candidates agree with the description's parts
    lifted: int = 0  # candidates that words lifted to the places behind the first ``depth``
    total: int = 0  # images that pass the filters

    @property
    def text_places(self) -> dict[int, tuple[int, ...]]:
        """Image id -> its places in ranked sources of texts, for those that are in any."""
        return {one.image_id: one.text_places for one in self.candidates if one.text_places}
