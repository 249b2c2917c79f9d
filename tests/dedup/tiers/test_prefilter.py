import numpy as np
import pytest
from pictured_library import picture

from imgsearch.dedup.pixels.comparison import compare_signatures
from imgsearch.dedup.tiers.prefilter import LEAST_CORRELATION, correlations, screened
from imgsearch.media.signature import ORIENTATIONS, image_signature, luma_of, oriented


@pytest.fixture(scope="module")
def signatures() -> np.ndarray:
    images = [picture(seed) for seed in range(4)] + [picture(0).resize((90, 70)), picture(1).point(lambda v: v // 2)]
    return np.stack([np.frombuffer(image_signature(image), np.uint8) for image in images])


def test_correlation_is_numpys_of_the_turned_picture(signatures) -> None:
    orientations = np.array([1, 6, 3, 8, 5, 2], np.uint8)
    found = correlations(signatures, signatures[::-1], orientations)
    for at, orientation in enumerate(orientations):
        first = luma_of(signatures)[at].ravel()
        second = oriented(luma_of(signatures[::-1])[at], int(orientation)).ravel()
        assert found[at] == pytest.approx(np.corrcoef(first, second)[0, 1], abs=1e-5)
    assert correlations(np.zeros((1, 1536), np.uint8), signatures[:1], orientations[:1]).tolist() == [0]


def test_screening_leaves_out_no_copy_and_looks_at_nothing_unlike(signatures) -> None:
    first, second = (np.repeat(signatures, 6, axis=0), np.tile(signatures, (6, 1)))
    for orientation in ORIENTATIONS:
        orientations = np.full(len(first), orientation, np.uint8)
        careful, cheap = compare_signatures(first, second, orientations), screened(first, second, orientations)
        assert np.array_equal(careful.is_copy, cheap.is_copy)
        looked = correlations(first, second, orientations) >= LEAST_CORRELATION
        assert np.allclose(careful.score[looked], cheap.score[looked], atol=1e-5)
        assert looked.any() == (orientation == 1) and not looked.all()
        assert set(cheap.score[~looked].tolist()) == {0.0}


def test_nothing_to_screen_is_nothing(signatures) -> None:
    assert len(screened(signatures[:0], signatures[:0], np.empty(0, np.uint8)).is_copy) == 0
