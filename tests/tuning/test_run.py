"""Whole runs with a tiny model: resuming to the same bits, each way of training, what is saved, what is refused."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from imgsearch.model import export_directory, load_model
from imgsearch.training.distillation import Guides, OldModel
from imgsearch.training.features import keep_features
from imgsearch.training.forms import OwnForm
from imgsearch.training.loop import Trainer
from imgsearch.training.loop_settings import LoopSettings
from imgsearch.training.pairs import encode_ids
from imgsearch.training.run_state import STATE, RunHistory, StepScore
from imgsearch.tuning.lora_size import MOST, count_lora, pieces_to_learn
from imgsearch.tuning.parts import choose_trained, parts_of, share_trained, table
from imgsearch.tuning.pictures.source import Pictures, TuningPairs

SETTINGS = LoopSettings(
    steps=6,
    batch_size=8,
    matching_pairs=3,
    learning_rate=5e-3,
    warmup_steps=2,
    harden=False,
    early_steps=0,
    batches=2,
    judge_every=2,
    keep_vectors=2.0,
    keep_matches=1.0,
)


class Killed(Exception):
    """Stands for kill -9: nothing after it runs."""


def source_of(count: int = 40) -> TuningPairs:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (count, 32, 32, 3)).astype(np.uint8)
    pictures = Pictures(pixels, [(f"star {n}", f"a cat {n}") for n in range(count)], np.arange(count))
    return TuningPairs(pictures, np.arange(30), np.arange(30, count), 0.25, seed=1)


def trained(model_folder: Path, folder: Path, settings: LoopSettings = SETTINGS, killed: object = None) -> dict:
    """The weights of a run, whose log line ``killed`` kills it."""
    torch.manual_seed(0)
    model = load_model(model_folder, device="cpu", dtype="float32")
    form = OwnForm(model, recompute=True)
    old = OldModel(form.frozen_copy(with_vision=settings.train_vision), settings.train_vision)
    choose_trained(model.parts, "all" if settings.train_vision else "qformer")
    source = source_of()

    def log(line: str) -> None:
        if killed is not None and killed in line:
            raise Killed

    def judge() -> float:
        return float(model.slots()["query_tokens"].sum())

    trainer = Trainer(form, model.tokenizer, source, settings, folder, guides=Guides(judge, old))
    trainer.run(log)
    return {name: slot.clone() for name, slot in model.slots().items()}


@pytest.mark.parametrize("vision", [False, True])
def test_killed_run_ends_with_the_same_bits_as_an_undisturbed_one(tiny_model, tmp_path, vision, monkeypatch):
    monkeypatch.setattr("imgsearch.training.loop._LOG_EVERY", 1)
    settings = replace(SETTINGS, train_vision=vision)
    whole = trained(tiny_model, tmp_path / "whole", settings)
    start = load_model(tiny_model, device="cpu", dtype="float32").slots()
    assert torch.equal(start["vision_model.post_layernorm.bias"], whole["vision_model.post_layernorm.bias"]) != vision
    for killed in ("step 1/", "step 2: validation", "step 5/")[-1 if vision else 0 :]:
        with pytest.raises(Killed):
            trained(tiny_model, tmp_path / "parts", settings, killed)
    assert (
        torch.load(tmp_path / "parts" / STATE, weights_only=True)["step"] <= 4
    )  # how often it saves depends on its time
    # Killed while the state was being written: the draft is half there, the state before it whole.
    (tmp_path / "parts" / "state.tmp.pt").write_bytes((tmp_path / "parts" / STATE).read_bytes()[:1000])
    parts = trained(tiny_model, tmp_path / "parts", settings)
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    assert len(list((tmp_path / "parts").glob("best-*.pt"))) == 1


def test_kept_features_and_those_beyond_the_budget_train_to_the_same_bits(tiny_model, tmp_path):
    results = []
    for number, budget in enumerate((None, 2 * 17 * 32 * 21)):  # all rows; 21 of them
        model = load_model(tiny_model, device="cpu", dtype="float32")
        form = OwnForm(model)
        choose_trained(model.parts, "qformer")
        source = source_of()
        features = keep_features(form, source, tmp_path / f"{number}.npy", lambda line: None, budget_bytes=budget)
        assert len(np.load(tmp_path / f"{number}.npy")) == (40 if budget is None else 21)
        rows = np.arange(40)
        results.append(features.of(rows).numpy())
    assert np.abs(results[0] - results[1]).max() <= 2e-3


def test_run_stops_when_nothing_gets_better_and_takes_the_best():
    history = RunHistory([StepScore(step, score) for step, score in ((1, 0.2), (2, 0.5), (3, 0.5), (4, 0.1))])
    assert history.best == StepScore(2, 0.5)
    assert history.stale(2) and not history.stale(3) and not history.stale(0)


GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.mark.parametrize("golden", ["lavis", "lavis-vitl"])
def test_checkpoint_of_lavis_is_tuned_and_becomes_a_directory(golden, tmp_path):
    model = load_model(GOLDEN / golden / "blip2_tiny.pth", device="cpu", dtype="float32")
    before = np.asarray(model.embed_texts(["a star"]))
    form = OwnForm(model)
    choose_trained(model.parts, "qformer")
    rng, side = np.random.default_rng(0), model.image_size
    pixels = rng.integers(0, 255, (8, side, side, 3)).astype(np.uint8)
    pictures = Pictures(pixels, [(f"star {number}",) for number in range(8)], np.arange(8))
    source = TuningPairs(pictures, np.arange(8), np.empty(0, np.int64), 0.0, 0)
    settings = LoopSettings(steps=2, batch_size=4, matching_pairs=2, learning_rate=1e-3, harden=False, early_steps=0)
    Trainer(form, model.tokenizer, source, settings, tmp_path / "run").run(lambda line: None)
    export_directory(model, tmp_path / "model")
    again = load_model(tmp_path / "model", device="cpu")
    after = np.asarray(again.embed_texts(["a star"]))
    assert 1e-4 < np.abs(after - before).max() < 1
    assert np.abs(after - np.asarray(model.embed_texts(["a star"]))).max() < 1e-6


def test_parts_are_told_apart_and_query_tokens_and_projections_learn_with_the_qformer(tiny_model):
    model = load_model(tiny_model, device="cpu", dtype="float32")
    whole = sum(slot.numel() for slot in model.slots().values())
    by_way = {}
    for way in ("qformer", "all"):
        choose_trained(model.parts, way)
        parts = {part.name: part for part in parts_of(model.parts)}
        assert sum(part.numbers for part in parts.values()) == whole
        by_way[way] = parts
    for name in ("query tokens", "projection of images", "projection of texts", "matching head"):
        assert by_way["qformer"][name].trained == by_way["qformer"][name].numbers > 0
    assert by_way["qformer"]["ViT"].trained == 0 and by_way["all"]["ViT"].trained > 0
    text = table(list(by_way["qformer"].values()))
    assert "frozen" in text and f"{whole:,}" in text


def test_lora_trains_three_per_cent_and_merges_into_the_same_answers():
    pytest.importorskip("peft")
    model = load_model("mini", device="cpu", dtype="float32")
    before = model.embed_texts(["a red cat", "two dogs"])
    words = model.parts.words.clone()
    whole = sum(one.numel() for one in model.parts.parameters())
    pieces = pieces_to_learn(encode_ids(model.tokenizer, ["a red cat"]), model.sizes, whole)
    assert len(pieces) == 5
    room = math.ceil(count_lora(model.sizes, 2) / MOST)
    assert pieces_to_learn([range(200), [7], [150]], model.sizes, room) == [7, 150]
    assert pieces_to_learn([[7]], model.sizes, room // 2) == []
    merge = choose_trained(model.parts, "lora", pieces)
    parts = parts_of(model.parts)
    assert 0.005 < share_trained(parts) <= 0.03
    assert sum(part.trained for part in parts) == count_lora(model.sizes, len(pieces))
    trained = {part.name: part.trained for part in parts}
    assert trained["matching head"] and trained["words and positions"] == 5 * model.sizes.qformer.width
    assert torch.equal(model.embed_texts(["a red cat", "two dogs"]), before)  # nothing changes before it learns
    with torch.no_grad():
        for name, one in model.parts.named_parameters():
            if "lora_B" in name or "lora_rows" in name:
                one.normal_(std=0.02)
    changed = model.embed_texts(["a red cat", "two dogs"])
    names = set(load_model("mini", device="cpu", dtype="float32").slots())
    merge.merge()
    assert set(model.slots()) == names and not any("lora" in name for name, _ in model.parts.named_parameters())
    assert (changed - before).abs().amin(1).min() > 1e-6 and (changed - before).abs().max() > 1e-3
    assert torch.allclose(model.embed_texts(["a red cat", "two dogs"]), changed, atol=1e-5)
    moved = (model.parts.words != words).any(1).nonzero().flatten().tolist()
    assert moved == pieces
