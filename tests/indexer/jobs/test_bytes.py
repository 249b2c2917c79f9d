"""The published library is the same, byte for byte, whatever happened on the way."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from imgsearch import files
from imgsearch.records import ModelId
from imgsearch.storage import open_store, verify
from indexer.jobs.driver import RunRequest, run_job
from indexer.jobs.worker import embed_shard

RUN_STEPS = [step for step in files.STEPS if step.startswith(("job-vectors", "job-shard"))]
PUBLISH_STEPS = [step for step in files.STEPS if step.startswith("job-library")] + ["catalog-committed"]


@pytest.fixture(scope="session")
def undisturbed():
    """The bytes that every job over the hostile folder must publish."""
    return {}


@pytest.fixture
def same(jobs, hostile, content, undisturbed):
    """Publishes a job and compares every byte with an undisturbed one's."""

    def compare(spec):
        if not undisturbed:
            calm = jobs.create(hostile, name="calm")
            jobs.run(calm)
            undisturbed.update(content(jobs.publish(calm).folder))
        made = jobs.publish(spec)
        assert content(made.folder) == undisturbed
        with open_store(made.folder) as store:
            assert verify(store) == []

    return compare


@pytest.mark.parametrize("step", RUN_STEPS)
def test_bytes_are_equal_after_a_kill_in_a_shard(jobs, hostile, killed, same, step):
    spec = jobs.create(hostile)
    kills = 0
    while killed(step, 2, lambda: jobs.run(spec)):
        kills += 1
    assert kills and jobs.run(spec).done <= 1
    assert not list(spec.layout.work.iterdir())
    same(spec)


@pytest.mark.parametrize("step", PUBLISH_STEPS)
def test_bytes_are_equal_after_a_kill_in_publishing(jobs, hostile, killed, same, step):
    spec = jobs.create(hostile)
    jobs.run(spec)
    assert killed(step, 1, lambda: jobs.publish(spec))
    same(spec)


def test_a_kill_while_a_job_is_created_leaves_none(jobs, hostile, killed, same):
    assert killed("job-list-written", 2, lambda: jobs.create(hostile))
    spec = jobs.create(hostile)
    jobs.run(spec)
    same(spec)


def test_bytes_are_equal_in_any_order(jobs, hostile, same):
    spec = jobs.create(hostile)
    shards = list(spec.shards)
    random.Random(3).shuffle(shards)
    outcomes = [embed_shard(spec, shard) for shard in [*shards, *shards]]
    assert [outcome.state for outcome in outcomes] == ["done"] * 5 + ["already"] * 5
    same(spec)


def test_bytes_are_equal_with_two_processes(hostile, same, tmp_path):
    """The real engine with real decoders."""
    from imgsearch.progress import Silence
    from imgsearch.settings import Settings
    from indexer.jobs.create import CreateRequest, create_job

    request = CreateRequest([str(hostile)], tmp_path / "job", Settings(Path(), model="none", device="cpu"), 4)
    spec = create_job(request, Silence()).spec
    report = run_job(RunRequest(tmp_path / "job", workers=2, decode_workers=1), Silence(), lambda: False)
    assert (report.done, report.errors, report.sums.failed) == (5, [], 5)
    same(spec)


def test_vectors_and_features_are_equal_whatever_happened(jobs, hostile, content, tmp_path, monkeypatch, tiny, killed):
    """With a real model, whose batches are fixed by the list. One job ends undisturbed, one in another order and after
    a kill; then the files of features are compared with those of a library that `index` would fill."""
    from imgsearch import app
    from imgsearch.media.decode import decode_file
    from imgsearch.storage import FeatureStore, QuantisedFeatures

    monkeypatch.setattr(app, "open_model", lambda *_: tiny)
    sizes = []
    embed = type(tiny).encode_images
    monkeypatch.setattr(type(tiny), "encode_images", lambda m, pixels: sizes.append(len(pixels)) or embed(m, pixels))
    model = str(Path(__file__).parents[2] / "golden" / "lavis" / "blip2_tiny.pth")
    found = []
    for name, order in (("one", 1), ("two", -1)):
        spec = jobs.create(hostile, name=name, model=model, batch_size=3, shard_size=9, features=True)
        if order < 0:
            assert killed("job-vectors-written", 2, lambda shard=spec.shards[0], spec=spec: embed_shard(spec, shard))
        for shard in spec.shards[::order]:
            assert embed_shard(spec, shard).state == "done"
        found.append(content(jobs.publish(spec).folder))
    assert found[0] == found[1]
    assert sorted(sizes[: len(sizes) // 2]) == sorted(sizes[len(sizes) // 2 :])
    with open_store(tmp_path / "one" / "library") as store:
        view = store.view()
        assert view.count == 9 and abs((view.read(view.live_slots) ** 2).sum(axis=2) - 1).max() < 2e-3
        kept = FeatureStore(store.layout.features, store.model, 1)
        assert kept.keeps_all  # as after `index --features all`, so that no later run thins them out
        for record in store.iter_images():
            decoded = decode_file(store.paths([record.image_id])[record.image_id], store.model.image_size)
            pixels = tiny.preprocess_arrays(decoded.pixels[None])
            expected = QuantisedFeatures.of(np.asarray(embed(tiny, pixels))[0]).restored()
            assert abs(kept.get(record.facts.shown_key).restored() - expected).max() < 0.05


def test_a_job_of_another_model_is_refused(jobs, hostile, monkeypatch, tiny):
    from dataclasses import replace

    from imgsearch import app

    monkeypatch.setattr(app, "open_model", lambda *_: tiny)
    model = str(Path(__file__).parents[2] / "golden" / "lavis" / "blip2_tiny.pth")
    spec = jobs.create(hostile, model=model)
    other: ModelId = replace(spec.model, fingerprint="0" * 64)
    outcome = embed_shard(replace(spec, model=other), spec.shards[0])
    assert (outcome.state, outcome.fatal, outcome.exit_code) == ("error", True, 2)
    assert "fingerprint" in outcome.message
