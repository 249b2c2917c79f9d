"""What a run that tunes a generator is asked to do. Imports no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from imgsearch.tuning.pairs import Pairs

_EPOCHS, _FEWEST_STEPS, _MOST_STEPS = 4, 200, 5000
"""Of the own pictures. In 200 steps of 16, six tenths rehearsed, LoRA on the small generator took the agreement of
words on the shifted world from .14 to .54; general captions lost .03."""


@dataclass(frozen=True, slots=True)
class LanguageOptions:
    """How to train; 0 where the model decides. ``rehearsal``: the share of each batch that is general pairs.
    ``forget``: how many points of their words' agreement captions of general pictures may lose.
    ``recompute``: less memory, a third more time. ``precision``: "auto", "float32" or "bfloat16"."""

    steps: int = 0
    batch_size: int = 8
    learning_rate: float = 0.0
    rehearsal: float = 0.6
    forget: float = 3.0
    recompute: bool = False
    precision: str = "auto"
    seed: int = 0

    def steps_for(self, pictures: int) -> int:
        """How many steps there are, for so many ``pictures`` to learn from."""
        own = self.batch_size * (1 - self.rehearsal)
        return self.steps or min(_MOST_STEPS, max(_FEWEST_STEPS, math.ceil(_EPOCHS * pictures / own)))


@dataclass(frozen=True, slots=True)
class LanguageRequest:
    """A run: ``pairs`` to learn, ``generator`` to begin from (a LAVIS ``.pth`` with its ``language_model``), ``way``
    ("lora", "qformer", "both"), ``folder`` for everything that it makes. ``general``: what must stay known; None for
    drawn scenes."""

    pairs: Pairs
    source: str
    generator: str
    way: str
    folder: Path
    general: Pairs | None = None
    device: str = "auto"
    options: LanguageOptions = LanguageOptions()
    language_model: str | None = None
