"""What a run that tunes a generator is asked to do. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from imgsearch.tuning.pairs import Pairs


@dataclass(frozen=True, slots=True)
class LanguageOptions:
    """How to train; 0 where the model decides. ``rehearsal``: the share of each batch that is general pairs.
    ``forget``: how many points of their words' agreement captions of general pictures may lose.
    ``recompute``: less memory, a third more time. ``precision``: "auto", "float32" or "bfloat16"."""

    steps: int = 0
    batch_size: int = 8
    learning_rate: float = 0.0
    rehearsal: float = 0.25
    forget: float = 2.0
    recompute: bool = False
    precision: str = "auto"
    seed: int = 0


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
