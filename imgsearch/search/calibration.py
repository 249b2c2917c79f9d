"""The rule that says which hits match with confidence, and so when nothing does."""

from __future__ import annotations

import json
import math
import threading
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from cachetools import LRUCache

from imgsearch.errors import UsageError
from imgsearch.records import Float32

SAMPLE = 512
"""Images in the library's background: with so many, the mean of their scores is off by 1/22 of the deviation."""


NEVER_Z = 1e6
"""`Calibration.least_z` of a rule that calls no image confident by its vectors alone."""

NO_LEAST = -1e6
"""`Calibration.least_thing` of a rule that asks for no thing by itself."""

_NUMBERS = ("margin_weight", "itc_weight", "z_weight", "bias", "least_z")
_LATER = ("clause_weight", "weakest_weight", "held_weight", "word_weight")  # 0 in a calibration from before they were


@dataclass(frozen=True, slots=True)
class PartAgreement:
    """How well an image agrees with the parts of the description, by ITC; see `imgsearch.search.query.parts`."""

    clauses: float = 0.0  # mean over the clauses
    weakest: float = 0.0  # the smallest over the clauses, in deviations over the library's mean for that clause
    held: float = 0.0  # of the clause that the re-ranked pictures agree with least, the best one's score
    words: float = 0.0  # mean over the telling words


UNDIVIDED = PartAgreement()
"""The agreement if the parts were not compared."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A linear rule on (margin, itc, z, agreement). ``margin`` is ITM's logit of "matches" less that of "does not";
    ``z`` is the number of deviations that the ITC score is above the mean of the library's images for the same query.

    A re-ranked hit is confident if these, each by its weight, and ``bias`` sum to 0 or more; one past the re-ranked
    if z >= ``least_z`` for it and for all that the vectors put before it. Of a description that names several things by
    nothing but their names (`parts.bare_things`), ITM's margin of each alone must be ``least_thing`` or more."""

    margin_weight: float
    itc_weight: float
    z_weight: float
    bias: float
    least_z: float
    source: str = ""  # what it was fitted on, for people
    clause_weight: float = 0.0
    weakest_weight: float = 0.0
    held_weight: float = 0.0
    word_weight: float = 0.0
    least_thing: float = NO_LEAST

    @property
    def reads_parts(self) -> bool:
        """Whether the rule needs the parts of the description, which cost a search some milliseconds."""
        return any((self.clause_weight, self.weakest_weight, self.held_weight, self.word_weight))

    def strength(self, margin: float, itc: float, z: float, agreement: PartAgreement = UNDIVIDED) -> float:
        """The weighted sum for one candidate: 0 or more is confident."""
        whole = self.margin_weight * margin + self.itc_weight * itc + self.z_weight * z
        parts = self.clause_weight * agreement.clauses + self.weakest_weight * agreement.weakest
        return whole + parts + self.held_weight * agreement.held + self.word_weight * agreement.words + self.bias

    def judge(self, one: ScoredCandidate) -> float:
        """``strength`` of a candidate."""
        return self.strength(one.margin, one.itc, one.z, one.agreement)

    def confident_by_vectors(self, z: float) -> bool:
        return z >= self.least_z

    def as_json(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> Calibration:
        """Raises UsageError for anything but what ``as_json`` gives."""
        try:
            fields: dict[str, Any] = json.loads(text)
            numbers = {name: float(fields[name]) for name in _NUMBERS}
            numbers |= {name: float(fields.get(name, 0.0)) for name in _LATER}
            numbers["least_thing"] = float(fields.get("least_thing", NO_LEAST))
            if not all(map(math.isfinite, numbers.values())):
                raise ValueError("a number is not finite")
            return Calibration(**numbers, source=str(fields.get("source", "")))
        except (ValueError, TypeError, KeyError) as exc:
            raise UsageError(
                f"this is not a calibration: {text[:60]!r}", "make a new one with `imgsearch calibrate`"
            ) from exc


UNCALIBRATED = Calibration(1.0, 0.0, 0.0, 0.0, NEVER_Z)
"""ITM's own answer: more for "matches" than for "does not"."""


@dataclass(frozen=True, slots=True)
class ScoredCandidate:
    """One re-ranked candidate of a query."""

    image_id: int
    margin: float
    itc: float
    z: float
    agreement: PartAgreement = UNDIVIDED


BACKGROUNDS = 4096
"""Texts whose backgrounds are kept, 1 kB each: the clauses of descriptions ("a red car") come again and again, and each
alone costs a pass over 16 MB of sampled vectors, 3 ms of a busy core."""


@dataclass(frozen=True, slots=True)
class ScoreBackground:
    """The distribution of a query's ITC scores with images taken evenly from the library."""

    mean: float
    deviation: float

    @staticmethod
    def of(sample: Float32, vector: Float32) -> ScoreBackground:
        """``sample`` [n, T, D], ``vector`` [1, D]."""
        return ScoreBackground.of_many(sample, vector)[0]

    @staticmethod
    def of_many(sample: Float32, vectors: Float32) -> list[ScoreBackground]:
        """The same for each of ``vectors`` [Q, D]: one product for all, where each alone reads 16 MB from memory."""
        if not len(sample):
            return [NO_BACKGROUND] * len(vectors)
        products = sample.reshape(-1, sample.shape[-1]) @ vectors.T  # [n * T, Q]
        scores = products.reshape(len(sample), -1, len(vectors)).max(axis=1)  # [n, Q]
        return [
            ScoreBackground(float(mean), max(float(deviation), 1e-3))
            for mean, deviation in zip(scores.mean(axis=0), scores.std(axis=0), strict=True)
        ]

    def z(self, score: float) -> float:
        return (score - self.mean) / self.deviation


NO_BACKGROUND = ScoreBackground(0.0, 1.0)
"""The background if there is no text to compare with."""


class KeptBackgrounds:
    """The backgrounds of texts over one ``sample`` [n, T, D], those of the latest `BACKGROUNDS` kept. Safe between
    threads."""

    def __init__(self, sample: Float32) -> None:
        self._sample = sample
        self._kept: LRUCache[bytes, ScoreBackground] = LRUCache(BACKGROUNDS)
        self._lock = threading.Lock()

    def of(self, vectors: Float32) -> list[ScoreBackground]:
        """One for each of ``vectors`` [Q, D]."""
        keys = [vector.tobytes() for vector in vectors]
        with self._lock:
            kept = {key: self._kept.get(key) for key in keys}
        missing = [place for place, key in enumerate(keys) if kept[key] is None]
        if missing:
            made = ScoreBackground.of_many(self._sample, vectors[missing])
            new = dict(zip((keys[place] for place in missing), made, strict=True))
            kept |= new
            with self._lock:
                self._kept.update(new)
        return [background for key in keys if (background := kept[key]) is not None]


def evenly(count: int, wanted: int = SAMPLE) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Up to ``wanted`` positions spread evenly over ``count``, the same every time."""
    # Steps are 1 at least, so no position comes twice.
    return np.linspace(0, max(0, count - 1), min(wanted, count)).astype(np.int64)
