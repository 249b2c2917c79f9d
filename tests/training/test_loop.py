"""Training: losses against definitions written another way, negatives that are never true, resuming, learning."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tiny import TINY

from imgsearch.errors import UsageError
from imgsearch.model.tokenizer import TextTokenizer
from imgsearch.scenes.draw import draw_scene
from imgsearch.scenes.graph import TWIN_KINDS, Domain, sample_family, sample_scene
from imgsearch.scenes.vocabulary import POSITIONS, UNSEEN_PAIRS
from imgsearch.training.build import new_model, new_tokenizer, save_checkpoint_directory
from imgsearch.training.corpus import (
    VARIED_SIZE,
    Corpus,
    draw_corpus,
    join,
    read_moved,
    read_scenes,
    read_sheets,
    read_varied,
)
from imgsearch.training.features import FeatureTable
from imgsearch.training.forms import TransformersForm, normalise
from imgsearch.training.loop import Trainer
from imgsearch.training.loop_settings import LoopSettings
from imgsearch.training.losses import contrastive_loss, image_tokens, mine_negatives, ranking_loss, similarity
from imgsearch.training.naming import NamingSettings, patch_targets, train_naming
from imgsearch.training.pairs import ScenePairs, Shares
from imgsearch.training.pool import CandidatePool

TOKENIZER = TextTokenizer(new_tokenizer(), Path("new"))


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    """Six families, twelve single scenes and three groups at all five places, at 32 px."""
    rng = random.Random(3)
    domain = Domain(pairs="trained")
    scenes = [scene for _ in range(6) for scene in sample_family(rng, domain).values()]
    scenes += [sample_scene(rng, domain) for _ in range(12)]
    for base in [sample_scene(rng, replace(domain, two_groups=0.0)) for _ in range(3)]:
        scenes += [replace(base, groups=(replace(base.groups[0], position=place),)) for place in POSITIONS]
    drawn = [draw_scene(scene, 64) for scene in scenes]
    pixels = np.stack([np.asarray(picture.resize((32, 32))) for picture, _ in drawn])
    families = np.arange(24).reshape(6, 1 + len(TWIN_KINDS))
    moved = np.arange(36, 51).reshape(3, len(POSITIONS))
    varied = np.empty((0, VARIED_SIZE), np.int64)
    return Corpus(pixels, scenes, [boxes for _, boxes in drawn], families, np.arange(24, 36), moved, varied)


def test_contrastive_loss_is_cross_entropy_over_untrue_partners():
    rng = np.random.default_rng(0)
    sims = rng.normal(size=(5, 5)).astype(np.float32)
    truth = np.eye(5, dtype=bool)
    truth[0, 3] = True
    expected = []
    for matrix, true in ((sims, truth), (sims.T, truth.T)):
        for i in range(5):
            kept = [j for j in range(5) if j == i or not true[i, j]]
            scaled = matrix[i, kept].astype(np.float64) / 0.1
            expected.append(np.log(np.exp(scaled).sum()) - matrix[i, i] / 0.1)
    got = contrastive_loss(torch.from_numpy(sims), torch.from_numpy(truth), torch.tensor(0.1))
    assert got.item() == pytest.approx(np.mean(expected), abs=1e-4)


def test_similarity_is_the_maximum_over_tokens():
    rng = np.random.default_rng(1)
    tokens, texts = rng.normal(size=(3, 4, 8)), rng.normal(size=(5, 8))
    expected = np.einsum("btd,cd->bct", tokens, texts).max(axis=2)
    got = similarity(torch.from_numpy(tokens), torch.from_numpy(texts)).numpy()
    assert np.allclose(got, expected)


def test_mined_negatives_are_never_true_and_grow_hard():
    generator = torch.Generator().manual_seed(0)
    sims = torch.eye(16) * 0.2 + torch.rand(16, 16, generator=generator) * 0.1
    truth = torch.eye(16, dtype=torch.bool)
    truth[2, 5] = True
    hardest = sims.masked_fill(truth, -1).argmax(dim=1)
    hits = []
    for sharpness in (0.0, 2000.0):
        found = 0
        for _ in range(40):
            images, texts = mine_negatives(sims, truth, sharpness, generator)
            rows = torch.arange(16)
            assert not truth[rows, texts].any() and not truth[images, rows].any()
            found += int((texts == hardest).sum())
        hits.append(found / 640)
    assert hits[0] < 0.15 and hits[1] > 0.8


def test_ranking_loss_is_the_surprise_at_the_true_picture():
    logits = np.random.default_rng(4).normal(size=(6, 4))
    odds = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert ranking_loss(torch.from_numpy(logits)).item() == pytest.approx(-np.log(odds[:, 0]).mean())


def test_pool_finds_pictures_that_are_untrue_and_nearer_than_most():
    model = new_model(TINY, 3).eval()
    form = TransformersForm(model)
    rng = np.random.default_rng(3)
    features = rng.normal(size=(400, 17, 32)).astype(np.float16)
    texts = torch.nn.functional.normalize(torch.from_numpy(rng.normal(size=(5, 16)).astype(np.float32)), dim=1)
    source = SimpleNamespace(count=400)
    pool = CandidatePool(form, FeatureTable(form, source, features), 400)
    pool.refresh(random.Random(0))
    with torch.inference_mode():
        sims = similarity(image_tokens(model, pool.features_of(np.arange(400))), texts).numpy()
    mined = pool.mine(texts, 6, lambda text, row: row % 2 == text % 2, rng)
    for text, rows in enumerate(mined):
        assert len(set(rows.tolist())) == 6
        assert all(row % 2 != text % 2 for row in rows)
        assert (sims[rows, text] > np.median(sims[:, text])).all()
    assert (pool.mine(texts, 6, lambda text, row: True, rng) == -1).all()


def test_sampled_truth_agrees_with_the_graphs_and_twins_stand_side_by_side(corpus):
    batch = ScenePairs(corpus).sample(random.Random(1), 24, 0)
    assert batch.truth.diagonal().all()
    assert len(batch.rows) == len(batch.captions) == 24
    assert batch.truth.sum() < 24 * 6
    beside = np.flatnonzero(batch.twins >= 0)
    assert len(beside) == 14 and (batch.twins[batch.twins[beside]] == beside).all()
    for one in beside:
        here, there = batch.rows[one], batch.rows[batch.twins[one]]
        assert here != there
        assert here // 4 == there // 4 if here < 24 else (here - 36) // 5 == (there - 36) // 5


def test_negatives_become_the_twins_as_they_harden(corpus, tmp_path):
    """Counted from what the matching head is given, at both ends of the hardening."""
    shares = []
    for start in (1, -1000):  # not begun; long over
        settings = LoopSettings(steps=1, batch_size=24, matching_pairs=24, harden_from=start, harden_steps=10)
        trainer = Trainer(
            TransformersForm(new_model(TINY, 1)), TOKENIZER, ScenePairs(corpus), settings, tmp_path / str(start)
        )
        rng, twins, seen = random.Random(2), 0, 0
        for _ in range(20):
            batch = ScenePairs(corpus).sample(rng, 24, 0)
            truth = torch.from_numpy(batch.truth)
            images, texts, labels = trainer._matching_pairs(torch.zeros(24, 24), truth, batch.twins)
            assert (labels.bool() == truth[images, texts]).all()
            for image, text in zip(images[48:].tolist(), texts[48:].tolist(), strict=True):
                if batch.twins[text] >= 0:
                    seen += 1
                    twins += image == batch.twins[text]
        shares.append(twins / seen)
    assert shares[0] < 0.25 and shares[1] > 0.8


def test_patch_targets_name_the_thing_under_the_patch():
    scene = sample_scene(random.Random(9), Domain(two_groups=0.0))
    _, boxes = draw_scene(scene, 64)
    target = patch_targets(scene, boxes, 8).reshape(6, 8, 8)
    assert target[3].sum() == scene.groups[0].count
    for box in boxes:
        x, y = int((box.x0 + box.x1) / 2 * 8), int((box.y0 + box.y1) / 2 * 8)
        assert target[3, y, x] >= 1
    thing = target[0] > 0
    assert thing.any() and (thing == (target[1] > 0)).all()
    place = tuple(POSITIONS).index(scene.groups[0].position)
    assert (target[4][thing] == place).all() and (target[5][thing] == scene.groups[0].count - 1).all()
    assert (target[4:, ~thing] == -100).all()


def test_naming_stage_learns_colours(corpus):
    model = new_model(TINY, 0)
    lines: list[str] = []
    settings = NamingSettings(steps=40, sheet_steps=0, batch_size=16, learning_rate=5e-3)
    train_naming(model, corpus, corpus, settings, lines.append)
    losses = [float(line.split("loss ")[1].split()[0]) for line in lines]
    assert losses[-1] < 0.6 * losses[0]


@pytest.mark.parametrize("pool", [0, 20])
def test_loop_resumes_to_the_same_weights_as_an_undisturbed_run(corpus, tmp_path, pool, monkeypatch):
    for name, steps in {"_LOG_EVERY": 2, "_SAVE_EVERY": 6, "_REFRESH_EVERY": 6}.items():
        monkeypatch.setattr(f"imgsearch.training.loop.{name}", steps)
    settings = LoopSettings(steps=11, batch_size=8, matching_pairs=3, seed=5, pool=pool)

    class Stopped(Exception):
        pass

    def stop_at_8(line: str) -> None:
        if line.startswith("step 8/"):
            raise Stopped

    def run(folder, log):
        model = new_model(TINY, 1)
        Trainer(TransformersForm(model), TOKENIZER, ScenePairs(corpus), settings, folder).run(log)
        return model.state_dict()

    whole = run(tmp_path / "whole", lambda line: None)
    with pytest.raises(Stopped):
        run(tmp_path / "parts", stop_at_8)
    resumed_at: list[str] = []
    parts = run(tmp_path / "parts", resumed_at.append)
    assert any(line.startswith("step 8/") for line in resumed_at) and not any("step 4/" in line for line in resumed_at)
    for name, tensor in whole.items():
        assert torch.allclose(tensor, parts[name], atol=1e-6), name


def test_loop_learns_to_tell_pictures_apart(corpus, tmp_path):
    model = new_model(TINY, 2)
    readings: list[float] = []

    def log(line: str) -> None:
        if " itc " in line:
            readings.append(float(line.split(" itc ")[1].split()[0]))

    settings = LoopSettings(
        steps=80,
        batch_size=24,
        matching_pairs=4,
        learning_rate=5e-3,
        warmup_steps=20,
        train_vision=True,
        vision_rate=1.0,
    )
    Trainer(TransformersForm(model), TOKENIZER, ScenePairs(corpus), settings, tmp_path).run(log)
    assert readings[-1] < 0.75 * readings[0]


def test_run_with_other_settings_in_the_same_folder_is_refused(corpus, tmp_path):
    settings = LoopSettings(steps=2, batch_size=8, matching_pairs=4)
    Trainer(TransformersForm(new_model(TINY, 0)), TOKENIZER, ScenePairs(corpus), settings, tmp_path).run(
        lambda line: None
    )
    with pytest.raises(UsageError, match="other settings"):
        form = TransformersForm(new_model(TINY, 0))
        Trainer(form, TOKENIZER, ScenePairs(corpus), replace(settings, steps=4), tmp_path)


def test_corpus_is_drawn_once_and_reads_back(tmp_path, monkeypatch):
    small = {
        "CHUNK_FAMILIES": 2,
        "CHUNK_SINGLES": 3,
        "CHUNK_IMAGES": 11,
        "CHUNK_MOVED": 2,
        "CHUNK_VARIED": 2,
        "CHUNK_SHEETS": 2,
    }
    for name, value in small.items():
        monkeypatch.setattr(f"imgsearch.training.corpus.{name}", value)
    from imgsearch.training import corpus as module

    folders = {name: tmp_path / name for name in ("scenes", "moved", "varied", "sheets")}
    for name, folder in folders.items():
        folder.mkdir()
        getattr(module, f"_draw_{name}")((folder, 1, 0, 32))
    first = (tmp_path / "scenes" / "chunk-0000.npz").stat().st_mtime_ns
    draw_corpus(tmp_path / "scenes", "scenes", seed=1, chunks=1, image_size=32, workers=1)
    assert (tmp_path / "scenes" / "chunk-0000.npz").stat().st_mtime_ns == first
    read = join(
        join(read_scenes(folders["scenes"], 1), read_moved(folders["moved"], 1)), read_varied(folders["varied"], 1)
    )
    assert read.pixels.shape == (31, 32, 32, 3) and read.families.shape == (2, 4) and len(read.singles) == 3
    for pictures in read.moved:
        scenes = [read.scenes[picture] for picture in pictures]
        assert [scene.groups[0].position for scene in scenes] == list(POSITIONS)
        assert len({scene.groups[0].kind for scene in scenes}) == 1
    for base, *others in ([read.scenes[picture] for picture in pictures] for pictures in read.varied):
        for number, other in enumerate(others):
            assert (other.setting != base.setting) == (number < 2)
            changed = [a.kind != b.kind for a, b in zip(base.groups, other.groups, strict=True)]
            assert sum(changed) == (number >= 2)
            assert not any((group.kind, group.colour) in UNSEEN_PAIRS for group in other.groups)
    assert len(read_sheets(folders["sheets"], 1).scenes) == 2
    batch = ScenePairs(read, Shares(0.0, 0.0, 1.0)).sample(random.Random(0), 10, 0)
    assert (batch.twins == np.arange(10) ^ 1).all() and batch.rows.min() >= 21


def test_saved_directory_gives_the_trained_vectors_through_the_loader(corpus, tmp_path):
    from imgsearch.model import load_model

    model = new_model(TINY, 4).eval()
    save_checkpoint_directory(model, new_tokenizer(), tmp_path / "tiny")
    loaded = load_model(tmp_path / "tiny", device="cpu")
    pictures = corpus.pixels[:3]
    got = np.asarray(loaded.embed_images(loaded.preprocess_arrays(pictures)))
    with torch.inference_mode():
        features = model.vision_model(normalise(torch.from_numpy(pictures))).last_hidden_state
        expected = image_tokens(model, features).numpy()
    assert got.shape == (3, 4, 16)
    assert np.abs(got - expected).max() < 5e-3  # the directory holds float16
