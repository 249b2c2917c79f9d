"""Features that stay on the accelerator: here the CPU plays it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imgsearch.model import load_model
from imgsearch.search.features.stored import FeatureSource, ImageSource
from imgsearch.search.inference.batched import BatchedInference
from imgsearch.search.inference.direct import DirectInference, match_candidates
from imgsearch.search.inference.held import HeldImages
from imgsearch.search.query.parser import ParsedQuery
from imgsearch.storage import FeatureStore, QuantisedFeatures

LAVIS = Path(__file__).parents[1] / "golden" / "lavis"
TEXTS = ["a red boat", "a red boat", "two trees in the snow", "a cat"]


@pytest.fixture(scope="module")
def card() -> Any:
    """A model that says of itself that it computes on a GPU."""
    model = load_model(LAVIS / "blip2_tiny.pth", device="cpu", dtype="float32")
    model.profile = replace(model.profile, device="cuda:0")
    return model


@pytest.fixture
def sources(tmp_path: Path) -> list[ImageSource]:
    """Six pictures, the fourth of which is gone."""
    from imgsearch.media.decode import decode_file

    found = []
    for number in range(6):
        path = tmp_path / f"{number}.png"
        shutil.copy(LAVIS / "images" / f"scene{number:02d}.png", path)
        found.append(ImageSource([path], decode_file(path, 56).facts.content_hash))
    (tmp_path / "3.png").unlink()
    return found


def logits(matches: Any) -> list[float | None]:
    return [None if match is None else match.logit for match in matches]


def nearly(found: Any, expected: Any) -> bool:
    assert [one is None for one in found] == [one is None for one in expected]
    pairs = [(one, two) for one, two in zip(found, expected, strict=True) if one is not None]
    return bool(np.allclose(*zip(*pairs, strict=True), atol=1e-5))


def test_held_pairs_match_as_restored_features_do(card: Any) -> None:
    features = np.asarray(card.encode_images(np.random.default_rng(1).standard_normal((4, 3, 56, 56), np.float32)))
    quantised = [QuantisedFeatures.of(one) for one in features]
    held = [card.hold(one.steps, one.scales) for one in quantised]
    expected = np.asarray(card.match_both(TEXTS, np.stack([one.restored() for one in quantised])))
    assert np.abs(np.asarray(card.match_held(TEXTS, held)) - expected).max() < 1e-5
    assert np.abs(np.asarray(card.match_held(TEXTS, [one.in_ram() for one in held])) - expected).max() < 1e-5
    assert np.asarray(card.match_held([], [])).shape == (0, 2)
    many = np.asarray(card.match_held([TEXTS[0]] * 50 + TEXTS, [held[0]] * 50 + held))
    assert np.abs(many[50:] - expected).max() < 1e-5 and np.abs(many[:50] - expected[0]).max() < 1e-5


def test_the_device_quantises_as_numpy_does(card: Any) -> None:
    import torch

    features = torch.randn(3, 17, 24, generator=torch.manual_seed(2))
    features[1, 4] = 0
    steps, scales = card.quantise(features)
    for row in range(3):
        expected = QuantisedFeatures.of(features[row].numpy())
        assert np.array_equal(steps[row], expected.steps) and np.array_equal(scales[row], expected.scales)


def test_answers_are_those_of_a_cpu(card: Any, tiny: Any, sources: list[ImageSource], tmp_path: Path) -> None:
    parsed = ParsedQuery("a red boat", ("two trees",))
    kept = FeatureStore(tmp_path / "features", tiny.model_id, 10**8)
    expected, notes, _ = match_candidates(tiny, parsed, sources, FeatureSource(tiny, kept))
    for _ in range(2):  # read from the pictures, then held
        found, told, complete = DirectInference(card, kept).match(parsed, sources, None)
        assert nearly(logits(found), logits(expected)) and told == notes and complete
        assert nearly([m and m.unwanted for m in found], [m and m.unwanted for m in expected])


def test_many_clients_share_a_batch(card: Any, tiny: Any, sources: list[ImageSource]) -> None:
    backend = BatchedInference(card, None)
    try:
        pieces = [ParsedQuery(text) for text in TEXTS]
        found = [backend.match(parsed, sources, None) for parsed in pieces]
        expected = [match_candidates(tiny, parsed, sources, FeatureSource(tiny, None)) for parsed in pieces]
        for (ours, told, _), (theirs, notes, _) in zip(found, expected, strict=True):
            assert nearly(logits(ours), logits(theirs)) and told == notes
        assert backend.memory_bytes > 0
    finally:
        backend.close()


def test_what_leaves_the_device_waits_in_ram(card: Any, sources: list[ImageSource]) -> None:
    features = FeatureSource(card, None)
    size = HeldImages(card, features, 0, 10**8).get(sources[:1])[0][sources[0].key].size_bytes
    held = HeldImages(card, features, device_bytes=2 * size, ram_bytes=2 * size)
    found, failed = held.get(sources)
    assert len(found) == 5 and list(failed) == [sources[3].key] and held.size_bytes == 4 * size
    for path in (source.paths[0] for source in sources):
        path.unlink(missing_ok=True)
    kept = [source for source in sources if not held.get([source])[1]]
    assert sources[0] not in kept and len(kept) == 4  # the oldest went; each of the others moved between the floors
    assert held.size_bytes == 4 * size
