"""What a search must answer, worked out from a dictionary of pictures by loops and sorting.

Knows no slot, no segment, no index: only the definitions in docs/search.md."""

from __future__ import annotations

import fnmatch
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from arithmetic_model import ArithmeticModel, Content

from imgsearch.search.calibration import Calibration

MODEL = ArithmeticModel()


@dataclass(frozen=True)
class Place:
    """Where a file lies. ``online``: whether its root can be reached."""

    root_id: int
    root: Path
    relative: str
    online: bool = True

    @property
    def path(self) -> Path:
        return self.root / self.relative


@dataclass(frozen=True)
class Picture:
    """A living picture: ``tokens`` as the library stores them, as float32; its files, at least one."""

    image_id: int
    content: Content
    tokens: np.ndarray
    places: Sequence[Place]

    @property
    def path(self) -> Path:
        """The file that is shown: of a root that is online, then by root, then by the bytes of the path."""
        return min(self.places, key=lambda p: (not p.online, p.root_id, p.relative.encode())).path


def _words(text: str) -> list[str]:
    return re.findall("[a-z0-9]+", text.lower())


def _folders(place: Place) -> str:
    return f" {' '.join(_words(str(place.path.parent)))} "


def _year(picture: Picture) -> int:
    return int((picture.content.facts.taken_at or "0")[:4])


def _shape(picture: Picture) -> str:
    facts = picture.content.facts
    if max(facts.width, facts.height) <= 1.05 * min(facts.width, facts.height):
        return "square"
    return "portrait" if facts.height > facts.width else "landscape"


OF_A_FILE: dict[str, Callable[[Place], bool]] = {
    "folder:alps": lambda place: " alps " in _folders(place),
    "folder:beach": lambda place: " beach " in _folders(place),
    'folder:"north ridge"': lambda place: " north ridge " in _folders(place),
    "folder:archive": lambda place: place.root.name == "archive",
    "name:du": lambda place: any(word.startswith("du") for word in _words(place.path.name)),
    "name:Night": lambda place: any(word.startswith("night") for word in _words(place.path.name)),
    "name:d*1.png": lambda place: fnmatch.fnmatchcase(place.path.name.lower(), "d*1.png"),
}
OF_A_PICTURE: dict[str, Callable[[Picture], bool]] = {
    "year:2019": lambda picture: _year(picture) == 2019,
    "year:2017-2018": lambda picture: 2017 <= _year(picture) <= 2018,
    "after:2018-06": lambda picture: (picture.content.facts.taken_at or "") >= "2018-06",
    "before:2019-03-10": lambda picture: "" < (picture.content.facts.taken_at or "") < "2019-03-10",
    "camera:canon": lambda picture: "Canon" in (picture.content.facts.camera or ""),
    "type:jpg": lambda picture: picture.content.facts.format == "JPEG",
    "width:>=1000": lambda picture: picture.content.facts.width >= 1000,
    "height:481-1000": lambda picture: 481 <= picture.content.facts.height <= 1000,
    "is:square": lambda picture: _shape(picture) == "square",
    "is:portrait": lambda picture: _shape(picture) == "portrait",
    "has:gps": lambda picture: picture.content.facts.latitude is not None,
    "has:date": lambda picture: picture.content.facts.taken_at is not None,
    "near:44,2,250": lambda picture: abs((picture.content.facts.latitude or -90) - 44) * 111.195 <= 250,
}
FILTERS = [*OF_A_FILE, *OF_A_PICTURE]
_ANY = ("folder", "name", "camera", "type", "is", "year")


@dataclass(frozen=True)
class Question:
    """``filters``: entries of ``FILTERS``, with a minus before those turned round. ``compared``: ("similar" or "like",
    image id)."""

    words: str = ""
    unwanted: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    compared: tuple[str, int] | None = None

    @property
    def text(self) -> str:
        compared = [":".join(map(str, self.compared))] if self.compared else []
        return " ".join([*self.filters, self.words, *compared, *(f"-{word}" for word in self.unwanted)]).strip()

    def allows(self, picture: Picture) -> bool:
        """Whether ``picture`` may be among the answers."""
        if self.compared and picture.image_id == self.compared[1]:
            return False
        groups: dict[str, list[str]] = {}
        for place, one in enumerate(self.filters):
            name = one.split(":")[0]
            if one.startswith("-"):
                if self._holds(one[1:], picture):
                    return False
            else:
                groups.setdefault(name if name in _ANY else f"{name} {place}", []).append(one)
        of_files = [group for group in groups.values() if group[0] in OF_A_FILE]
        others = [group for group in groups.values() if group[0] in OF_A_PICTURE]
        one_file = any(all(any(OF_A_FILE[one](p) for one in group) for group in of_files) for p in picture.places)
        return one_file and all(any(self._holds(one, picture) for one in group) for group in others)

    @staticmethod
    def _holds(one: str, picture: Picture) -> bool:
        if one in OF_A_FILE:
            return any(OF_A_FILE[one](place) for place in picture.places)
        return OF_A_PICTURE[one](picture)

    def score(self, picture: Picture, pictures: dict[int, Picture]) -> float:
        """By vectors: the best token with the text, or the likeness to a picture, or both, as float32 gives it."""
        total = 0.0
        if self.compared:
            other = pictures[self.compared[1]].tokens
            pairs = zip(picture.tokens.astype(np.float64), other.astype(np.float64), strict=True)
            total = float(np.float32(math.fsum(float(np.sum(a * b)) for a, b in pairs) / len(other)))
        if self.words:
            text = MODEL.embed_texts([self.words])[0].astype(np.float64)
            total += max(math.fsum(token.astype(np.float64) * text) for token in picture.tokens)
        return float(np.float32(total))


def step(score: float) -> int:
    """Scores of one step are a tie."""
    return round(score / 1e-5)


def by_vectors(question: Question, pictures: dict[int, Picture]) -> dict[int, float]:
    """Image id -> score of every allowed picture, in the order of the answer."""
    scores = {key: question.score(one, pictures) for key, one in pictures.items() if question.allows(one)}
    if not question.words and not question.compared:
        return dict.fromkeys(sorted(scores, reverse=True), 0.0)  # the newest first
    return {key: scores[key] for key in sorted(scores, key=lambda key: (-step(scores[key]), key))}


@dataclass
class Expected:
    """A hit; see records.Hit. ``unwanted``: the largest probability of a text that is not wanted."""

    image_id: int
    itc: float
    path: Path
    logit: float | None = None
    probability: float | None = None
    confident: bool | None = None
    margin: float = math.inf
    unwanted: float = 0.0


class Undecided(Exception):
    """A number lies so close to a threshold that either answer is right."""


def answer(
    question: Question,
    first: dict[int, float],
    pictures: dict[int, Picture],
    depth: int,
    calibration: Calibration | None,
) -> list[Expected]:
    """The whole answer with --all, best first, given the order ``first`` that vectors put the allowed pictures in."""
    hits = [Expected(key, score, pictures[key].path) for key, score in first.items()]
    texts = [*([question.words] if question.words else []), *question.unwanted]
    matched = hits[:depth] if texts else []
    for hit in matched:
        _match(hit, question, pictures[hit.image_id].content.features)
    dropped = len([hit for hit in matched if hit.unwanted >= 0.5])
    for hit in hits[len(matched) : len(matched) + dropped]:
        _match(hit, question, pictures[hit.image_id].content.features)
        matched.append(hit)
    if question.unwanted:
        matched.sort(key=lambda hit: (-step((hit.probability or 1.0) * (1 - hit.unwanted)), hit.image_id))
    else:
        matched.sort(key=lambda hit: (-step(hit.itc + (hit.logit or 0.0)), hit.image_id))
    hits[: len(matched)] = matched
    if calibration is not None and question.words and matched:  # vectors alone decide nothing
        _judge(hits, len(matched), first, question, pictures, calibration)
        hits = [hit for hit in hits if hit.confident] + [hit for hit in hits if not hit.confident]
    return hits


def _match(hit: Expected, question: Question, features: np.ndarray) -> None:
    if question.words:
        no, yes = (float(logit) for logit in MODEL.match_both([question.words], features[None])[0])
        hit.logit, hit.margin, hit.probability = yes, yes - no, math.exp(yes) / (math.exp(yes) + math.exp(no))
    together = [
        f"{question.words} {text}" if text.startswith("at ") else f"{question.words} and {text}"
        for text in question.unwanted
        if question.words
    ]
    for text in [*question.unwanted, *together]:
        no, yes = (float(logit) for logit in MODEL.match_both([text], features[None])[0])
        if text in together:
            no += hit.margin - 2
        hit.unwanted = max(hit.unwanted, math.exp(yes) / (math.exp(yes) + math.exp(no)))


def _judge(
    hits: list[Expected],
    matched: int,
    first: dict[int, float],
    question: Question,
    pictures: dict[int, Picture],
    rule: Calibration,
) -> None:
    """Confident or not: re-ranked hits by the rule, those behind them as long as all scores so far stand out."""
    plain = Question(question.words)
    scores = [plain.score(picture, pictures) for picture in pictures.values()]
    mean, deviation = float(np.mean(scores)), max(float(np.std(scores)), 1e-3)
    by_vectors_alone, lowest = {}, math.inf
    for key, score in first.items():
        lowest = min(lowest, (score - mean) / deviation)
        by_vectors_alone[key] = lowest - rule.least_z
    for place, hit in enumerate(hits):
        z = (hit.itc - mean) / deviation
        strength = by_vectors_alone[hit.image_id]
        if place < matched:
            strength = rule.margin_weight * hit.margin + rule.itc_weight * hit.itc + rule.z_weight * z + rule.bias
        hit.confident = strength >= 0 and hit.unwanted < 0.5
        if abs(strength) < 1e-3:
            raise Undecided
