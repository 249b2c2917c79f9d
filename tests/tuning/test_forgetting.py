"""What keeps a model from forgetting: the old answers as a target, and how far the weights move."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from imgsearch.model import load_model
from imgsearch.training.distillation import OldModel, TeacherBatch, TeacherOutput
from imgsearch.training.forms import OwnForm
from imgsearch.tuning.interpolation import Figures, WeightLine, choose_point
from imgsearch.tuning.parts import choose_trained


@pytest.fixture
def form(tiny_model: Path) -> OwnForm:
    return OwnForm(load_model(tiny_model, device="cpu", dtype="float32"))


PIXELS = np.random.default_rng(1).integers(0, 255, (4, 32, 32, 3)).astype(np.uint8)


def asked_of(form: OwnForm) -> tuple[TeacherBatch, TeacherOutput]:
    features = form.encode(torch.from_numpy(PIXELS))
    ids = torch.tensor([[2, 7, 8, 3], [2, 9, 3, 0], [2, 15, 16, 3], [2, 14, 3, 0]])
    mask = (ids > 0).long()
    images, texts = torch.tensor([0, 1, 2, 3, 3]), torch.tensor([0, 1, 3, 3, 2])
    logits = form.match_logits(features[images], ids[texts], mask[texts])
    answered = TeacherOutput(form.image_tokens(features), form.text_vectors(ids, mask), logits)
    return TeacherBatch(features, ids, mask, images, texts), answered


def shake(form: OwnForm) -> None:
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for one in form.module.parameters():
            if one.requires_grad:
                one += 0.1 * torch.randn(one.shape, generator=generator)


@pytest.mark.parametrize("way", ["qformer", "all"])
def test_old_answers_are_those_of_before_whatever_is_trained_since(form, way):
    old = OldModel(form.frozen_copy(with_vision=way == "all"), way == "all")
    before = asked_of(form)[1]
    known = np.array([2, 3])
    assert all(one.item() < 1e-9 for one in old.lost(*asked_of(form), known, PIXELS[known]))
    choose_trained(form.module, way)
    shake(form)
    asked, now = asked_of(form)
    vectors, matches = old.lost(asked, now, known, PIXELS[known])
    tokens = np.mean([((now.tokens[i, t] - before.tokens[i, t]) ** 2).sum().item() for i in (2, 3) for t in range(4)])
    texts = np.mean([((now.vectors[i] - before.vectors[i]) ** 2).sum().item() for i in (2, 3)])
    assert vectors.item() == pytest.approx(tokens + texts, rel=1e-4) and vectors.item() > 1e-3
    each = []
    for place in (2, 3, 4):  # the matches of which picture and caption are both known
        p, q = (one.logits[place].detach().double().softmax(0).numpy() for one in (before, now))
        each.append((p * np.log(p / q)).sum())
    assert matches.item() == pytest.approx(np.mean(each), rel=1e-3, abs=1e-7)
    (vectors + matches).backward()
    assert all(one.grad is None for one in old.form.module.parameters())


def test_nothing_is_lost_where_no_match_is_known(form):
    old = OldModel(form.frozen_copy(with_vision=False), False)
    asked, answered = asked_of(form)
    none = torch.empty(0, dtype=torch.long)
    asked, answered = replace(asked, images=none, texts=none), replace(answered, logits=answered.logits[:0])
    assert float(old.lost(asked, answered, np.array([1]))[1]) == 0


def nets() -> tuple[nn.Module, nn.Module]:
    old, new = nn.Linear(2, 2), nn.Linear(2, 2)
    with torch.no_grad():
        old.weight.zero_()
        new.weight.fill_(1.0)
        new.bias.copy_(old.bias)
    return old, new


@pytest.mark.parametrize(("allowed", "share"), [(1.0, 1.0), (0.48, 0.95), (0.35, 0.7), (0.0, 0.3), (-1.0, 0.3)])
def test_weights_go_as_far_as_general_pictures_allow(allowed, share):
    old, new = nets()

    def measure() -> Figures:
        at = float(new.weight[0, 0].detach())
        return Figures(at, (0.9, 0.9 - max(0.0, at / 2 if at > 0.31 else 0.0)))

    tried = choose_point(WeightLine.between(old, new), measure, allowed, lambda line: None)
    assert tried[0].share == 0 and tried[-1].share == share
    assert torch.allclose(new.weight, torch.full((2, 2), share)) and torch.equal(new.bias, old.bias)
    assert [one.share for one in tried[1:]] == sorted((one.share for one in tried[1:]), reverse=True)


def test_whole_way_is_the_new_weights_to_the_bit():
    old, new = nets()
    with torch.no_grad():
        new.weight.copy_(torch.randn(2, 2))
    kept, line = new.weight.detach().clone(), WeightLine.between(old, new)
    line.go(0.0)
    assert torch.equal(new.weight, old.weight)
    line.go(1.0)
    assert torch.equal(new.weight, kept)


def test_loras_product_is_a_straight_line():
    from imgsearch.tuning.language.keeping import way_of

    generator = torch.Generator().manual_seed(1)
    begun = {"x.lora_A.w": torch.randn(2, 3, generator=generator), "x.lora_B.w": torch.zeros(4, 2)}
    now = {name: nn.Parameter(one + torch.randn(one.shape, generator=generator)) for name, one in begun.items()}
    product = (now["x.lora_B.w"] @ now["x.lora_A.w"]).detach().clone()
    way_of(now, begun).go(0.25)
    assert torch.allclose(now["x.lora_B.w"] @ now["x.lora_A.w"], 0.25 * product, atol=1e-6)
