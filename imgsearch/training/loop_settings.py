"""How the training loop runs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LoopSettings:
    """``matching_pairs``: of a batch, how many pairs ITM sees; each brings two negatives. ``harden``: negatives begin
    random and grow hard from step ``harden_from`` on, over ``harden_steps``: the captions that ITC takes for true, and
    the picture's twin, if it has one in the batch; else they are hard from the start. (Hardening by the share of right
    answers settled where random partners were all told apart and twins were not.)"""

    steps: int
    batch_size: int = 128
    matching_pairs: int = 64
    learning_rate: float = 1.0e-3
    warmup_steps: int = 100
    matching_weight: float = 6.0  # of ITM's loss beside ITC's, whose gradient is two to three times as large
    early_matching_weight: float = 2.0  # the same for the first ``early_steps``, while ITC finds its feet
    early_steps: int = 500
    harden: bool = True
    harden_from: int = 400
    harden_steps: int = 300
    weight_decay: float = 0.03
    temperature: float = 0.07  # of ITC, at the start
    train_vision: bool = False
    vision_rate: float = 0.1  # the ViT's learning rate, as a share of the rest's
    pool: int = 0  # pictures of which ITM ranks some beside each true one, while the ViT is frozen; 0: none
    pool_negatives: int = 2  # of them, a caption
    batches: int = 1  # whose gradients are added up before each step; negatives come from within each
    bfloat16: bool = False  # the products of matrices, while weights and sums stay float32
    judge_every: int = 0  # steps between two judgements of the weights; 0: none
    patience: int = 0  # judgements without anything better after which the run stops; 0: never
    keep_vectors: float = 0.0  # weight of what `OldModel.vectors_lost` says of pairs that the model knew
    keep_matches: float = 0.0  # the same of `OldModel.matches_lost`, beside ITM's loss
    seed: int = 0
