"""What scores are compared with: the backgrounds of texts, kept for the next query."""

from __future__ import annotations

import numpy as np

from imgsearch.search.calibration import KeptBackgrounds, ScoreBackground


def test_kept_backgrounds_are_those_of_the_sample_when_asked_again_in_other_company() -> None:
    rng = np.random.default_rng(3)
    sample = rng.standard_normal((40, 4, 16)).astype(np.float32)
    vectors = rng.standard_normal((6, 16)).astype(np.float32)
    kept = KeptBackgrounds(sample)
    first, second = kept.of(vectors[:3]), kept.of(vectors[[5, 1, 1, 0, 4]])
    scores = np.einsum("ntd,qd->qnt", sample.astype(np.float64), vectors.astype(np.float64)).max(axis=2)
    for place, found in zip([0, 1, 2, 5, 1, 1, 0, 4], [*first, *second], strict=True):
        assert abs(found.mean - scores[place].mean()) < 1e-5 and abs(found.deviation - scores[place].std()) < 1e-5
    assert second[1] is first[1] and kept.of(vectors[:0]) == []
    assert KeptBackgrounds(sample[:0]).of(vectors[:1]) == [ScoreBackground(0.0, 1.0)]
