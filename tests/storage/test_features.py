"""Features on disk: a cache that may lose anything and must never lie."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from imgsearch.records import ModelId
from imgsearch.storage.caches.features import FeatureStore, QuantisedFeatures, features_digest, packed_features

MODEL = ModelId("mini", "ab" * 32, "v1-128", "float32", 32, 256)


def features_of(seed: int) -> QuantisedFeatures:
    return QuantisedFeatures.of(np.random.default_rng(seed).normal(size=(5, 8)))


def hash_of(number: int) -> str:
    return f"{number:02x}" * 32


def test_quantising_is_off_by_at_most_half_a_step_of_the_token():
    values = np.random.default_rng(0).normal(size=(7, 16)).astype(np.float32)
    values[3] = 0
    error = np.abs(QuantisedFeatures.of(values).restored() - values)
    assert (error <= np.abs(values).max(axis=1, keepdims=True) / 254 * 1.001).all()


def test_what_was_kept_comes_back_the_same_in_another_process_too(tmp_path: Path):
    FeatureStore(tmp_path, MODEL, None).put(hash_of(1), features_of(1))
    found = FeatureStore(tmp_path, replace(MODEL, name="another name"), 10**6).get(hash_of(1))
    assert found is not None
    np.testing.assert_array_equal(found.steps, features_of(1).steps)
    np.testing.assert_array_equal(found.scales, features_of(1).scales)


@pytest.mark.parametrize("change", [{"fingerprint": "cd" * 32}, {"recipe": "v2-128"}, {"dtype": "bfloat16"}])
def test_features_of_another_model_are_not_taken(tmp_path: Path, change: dict[str, str]):
    FeatureStore(tmp_path, MODEL, None).put(hash_of(1), features_of(1))
    assert FeatureStore(tmp_path, replace(MODEL, **change), None).get(hash_of(1)) is None


def test_a_damaged_file_is_as_if_it_were_not_there(tmp_path: Path):
    store = FeatureStore(tmp_path, MODEL, None)
    store.put(hash_of(1), features_of(1))
    (path,) = tmp_path.glob("*/*")
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert store.get(hash_of(1)) is None
    for place in range(0, len(whole), 3):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        assert store.get(hash_of(1)) is None
    assert not path.exists()
    path.write_bytes(whole)
    assert store.get(hash_of(1)) is not None


def test_the_least_recently_used_go_first_and_the_budget_holds(tmp_path: Path):
    size = len(packed_features(features_of(0), features_digest(MODEL)))
    store = FeatureStore(tmp_path, MODEL, 10 * size)
    for number in range(10):
        store.put(hash_of(number), features_of(number))
        os.utime(store._files.path(hash_of(number)), ns=(number, number))
    assert store.get(hash_of(0)) is not None  # used now
    store.put(hash_of(10), features_of(10))
    left = {number for number in range(11) if store.get(hash_of(number)) is not None}
    assert left == {0, 3, 4, 5, 6, 7, 8, 9, 10}
    assert sum(path.stat().st_size for path in tmp_path.glob("*/*")) <= 10 * size


def test_settings_turn_keeping_on_and_off_for_good(tmp_path: Path):
    from imgsearch.app import feature_store
    from imgsearch.settings import Settings
    from imgsearch.storage import create_store

    with create_store(tmp_path / "library", MODEL) as store:
        kept = [feature_store(Settings(store.path, features=word), store) for word in ("", "all", "", "none", "")]
    assert [None if one is None else one.keeps_all for one in kept] == [False, True, True, None, False]


def test_a_disk_that_refuses_costs_nothing_but_the_cache(tmp_path: Path):
    blocked = tmp_path / "features"
    blocked.write_text("a file where the folder should be")
    store = FeatureStore(blocked, MODEL, 1000)
    store.put(hash_of(1), features_of(1))
    assert store.get(hash_of(1)) is None


def test_keeping_all_outlives_the_process_and_ends_when_told(tmp_path: Path):
    FeatureStore(tmp_path, MODEL, None).keep_all(True)
    store = FeatureStore(tmp_path, MODEL, 1)
    for number in range(5):
        store.put(hash_of(number), features_of(number))
    assert all(store.get(hash_of(number)) is not None for number in range(5))
    later = FeatureStore(tmp_path, MODEL, 150)
    later.keep_all(False)
    later.put(hash_of(9), features_of(9))
    assert sum(path.stat().st_size for path in tmp_path.glob("*/*")) <= 150
