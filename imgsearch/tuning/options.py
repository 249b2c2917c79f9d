"""What a tuning run is asked to do, and what follows from the model where nothing is asked. Imports no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from imgsearch.training.loop_settings import LoopSettings
from imgsearch.tuning.pairs import Pairs

_BATCH = 40
_MATCHED = 0.3  # of a batch, the pairs that ITM sees
_FEWEST_STEPS, _MOST_STEPS = 200, 5000
_EPOCHS = 12  # of the own pictures
_KEEP_VECTORS = 3.0
_KEEP_MATCHES = 1.0
"""Weights of what old answers are kept by, beside the losses of ITC and ITM. On the shifted world, with the whole
Q-Former, 3 and a peak rate of 6e-4, 200 steps took R@10 of withheld pictures from 20 to 95 %, and R@1 of 500 drawn
scenes that no part of the run had seen went from 86.8 / 89.4 to 86.7 / 90.4 by the first search. With 2 and 8e-4, 290
steps learned no more, and lost two points."""

_JUDGEMENTS, _JUDGED_EVERY = 20, 10  # a run is judged so often, but not more often than every ten steps


@dataclass(frozen=True, slots=True)
class TuneOptions:
    """How to train; 0 or "auto" where the model decides. ``rehearsal``: the share of each batch that is general pairs.
    ``budget_bytes``: the disk that kept ViT features may take. ``batches``: whose gradients are added up before a step.
    ``recompute``: less memory, a third more time. ``patience``: judgements without a gain after which it ends.
    ``forget``: how many points of R@1 general pictures may lose; the weights move no further than that."""

    steps: int = 0
    batch_size: int = 0
    learning_rate: float = 0.0
    rehearsal: float = 0.4
    batches: int = 1
    recompute: bool = False
    precision: str = "auto"  # "auto", "float32", "bfloat16"
    patience: int = 6
    forget: float = 1.0
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
        matching_pairs=max(2, round(_MATCHED * batch)),
        learning_rate=options.learning_rate or learning_rate(request.way, width),
        warmup_steps=max(1, steps // 20),
        matching_weight=1.0,
        early_steps=0,
        harden=False,
        temperature=0.05,
        train_vision=request.way == "all",
        keep_vectors=_KEEP_VECTORS,
        keep_matches=_KEEP_MATCHES,
        batches=options.batches,
        bfloat16=bfloat16,
        judge_every=max(_JUDGED_EVERY, steps // _JUDGEMENTS),
        patience=options.patience,
        seed=options.seed,
    )


def learning_rate(way: str, width: int) -> float:
    """The peak rate for a Q-Former of ``width``: 4e-5 for BLIP-2's of 768, less than half of what it was pre-trained
    with, and six times as much for LoRA. Narrow ones take more, the small model 6e-4: what it knew is held by its old
    answers, not by a low rate."""
    return (2.5e-4 if way == "lora" else 3.75e-5) * (768 / width) ** 2


def _steps(pictures: int, a_step: int) -> int:
    return min(_MOST_STEPS, max(_FEWEST_STEPS, math.ceil(_EPOCHS * pictures / max(1, a_step))))
