"""Negatives from far beyond the batch: the images that ITC itself ranks first among thousands.

Re-ranking must choose among the best of a whole library. In a batch of 80 the nearest untrue image is rarely that
close, so a head trained on batches alone is no better than ITC there.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from imgsearch.training.features import FeatureTable
from imgsearch.training.forms import RetrievalForm
from imgsearch.training.losses import similarity

_NEAREST = 48  # a caption's negatives are drawn from this many nearest untrue images of the pool
_SHARPNESS = 12.0  # sharpness of that draw
_PER_PASS = 256


class CandidatePool:
    """Some of the source's images, embedded by the model as it was at `refresh`."""

    def __init__(self, form: RetrievalForm, features: FeatureTable, size: int) -> None:
        self._form, self._features = form, features
        self._size = min(size, len(features))
        self._rows: NDArray[np.int64] = np.empty(0, np.int64)
        self._tokens = torch.empty(0)

    @property
    def filled(self) -> bool:
        """Whether `refresh` has been called."""
        return len(self._rows) > 0

    @torch.inference_mode()
    def refresh(self, rng: random.Random) -> None:
        """Choose the images anew and embed them."""
        self._rows = np.array(sorted(rng.sample(range(len(self._features)), self._size)))
        self._tokens = torch.cat(
            [
                self._form.image_tokens(self.features_of(self._rows[start : start + _PER_PASS]))
                for start in range(0, self._size, _PER_PASS)
            ]
        )

    def features_of(self, rows: NDArray[np.int64]) -> torch.Tensor:
        """ViT features float32 [B, N, W] of the source's images ``rows``."""
        return self._features.of(rows)

    @torch.inference_mode()
    def mine(
        self, texts: torch.Tensor, count: int, holds: Callable[[int, int], bool], rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """rows int64 [Q, count] for texts [Q, D]: images of which ``holds(text, row)`` is False, near ones more likely.
        A text that is untrue of too few images gets some of them again, and -1 if it is untrue of none."""
        sims = similarity(self._tokens, texts).T.cpu().numpy()
        mined = np.full((len(sims), count), -1)
        for text, row in enumerate(sims):
            near = [n for n in np.argsort(-row, kind="stable")[: 4 * _NEAREST] if not holds(text, int(self._rows[n]))]
            if near:
                near = near[:_NEAREST]
                weights = np.exp(_SHARPNESS * (row[near] - row[near[0]]).astype(np.float64))
                drawn = rng.choice(near, count, replace=len(near) < count, p=weights / weights.sum())
                mined[text] = self._rows[drawn]
        return mined
