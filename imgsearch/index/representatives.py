"""The few tokens that stand for an image in a snapshot's first stage.

An image's T tokens are similar to each other: of 20,000 drawn scenes embedded by the small model, 4.6 of 32 tokens lie
within a cosine of 0.9 of all others, and 8.6 within 0.95. So the best token for a text is close to one that is kept,
and the exact scores over all T tokens correct what the first stage loses. A model with more varied tokens keeps more of
them, up to all T.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imgsearch.records import Float32

SIMILARITY = 0.95
"""Every token has at least this cosine with a kept one. 100,000 made-up images (benchmarks/search.py), recall@10 with
300, 600 and 1,000 candidates: .95, .988, .994 at 0.9 (4.5 tokens an image); .984, .998, .999 at 0.93 (6.2); .992, .997,
.999 at 0.95 (8.8)."""

PIECE = 256
"""Images processed at once: their 32 x 32 inner products fill 1 MiB."""


def representative_tokens(vectors: Float32) -> NDArray[np.bool_]:
    """bool [n, T]: which tokens of ``vectors`` [n, T, D], L2 norm 1, stand for their image.

    Farthest-first traversal (Gonzalez 1985: at most twice the best radius for the same number of points). The token
    most similar to all others comes first, then always the one that is least similar to the tokens kept, until all are
    within `SIMILARITY` of a kept one. A token with a number that is not finite is left out. About 40 us an image of 32
    x 256 on one EPYC core.
    """
    parts = [_kept(vectors[first : first + PIECE]) for first in range(0, len(vectors), PIECE)]
    return np.concatenate(parts) if parts else np.zeros(vectors.shape[:2], np.bool_)


def _kept(vectors: Float32) -> NDArray[np.bool_]:
    finite: NDArray[np.bool_] = np.all(np.isfinite(vectors), axis=2)  # [n, T]
    whole = vectors if finite.all() else np.where(finite[:, :, None], vectors, np.float32(0))
    similarity = np.matmul(whole, whole.transpose(0, 2, 1))  # [n, T, T]
    images = np.arange(len(vectors))
    first = similarity.sum(axis=2).argmax(axis=1)
    kept = np.zeros(finite.shape, np.bool_)
    kept[images, first] = True
    nearest = similarity[images, first]  # [n, T]: similarity to the most similar kept token
    for _ in range(vectors.shape[1] - 1):
        farthest = nearest.argmin(axis=1)
        open_images = images[nearest[images, farthest] < SIMILARITY]
        if not len(open_images):
            break
        chosen = farthest[open_images]
        kept[open_images, chosen] = True
        nearest[open_images] = np.maximum(nearest[open_images], similarity[open_images, chosen])
        nearest[open_images, chosen] = 1.0
    return kept & finite
