"""What a tuning run is asked to do, and what follows from the model where nothing is asked. Imports no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from imgsearch.training.loop_settings import LoopSettings
from imgsearch.tuning.pairs import Pairs

_BATCH = 48
_EPOCHS, _FEWEST_STEPS, _MOST_STEPS = 40, 200, 5000
_MATCHING_WEIGHT = 3.0
"""Of ITM's loss beside ITC's. With 1, and a quarter of a batch for ITM, ITC knew the shifted world after 240 steps and
ITM was right in 85 % of its pairs."""

_JUDGEMENTS, _JUDGED_EVERY = 20, 10  # a run is judged so often, but not more often than every ten steps


@dataclass(frozen=True, slots=True)
class TuneOptions:
    """How to train; 0 or "auto" where the model decides. ``rehearsal``: the share of each batch that is general pairs.
    ``budget_bytes``: the disk that kept ViT features may take. ``batches``: whose gradients are added up before a step.
    ``recompute``: less memory, a third more time. ``patience``: judgements without a gain after which it ends."""

    steps: int = 0
    batch_size: int = 0
    learning_rate: float = 0.0
    rehearsal: float = 0.5
    batches: int = 1
    recompute: bool = False
    precision: str = "auto"  # "auto", "float32", "bfloat16"
    patience: int = 6
    budget_bytes: int = 20_000_000_000
    seed: int = 0


@dataclass(frozen=True, slots=True)
class TuneRequest:
    """A run: ``pairs`` to learn, ``model`` to begin from, ``way`` ("qformer", "lora", "all"), ``folder`` for everything
    that it makes. ``general``: what must stay known; None for drawn scenes."""

    pairs: Pairs
    source: str
    model: str
    way: str
    folder: Path
    general: Pairs | None = None
    device: str = "auto"
    options: TuneOptions = TuneOptions()


def loop_settings(request: TuneRequest, width: int, pictures: int, bfloat16: bool) -> LoopSettings:
    """How the loop runs for a Q-Former of ``width`` and so many ``pictures`` to learn from."""
    options = request.options
    batch = options.batch_size or _BATCH
    steps = options.steps or _steps(pictures, round(batch * options.batches * (1 - options.rehearsal)))
    return LoopSettings(
        steps=steps,
        batch_size=batch,
        matching_pairs=max(2, batch // 2),
        learning_rate=options.learning_rate or learning_rate(request.way, width),
        warmup_steps=max(1, steps // 20),
        matching_weight=_MATCHING_WEIGHT,
        early_steps=0,
        harden=False,
        temperature=0.05,
        train_vision=request.way == "all",
        batches=options.batches,
        bfloat16=bfloat16,
        judge_every=max(_JUDGED_EVERY, steps // _JUDGEMENTS),
        patience=options.patience,
        seed=options.seed,
    )


def learning_rate(way: str, width: int) -> float:
    """The peak rate for a Q-Former of ``width``: BLIP-2's authors fine-tune theirs of 768 with 1e-5, and LoRA takes ten
    times as much. Narrow ones take more, the small model 1.6e-4: with 6e-4 it learned the shifted world in 240 steps
    (R@10 20 % to 97 %) and lost 14 points of R@1 on drawn scenes."""
    return (1e-4 if way == "lora" else 1e-5) * (768 / width) ** 2


def _steps(pictures: int, a_step: int) -> int:
    return min(_MOST_STEPS, max(_FEWEST_STEPS, math.ceil(_EPOCHS * pictures / max(1, a_step))))
