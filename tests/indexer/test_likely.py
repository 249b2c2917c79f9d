"""Features that an index run keeps: the newest pictures', within the budget."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from imgsearch.records import MediaFacts, ModelId
from imgsearch.storage import FeatureStore, QuantisedFeatures
from imgsearch.storage.caches.likely_features import LikelyFeatures

MODEL = ModelId("any", "ab", "v1-8", "float32", 4, 4)
FEATURES = QuantisedFeatures.of(np.ones((10, 100), np.float32))
BYTES = FEATURES.steps.nbytes + FEATURES.scales.nbytes


def facts(name: str, taken_at: str | None) -> MediaFacts:
    return MediaFacts(name * 64, 0, 1, 1, "PNG", 1, taken_at)


def kept_of(store: FeatureStore, names: str) -> str:
    return "".join(name for name in names if store.get(name * 64) is not None)


def test_the_newest_stay_when_the_budget_is_full(tmp_path: Path) -> None:
    store, said = FeatureStore(tmp_path, MODEL, 4 * BYTES), list[str]()
    likely = LikelyFeatures(store, said.append)
    for name, date in zip("abcdef", ["2020", "2024", None, "2019", "2025-01", "2022"], strict=True):
        likely.put(facts(name, date), FEATURES)
    assert kept_of(store, "abcdef") == "bef"
    assert len(said) == 1 and "4.2 kB of disk" in said[0] and "--features none" in said[0]


def test_what_searches_kept_is_left_alone(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path, MODEL, 4 * BYTES)
    for name in "xyz":
        store.put(name * 64, FEATURES)
    likely = LikelyFeatures(store, lambda text: None)
    likely.put(facts("a", "2025"), FEATURES)
    assert kept_of(store, "xyza") == "xyz"


def test_a_library_that_keeps_all_keeps_all(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path, MODEL, 2 * BYTES)
    store.keep_all(True)
    likely = LikelyFeatures(store, lambda text: None)
    for name in "abcd":
        likely.put(facts(name, None), FEATURES)
    assert kept_of(store, "abcd") == "abcd"
