"""What a run that tunes a generator did and gained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from imgsearch.records import Int64
from imgsearch.tuning.interpolation import Tried
from imgsearch.tuning.language.gains import LanguageGain, Written
from imgsearch.tuning.parts import Part, share_trained
from imgsearch.tuning.pictures.prepare import Prepared


@dataclass(frozen=True, slots=True)
class LanguageResult:
    """``model``: the tuned generator's folder. ``sets`` (places of the judged pictures), ``before`` and
    ``after`` by the set's name; ``tried``: how far the weights were moved, the chosen point last; ``new_words``: words
    that the tokenizer did not know and has learned."""

    model: Path
    report: Path
    parts: tuple[Part, ...]
    prepared: Prepared
    sets: dict[str, Int64]
    before: dict[str, Written]
    after: dict[str, Written]
    gains: dict[str, list[LanguageGain]]
    new_words: tuple[str, ...]
    steps: int
    tried: tuple[Tried, ...]
    seconds: float

    @property
    def share_moved(self) -> float:
        """How far the weights were moved, as a share of the way to the trained ones, 0..1."""
        return self.tried[-1].share if self.tried else 1.0

    @property
    def share_trained(self) -> float:
        """Trained numbers as a share of the generator's own, 0..1."""
        return share_trained(list(self.parts))
