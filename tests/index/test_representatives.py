from __future__ import annotations

import numpy as np
import pytest

from imgsearch.index.representatives import SIMILARITY, representative_tokens


def unit(values: np.ndarray) -> np.ndarray:
    return (values / np.linalg.norm(values, axis=-1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("spread", [0.0, 0.05, 0.3, 5.0])
def test_every_token_is_like_a_kept_one(spread: float) -> None:
    rng = np.random.default_rng(1)
    vectors = unit(rng.standard_normal((300, 1, 24)) + spread * rng.standard_normal((300, 12, 24)))
    kept = representative_tokens(vectors)
    assert kept.shape == (300, 12) and kept.any(axis=1).all()
    for tokens, mine in zip(vectors, kept, strict=True):
        assert (tokens @ tokens[mine].T).max(axis=1).min() >= SIMILARITY - 1e-6
    if spread == 0.0:
        assert (kept.sum(axis=1) == 1).all()
    if spread == 5.0:
        assert kept.sum(axis=1).mean() > 11


def test_tokens_that_are_no_numbers_are_left_out() -> None:
    vectors = unit(np.random.default_rng(2).standard_normal((3, 4, 8)))
    vectors[0, 1, 2] = np.nan
    vectors[1] = np.inf
    kept = representative_tokens(vectors)
    assert not kept[0, 1] and kept[0].any()
    assert not kept[1].any()
    assert kept[2].all()
    assert representative_tokens(vectors[:0]).shape == (0, 4)
