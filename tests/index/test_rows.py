from __future__ import annotations

import numpy as np
import pytest

from imgsearch.index.rows import TokenRows, best_over_tokens, rank_order


def test_rank_order_goes_by_key_when_scores_agree_to_five_places() -> None:
    scores = np.array([0.1, 0.3, 0.300004, -0.2, 0.3])
    assert rank_order(scores, np.array([1, 9, 5, 0, 2], np.int64)).tolist() == [4, 2, 1, 0, 3]


def test_best_over_tokens_does_not_depend_on_company() -> None:
    rng = np.random.default_rng(0)
    vectors, text = (
        rng.standard_normal((50, 32, 256)).astype(np.float32),
        rng.standard_normal(256).astype(np.float32),
    )
    together = best_over_tokens(vectors, text)
    assert together.tolist() == [best_over_tokens(vectors[i : i + 1], text)[0] for i in range(50)]


def test_array_rows_refuse_a_matrix() -> None:
    with pytest.raises(ValueError, match=r"expected \[images, tokens, dims\]"):
        TokenRows(np.zeros((3, 4), np.float16))
