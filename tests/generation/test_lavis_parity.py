"""Against what salesforce-lavis 1.0.2 itself answered for two small models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from length_rule import apply_length_rule

GOLDEN = Path(__file__).parents[1] / "golden" / "generation"
CALLS = {
    kind: calls
    for kind, calls in json.loads((GOLDEN / "about.json").read_text())["calls"].items()
    if kind in ("opt", "t5")
}
HEAD = json.loads((GOLDEN / "lavis_head_opt.json").read_text())["calls"]


def _cut(row: Any, begun: int, end: int) -> list[int]:
    """The new ids of a recorded row, its end left out."""
    new = [int(number) for number in row][begun:]
    return new[: new.index(end)] if end in new else new


def _prompts(call: dict[str, Any], about: Any, kind: str, count: int) -> list[str]:
    samples = call.get("samples", {})
    if "per_image_prompts" in call:
        return list(call["per_image_prompts"])
    if call["method"] == "predict_answers":
        form = call["kwargs"].get("prompt", "")
        return [form.format(text) if form else text for text in samples["text_input"]]
    prompt = samples.get("prompt", about["checkpoints"][kind]["config_prompt"])
    return list(prompt) if isinstance(prompt, list) else [prompt] * count


def _asked(call: dict[str, Any], kind: str, prompt_ids: int) -> dict[str, Any]:
    """LAVIS's arguments as ours. ``min_length`` counts OPT's text prompt, or T5's start."""
    given = call["kwargs"]
    answer = call["method"] == "predict_answers"
    begun = prompt_ids if kind == "opt" else 1
    least = given.get("min_len" if answer else "min_length", 1)
    return {
        "num_beams": given.get("num_beams", 5),
        "max_new_tokens": given.get("max_len", 10) if answer else given.get("max_length", 30),
        "min_new_tokens": max(0, least - begun),
        "length_penalty": float(given.get("length_penalty", -1 if answer else 1.0)),
        "repetition_penalty": given.get("repetition_penalty", 1.0),
        "do_sample": given.get("use_nucleus_sampling", False),
        "top_p": given.get("top_p", 0.9),
        "temperature": given.get("temperature", 1.0),
        "num_captions": given.get("num_captions", 1),
        "seed": call.get("torch_seed"),
    }


def _answered(generators: Any, images: Any, about: Any, kind: str, call: dict[str, Any], monkeypatch: Any) -> Any:
    """(ids, texts, scores) of all candidates in LAVIS's order. Where each picture has a prompt of another length the
    1.0.2 rule needs that length, so that they go one by one as they were recorded."""
    generator = generators[kind]
    prompts = _prompts(call, about, kind, len(images))
    marks = generator.tokenizer.marks
    lengths = [len(generator.tokenizer.encode(prompt)) if kind == "opt" else 1 for prompt in prompts]
    found = []
    for length in sorted(set(lengths)):
        rows = [row for row, one in enumerate(lengths) if one == length]
        asked = _asked(call, kind, length)
        if asked["num_beams"] > 1 and not asked["do_sample"]:
            apply_length_rule(monkeypatch, length, marks.end[0])
        written = generator.caption([images[row] for row in rows], [prompts[row] for row in rows], **asked)
        found += list(zip(rows, written, strict=True))
    return [caption for _, captions in sorted(found, key=lambda pair: pair[0]) for caption in captions]


def _recorded(call: dict[str, Any], said: Any, generator: Any, kind: str, prompts: list[str]) -> list[list[int]]:
    rows = call["ids_list"] if call.get("ids_list") else said[call["ids"]].tolist()
    each = len(rows) // len(prompts)
    end = generator.tokenizer.marks.end[0]
    begun = [len(generator.tokenizer.encode(prompts[row // each])) if kind == "opt" else 1 for row in range(len(rows))]
    return [_cut(row, start, end) for row, start in zip(rows, begun, strict=True)]


@pytest.mark.parametrize(("kind", "place"), [(kind, place) for kind in CALLS for place in range(len(CALLS[kind]))])
def test_every_recorded_call_gives_the_same_ids(
    generators: Any, images: Any, about: Any, said: Any, kind: str, place: int, monkeypatch: Any
) -> None:
    call = CALLS[kind][place]
    if kind == "t5" and call["kwargs"].get("use_nucleus_sampling"):
        pytest.skip("LAVIS's T5 samples beams; ours is nucleus sampling")
    found = _answered(generators, images, about, kind, call, monkeypatch)
    prompts = _prompts(call, about, kind, len(images))
    assert [one.token_ids for one in found] == _recorded(call, said, generators[kind], kind, prompts)
    assert [one.text for one in found] == [text.strip() for text in call["text"]]
    if "scores" in call:
        np.testing.assert_allclose([one.score for one in found], said[call["scores"]], atol=2e-4)


@pytest.mark.parametrize("kind", ["opt", "t5"])
def test_a_batch_of_unlike_prompts_gives_what_each_alone_gives(generators: Any, images: Any, about: Any, kind: str):
    generator = generators[kind]
    prompts = ["a photo of", "", f"Question: {about['questions'][2]} Answer:", "there is"]
    some = images[:4]
    for asked in ({"repetition_penalty": 1.5}, {"num_beams": 1, "no_repeat": 2}):
        together = generator.caption(some, prompts, **asked)
        alone = [generator.caption([image], prompt, **asked)[0] for image, prompt in zip(some, prompts, strict=True)]
        assert [one.token_ids for one in together] == [one.token_ids for one in alone]
        np.testing.assert_allclose([one.score for one in together], [one.score for one in alone], atol=1e-5)


def test_opt_answers_as_lavis_head(opt: Any, images: Any) -> None:
    """LAVIS's later code, on transformers 4.33, whose beams count lengths as today's; but for texts that never ended,
    which are one of 110 here."""
    end = opt.tokenizer.marks.end[0]
    unended = 0
    for call in (call for call in HEAD if call["method"] == "predict_answers"):
        given = call["kwargs"]
        found = opt.answer(
            images,
            call["samples"]["text_input"],
            form=given.get("prompt", ""),
            num_beams=given.get("num_beams", 5),
            length_penalty=float(given.get("length_penalty", 0)),
        )
        for one, text, row in zip(found, call["text"], call["ids"], strict=True):
            if end in row:
                assert (one.text, one.token_ids) == (text, _cut(row, 1, end))
            unended += end not in row
    assert unended <= 1


def test_opt_captions_as_lavis_head(opt: Any, images: Any, monkeypatch: Any) -> None:
    """Its lengths count the start of their own: one new id less at most, and at least."""
    end = opt.tokenizer.marks.end[0]
    apply_length_rule(monkeypatch, 1, end)
    for call in (call for call in HEAD if call["method"] == "generate"):
        given = call["kwargs"]
        found = opt.caption(
            images,
            call["samples"]["prompt"],
            num_beams=given.get("num_beams", 5),
            max_new_tokens=given.get("max_length", 30) - 1,
            min_new_tokens=max(0, given.get("min_length", 1) - 1),
        )
        assert [one.text for one in found] == call["text"]
        assert [one.token_ids for one in found] == [_cut(row, 1, end) for row in call["ids"]]


@pytest.mark.parametrize("kind", ["opt", "t5"])
def test_projection_and_first_logits_are_lavis_own(generators: Any, images: Any, said: Any, kind: str) -> None:
    generator = generators[kind]
    np.testing.assert_allclose(generator.project(images).numpy(), said[f"{kind}_projection"], atol=1e-5)
    for prompt, name in (("", "first_logits"), ("a photo of", "first_logits_photo")):
        found = generator.first_logits(images, prompt).numpy()
        np.testing.assert_allclose(found, said[f"{kind}_{name}"], atol=1e-4)


def test_losses_are_lavis_own(opt: Any, t5: Any, images: Any, about: Any, said: Any) -> None:
    texts = about["captions_of_the_pictures"]
    assert opt.caption_loss(images, texts) == pytest.approx(float(said["opt_loss"][0]), abs=1e-6)
    assert len(opt.tokenizer.encode("a photo of ")) == said["opt_prompt_length"][0]
    prompted = opt.caption_loss(images, [f"a photo of {text}" for text in texts], "a photo of ")
    assert prompted == pytest.approx(float(said["opt_loss_prompted"][0]), abs=1e-6)
    assert t5.caption_loss(images, texts) == pytest.approx(float(said["t5_loss"][0]), abs=1e-6)
    for generator, kind in ((opt, "opt"), (t5, "t5")):
        each = [generator.caption_loss([image], [text]) for image, text in zip(images, texts, strict=True)]
        np.testing.assert_allclose(each, said[f"{kind}_loss_each"], atol=1e-6)


def test_t5_loss_of_answers_reads_the_question(t5: Any, images: Any, about: Any, said: Any) -> None:
    asked = [f"Question: {text} Short answer:" for text in about["questions"]]
    found = t5.caption_loss(images, about["answers_of_the_pictures"], asked)
    assert found == pytest.approx(float(said["t5_loss_vqa"][0]), abs=1e-6)


def test_image_embeddings_are_lavis_own(generators: Any, images: Any, said: Any) -> None:
    pixels = torch.from_numpy(said["pixel_values"])
    for kind, generator in generators.items():
        found = generator.network.vision_model(pixel_values=pixels).last_hidden_state
        np.testing.assert_allclose(found.numpy(), said[f"{kind}_image_embeds"], atol=1e-5)
