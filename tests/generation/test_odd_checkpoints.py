"""Generators of other sizes than the recorded ones, and files that were saved in other ways."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import Blip2Config, Blip2ForConditionalGeneration

from imgsearch.errors import CheckpointInvalid, UsageError
from imgsearch.generation import load_generator
from imgsearch.generation.pixels import upright_pixels
from imgsearch.media.preprocess import PIXEL_MEAN, PIXEL_STD

GOLDEN = Path(__file__).parents[1] / "golden"
FILES = GOLDEN / "generation"
_VISION = {"hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 2, "num_attention_heads": 3}
_QFORMER = {"hidden_size": 36, "num_attention_heads": 3, "intermediate_size": 50, "encoder_hidden_size": 48}
_OPT = {"model_type": "opt", "vocab_size": 440, "hidden_size": 40, "word_embed_proj_dim": 40, "num_hidden_layers": 3}
_OPT |= {"num_attention_heads": 5, "ffn_dim": 70, "max_position_embeddings": 200, "eos_token_id": 5, "init_std": 0.3}
_T5 = {"model_type": "t5", "vocab_size": 330, "d_model": 40, "d_ff": 70, "d_kv": 12, "num_heads": 5, "num_layers": 2}
_T5 |= {"bos_token_id": 1, "decoder_start_token_id": 0, "initializer_factor": 1.5}


def _drawn(kind: str, vision: dict[str, Any], qformer: dict[str, Any], text: dict[str, Any], tokens: int) -> Any:
    """transformers' own network of these sizes, with random weights."""
    torch.manual_seed(1)
    parts = {
        "vision_config": {**_VISION, "initializer_range": 0.2, **vision},
        "qformer_config": {**_QFORMER, "num_hidden_layers": 3, "initializer_range": 0.2, **qformer},
        "text_config": {**(_OPT if kind == "opt" else _T5), **text},
    }
    network = Blip2ForConditionalGeneration(Blip2Config(**parts, num_query_tokens=tokens, image_token_index=329))
    with torch.no_grad():
        network.query_tokens.normal_(0, 0.5)
        network.language_projection.weight.normal_(0, 0.3)
    return network.eval()


def _written(network: Any, kind: str, folder: Path) -> Path:
    network.save_pretrained(folder)
    for name in ("tokenizer.json", "vocab.json", "merges.txt"):
        if (FILES / kind / name).is_file():
            shutil.copyfile(FILES / kind / name, folder / name)
    return folder


def _transformers_ids(network: Any, image: Image.Image, prompt: list[int], **how: Any) -> list[int]:
    """The new ids of transformers' generate, which computes without a cache."""
    config = network.config
    pixels = torch.tensor(upright_pixels(image, config.vision_config.image_size)).permute(2, 0, 1)[None] / 255
    pixels = (pixels - torch.tensor(PIXEL_MEAN).view(1, 3, 1, 1)) / torch.tensor(PIXEL_STD).view(1, 3, 1, 1)
    ids = torch.tensor([[config.image_token_index] * config.num_query_tokens + prompt])
    mask = torch.ones_like(ids)
    made = network.generate(pixel_values=pixels, input_ids=ids, attention_mask=mask, use_cache=False, **how)[0]
    begun = 1 if config.text_config.is_encoder_decoder else ids.shape[1]
    new: list[int] = made[begun:].tolist()
    end = config.text_config.eos_token_id
    return new[: new.index(end)] if end in new else new


@pytest.mark.parametrize(
    ("kind", "vision", "qformer", "text", "tokens"),
    [
        ("opt", {"image_size": 42}, {"cross_attention_frequency": 1, "use_qformer_text_input": True}, {}, 7),
        ("opt", {"image_size": 64, "patch_size": 16}, {"cross_attention_frequency": 3}, {"enable_bias": False}, 40),
        ("t5", {"image_size": 42}, {}, {"feed_forward_proj": "relu"}, 5),
        ("t5", {"image_size": 28, "qkv_bias": False}, {}, {"num_decoder_layers": 4}, 1),
    ],
)  # fmt: skip
def test_generator_of_any_size_writes_what_transformers_does(
    kind: str, vision: Any, qformer: Any, text: Any, tokens: int, images: Any, tmp_path: Path
) -> None:
    network = _drawn(kind, vision, qformer, text, tokens)
    generator = load_generator(_written(network, kind, tmp_path / "odd"), device="cpu")
    prompts = ["a photo of two", ""]
    for how in ({"num_beams": 1, "max_new_tokens": 6}, {"num_beams": 3, "max_new_tokens": 6, "length_penalty": 0.5}):
        wanted = [
            _transformers_ids(network, image, generator.tokenizer.encode(prompt), **how)
            for image, prompt in zip(images, prompts, strict=False)
        ]
        assert [list(one.token_ids) for one in generator.caption(images[:2], prompts, **how)] == wanted


@pytest.fixture(scope="module")
def clip_state() -> dict[str, Any]:
    """What LAVIS saves of a Flan-T5 generator with CLIP's ViT-L: the parts of two recorded models."""
    seen = torch.load(GOLDEN / "lavis-vitl" / "blip2_tiny.pth", weights_only=True)["model"]
    written = torch.load(FILES / "blip2_pretrained_flant5_tiny.pth", weights_only=True)["model"]
    kept = {name: seen[name] for name in written if name in seen}
    kept |= {name: value for name, value in seen.items() if name.startswith("visual_encoder.")}
    return {**kept, **{name: value for name, value in written.items() if name.startswith("t5_proj.")}}


def test_generator_with_a_vit_l_sees_what_lavis_saw(clip_state: dict[str, Any], tmp_path: Path) -> None:
    """`pretrain_flant5xl_vitL`: the ViT in clip_vit_L.pth, in spite of a ViT-g beside it; and as a directory."""
    prefix = "visual_encoder."
    tower = {name.removeprefix(prefix): one for name, one in clip_state.items() if name.startswith(prefix)}
    torch.save(tower, tmp_path / "clip_vit_L.pth")
    shutil.copyfile(FILES / "eva_vit_g.pth", tmp_path / "eva_vit_g.pth")
    path = tmp_path / "blip2_pretrained_flant5xl_vitL.pth"
    torch.save({"model": {name: one for name, one in clip_state.items() if not name.startswith(prefix)}}, path)
    about = json.loads((GOLDEN / "lavis-vitl" / "about.json").read_text())
    images = [Image.open(GOLDEN / "lavis" / "images" / name) for name in about["images"][:3]]
    with np.load(GOLDEN / "lavis-vitl" / "lavis_answers.npz") as said:
        tokens = torch.from_numpy(said["image_tokens"][:3])
    wanted = tokens @ clip_state["t5_proj.weight"].T + clip_state["t5_proj.bias"]
    generator = load_generator(path, language_model=FILES / "t5", device="cpu")
    assert torch.allclose(generator.project(images), wanted, atol=1e-5)
    saved = load_generator(_written(generator.network, "t5", tmp_path / "saved"), device="cpu", image_size=70)
    larger = load_generator(path, language_model=FILES / "t5", device="cpu", image_size=70)
    assert torch.equal(saved.project(images), larger.project(images))


@pytest.fixture(scope="module")
def opt_state() -> dict[str, Any]:
    state: dict[str, Any] = torch.load(FILES / "blip2_caption_opt_tiny.pth", weights_only=True)["model"]
    return state


def _load(state: Any, folder: Path, language: Path = FILES / "opt") -> Any:
    torch.save(state, folder / "some.pth")
    return load_generator(folder / "some.pth", language_model=language, device="cpu")


@pytest.mark.parametrize(("outer", "prefix"), [("state_dict", "model."), ("model", "module."), (None, "net.module.")])
def test_names_that_a_wrapper_left_are_understood(
    opt: Any, opt_state: Any, images: Any, tmp_path: Path, outer: str | None, prefix: str
) -> None:
    named = {prefix + name: value for name, value in opt_state.items()}
    found = _load({outer: {**named, "loss.weight": torch.zeros(2)}} if outer else named, tmp_path)
    assert torch.equal(found.project(images[:1]), opt.project(images[:1]))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"query_tokens": lambda value: value[0]}, "other forms"),
        ({"opt_proj.weight": lambda value: value.sum()}, "other forms"),
        ({"visual_encoder.blocks.0.attn.q_bias": None}, "q_bias"),
        ({"opt_proj.weight": lambda value: (10 * value).to(torch.int8)}, "int8"),
    ],
)
def test_tensors_that_are_no_weights_are_told(opt_state: Any, tmp_path: Path, changed: Any, words: str) -> None:
    state = {name: changed[name](one) if changed.get(name) else one for name, one in opt_state.items()}
    state = {name: one for name, one in state.items() if changed.get(name, True) is not None}
    with pytest.raises(CheckpointInvalid, match=words):
        _load({"model": state}, tmp_path)


def test_weights_that_are_no_numbers_write_nothing(opt_state: Any, images: Any, tmp_path: Path) -> None:
    broken = _load({"model": {**opt_state, "query_tokens": opt_state["query_tokens"] * float("nan")}}, tmp_path)
    with pytest.raises(CheckpointInvalid, match="damaged"):
        broken.caption(images[:1])


def _changed(folder: Path, source: Path, drop: str = "", **values: Any) -> Path:
    """A copy of a language model with other values in its config and without a tensor."""
    shutil.copytree(source, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **values}))
    if drop:
        weights = torch.load(folder / "pytorch_model.bin", weights_only=True)
        torch.save({name: one for name, one in weights.items() if name != drop}, folder / "pytorch_model.bin")
    return folder


def test_language_model_that_lacks_its_own_head_or_fits_no_picture_is_told(opt_state: Any, tmp_path: Path) -> None:
    """Flan-T5's head is not its embedding; OPT of 350 million has narrower word vectors than layers."""
    headless = _changed(tmp_path / "t5", FILES / "t5", drop="lm_head.weight")
    with pytest.raises(CheckpointInvalid, match="lm_head"):
        load_generator(FILES / "blip2_pretrained_flant5_tiny.pth", language_model=headless, device="cpu")
    with pytest.raises(CheckpointInvalid, match="word vectors have 32"):
        _load({"model": opt_state}, tmp_path, _changed(tmp_path / "opt", FILES / "opt", word_embed_proj_dim=32))


def test_ids_that_a_config_leaves_out_are_blip2s_own(opt: Any, t5: Any, images: Any, tmp_path: Path) -> None:
    folder = _written(opt.network, "opt", tmp_path / "opt")
    config = json.loads((folder / "config.json").read_text())
    del config["text_config"]["eos_token_id"]
    (folder / "config.json").write_text(json.dumps(config))
    assert load_generator(folder, device="cpu").tokenizer.marks.end == opt.tokenizer.marks.end
    bare = _changed(tmp_path / "t5", FILES / "t5", decoder_start_token_id=None)
    found = load_generator(FILES / "blip2_pretrained_flant5_tiny.pth", language_model=bare, device="cpu")
    assert found.caption(images[:1], num_beams=1)[0].token_ids == t5.caption(images[:1], num_beams=1)[0].token_ids


def test_packed_tensor_of_a_directory_is_told(opt: Any, tmp_path: Path) -> None:
    folder = _written(opt.network, "opt", tmp_path / "opt")
    name = "vision_model.encoder.layers.0.self_attn.qkv.weight"
    weights = load_file(folder / "model.safetensors")
    save_file({**weights, name: weights[name].to(torch.int8)}, folder / "model.safetensors")
    with pytest.raises(CheckpointInvalid, match="int8"):
        load_generator(folder, device="cpu")


@pytest.mark.parametrize(
    "asked",
    [
        {"length_penalty": "1"}, {"length_penalty": 1e308}, {"top_p": "x", "do_sample": True}, {"temperature": 1e-300},
        {"seed": "abc", "do_sample": True}, {"seed": 1 << 70, "do_sample": True}, {"seed": 1.5, "do_sample": True},
        {"seed": ["a"], "do_sample": True}, {"seed": True, "do_sample": True}, {"batch_size": "3"}, {"batch_size": 1.5},
    ],
)  # fmt: skip
def test_value_of_a_wrong_kind_is_told(opt: Any, images: Any, asked: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        opt.caption(images[:1], **asked)


def test_whole_numbers_of_numpy_are_whole_numbers(opt: Any, images: Any) -> None:
    three = np.int64(3)
    drawn = [opt.caption(images[:1], do_sample=True, seed=seed)[0].token_ids for seed in (three, 3)]
    assert drawn[0] == drawn[1]
    assert opt.caption(images[:1], num_beams=three) == opt.caption(images[:1], num_beams=3)
