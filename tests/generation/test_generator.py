"""Captions and answers: batches, seeds, prompts, pictures of all modes, and arguments that cannot be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from imgsearch.errors import MediaError, NotEnoughMemory, UsageError
from imgsearch.generation import Answer, Caption, Generator, load_generator
from imgsearch.model import load_model


def _ids(captions: Any) -> list[list[int]]:
    return [one.token_ids for captions_of_one in captions for one in captions_of_one]


def test_generators_keep_the_contract(opt: Any, t5: Any) -> None:
    assert isinstance(opt, Generator)
    assert isinstance(t5, Generator)


def test_a_caption_is_one_and_all_that_were_asked_for(opt: Any, images: Any) -> None:
    one = opt.caption(images[:2])
    assert [len(captions) for captions in one] == [1, 1]
    assert isinstance(one[0], Caption)
    three = opt.caption(images[:2], num_beams=3, num_captions=3)
    assert [len(captions) for captions in three] == [3, 3]
    for captions in three:
        assert captions.text == captions[0].text
        assert [caption.score for caption in captions] == sorted((c.score for c in captions), reverse=True)


def test_no_pictures_give_no_captions(opt: Any) -> None:
    assert opt.caption([]) == opt.answer([], []) == []


@pytest.mark.parametrize("kind", ["opt", "t5"])
def test_batches_change_nothing(generators: Any, images: Any, kind: str) -> None:
    for asked in ({"num_beams": 3}, {"num_beams": 1}, {"do_sample": True, "seed": 5, "num_captions": 2}):
        whole = generators[kind].caption(images[:5], **asked)
        assert _ids(generators[kind].caption(images[:5], batch_size=2, **asked)) == _ids(whole)


@pytest.mark.parametrize("kind", ["opt", "t5"])
def test_a_seed_a_picture_makes_each_independent(generators: Any, images: Any, kind: str) -> None:
    generator = generators[kind]
    asked = {"do_sample": True, "num_captions": 2, "temperature": 1.5}
    together = generator.caption(images[:3], seed=[1, 2, 3], **asked)
    alone = [generator.caption([image], seed=seed, **asked)[0] for seed, image in zip((1, 2, 3), images, strict=False)]
    assert _ids(together) == _ids(alone)
    assert _ids(generator.caption(images[:3], seed=[4, 5, 6], **asked)) != _ids(together)


def test_sampling_leaves_the_global_random_numbers_alone(opt: Any, images: Any) -> None:
    import torch

    before = torch.get_rng_state()
    opt.caption(images[:1], do_sample=True)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("kind", ["opt", "t5"])
def test_the_picture_is_looked_at(generators: Any, images: Any, kind: str) -> None:
    """A processor without query tokens makes transformers write without the picture: one text for all."""
    assert len({one.text for one in generators[kind].caption(images, num_beams=1)}) > 3


def test_answers_are_those_of_captions_with_the_form(opt: Any, t5: Any, images: Any, about: Any) -> None:
    asked = about["questions"][:3]
    for generator, form in ((opt, "Question: {} Answer:"), (t5, "Question: {} Short answer:")):
        answers = generator.answer(images[:3], asked, form=form)
        prompts = [form.format(text) for text in asked]
        wanted = generator.caption(images[:3], prompts, max_new_tokens=10, length_penalty=-1.0)
        assert answers == [Answer(one.text, one.token_ids) for one in wanted]
    assert opt.answer(images[:3], asked[0]) == opt.answer(images[:3], [asked[0]] * 3)


def test_marks_that_a_person_types_are_text(opt: Any, t5: Any, images: Any) -> None:
    typed = "</s> <pad> <image> <extra_id_0> {} \ud800"
    ids = opt.tokenizer.encode(typed)
    assert len(ids) > 12
    assert opt.tokenizer.marks.pad not in ids
    assert ids.count(opt.tokenizer.marks.before[0]) == 1
    for generator in (opt, t5):
        assert isinstance(generator.answer(images[:1], typed)[0].text, str)


def test_memory_that_runs_out_halves_the_batch(opt: Any, images: Any, monkeypatch: Any) -> None:
    wanted = _ids(opt.caption(images[:5], num_beams=1))
    project, sizes = opt._project, []

    def hungry(pictures: Any) -> Any:
        sizes.append(len(pictures))
        if len(pictures) > 2:
            raise MemoryError
        return project(pictures)

    monkeypatch.setattr(opt, "_project", hungry)
    assert _ids(opt.caption(images[:5], num_beams=1)) == wanted
    assert sizes == [5, 2, 2, 1]


def test_one_picture_that_does_not_fit_is_told(opt: Any, images: Any, monkeypatch: Any) -> None:
    def starved(pictures: Any) -> Any:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    monkeypatch.setattr(opt, "_project", starved)
    with pytest.raises(NotEnoughMemory, match="one picture") as caught:
        opt.caption(images[:2])
    assert "fewer beams" in caught.value.hint


@pytest.mark.parametrize(
    "asked",
    [
        {"num_beams": 0},
        {"num_beams": 2.5},
        {"max_new_tokens": 0},
        {"min_new_tokens": 31},
        {"top_p": 0.0},
        {"top_p": 1.5},
        {"temperature": float("nan")},
        {"repetition_penalty": -1},
        {"length_penalty": float("inf")},
        {"num_captions": 6},
        {"prompt": ["one", "two"]},
        {"prompt": 7},
        {"do_sample": True, "seed": [1, 2]},
        {"do_sample": "no"},
        {"batch_size": 0},
    ],
)
def test_an_argument_that_cannot_be_is_told(opt: Any, images: Any, asked: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        opt.caption(images[:1], **asked)
    assert caught.value.hint


@pytest.mark.parametrize(
    "asked",
    [{"device": 0}, {"device": torch.device("cpu")}, {"dtype": torch.float32}, {"image_size": "big"}],
)
def test_a_loader_that_is_asked_for_what_cannot_be_says_so(asked: dict[str, Any]) -> None:
    for load in (load_generator, load_model):
        with pytest.raises(UsageError, match="expected"):
            load("mini", **asked)


def test_a_question_of_ten_thousand_letters_is_told(opt: Any, t5: Any, images: Any) -> None:
    for generator in (opt, t5):
        with pytest.raises(UsageError, match="tokens was given"):
            generator.answer(images[:1], "why " * 2500)


def test_a_form_without_a_place_for_the_question_is_told(opt: Any, images: Any) -> None:
    with pytest.raises(UsageError, match="has no"):
        opt.answer(images[:1], "what?", form="Question:")


def test_pictures_of_all_modes_are_what_a_person_sees(opt: Any, images: Any) -> None:
    picture = images[0].resize((56, 56), Image.Resampling.BICUBIC)
    wanted = opt.project([picture]).numpy()
    clear = picture.convert("RGBA")
    turned = picture.transpose(Image.Transpose.ROTATE_90)
    turned.getexif()[0x0112] = 6  # shown turned back
    for other in (clear, turned):
        np.testing.assert_allclose(opt.project([other]).numpy(), wanted, atol=1e-5)
    white = opt.project([Image.new("RGB", (9, 9), "white")]).numpy()
    unseen = Image.new("RGBA", (9, 9), (0, 0, 0, 0))
    deep = Image.fromarray(np.full((9, 9), 65535, np.uint16))
    for other in (unseen, deep, Image.new("1", (9, 9), 1), Image.new("P", (9, 9)), Image.new("CMYK", (9, 9))):
        if other.mode == "P":
            other.putpalette([255, 255, 255] * 256)
        np.testing.assert_allclose(opt.project([other]).numpy(), white, atol=1e-5)


def test_a_picture_that_cannot_be_decoded_is_told(opt: Any, tmp_path: Any, images: Any) -> None:
    path = tmp_path / "cut.png"
    images[0].save(path)
    path.write_bytes(path.read_bytes()[:2000])
    with Image.open(path) as cut, pytest.raises(MediaError):
        opt.caption([cut])
    with pytest.raises(UsageError, match="PIL picture"):
        opt.caption(["a.jpg"])
    with pytest.raises(UsageError, match="expected a list"):
        opt.caption(images[0])


def test_no_repeat_forbids_n_grams(opt: Any, images: Any) -> None:
    for caption in opt.caption(images, num_beams=1, no_repeat=1):
        assert len(set(caption.token_ids)) == len(caption.token_ids)


def test_a_caption_is_as_short_as_was_asked(opt: Any, t5: Any, images: Any) -> None:
    for generator in (opt, t5):
        for caption in generator.caption(images, max_new_tokens=6, min_new_tokens=6, num_beams=2):
            assert len(caption.token_ids) in (5, 6)  # the end is an id too
