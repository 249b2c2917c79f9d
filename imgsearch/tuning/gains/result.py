"""What a run did and gained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from imgsearch.training.loop_settings import LoopSettings
from imgsearch.tuning.gains.before_after import JudgedSet
from imgsearch.tuning.gains.measure import Difference, Ranks
from imgsearch.tuning.interpolation import Tried
from imgsearch.tuning.parts import Part, share_trained
from imgsearch.tuning.pictures.prepare import Prepared


@dataclass(frozen=True, slots=True)
class TuneResult:
    """``model``: the folder that every command takes as --model. By set ("withheld": the person's own pictures,
    "general": what the model knew): what was asked, the ranks before and after, and the differences. ``tried``: how far
    the weights were moved, the chosen point last."""

    model: Path
    report: Path
    parts: tuple[Part, ...]
    prepared: Prepared
    sets: dict[str, JudgedSet]
    before: dict[str, Ranks]
    after: dict[str, Ranks]
    differences: dict[str, list[Difference]]
    settings: LoopSettings
    steps: int
    best_step: int
    tried: tuple[Tried, ...]
    seconds: float

    @property
    def share_moved(self) -> float:
        """How far the weights were moved, as a share of the way to the trained ones, 0..1."""
        return self.tried[-1].share if self.tried else 1.0

    @property
    def share_trained(self) -> float:
        """Trained numbers as a share of the model's, 0..1."""
        return share_trained(list(self.parts))
