"""What is opened as a generator, what is mended on the way, and what is refused with a clear word."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import Blip2ForConditionalGeneration

from imgsearch.errors import CheckpointInvalid, ModelUnavailable, NotEnoughMemory, UsageError
from imgsearch.generation import load_generator
from imgsearch.generation.quantising import quantised_names

GOLDEN = Path(__file__).parents[1] / "golden"
OPT_PTH = GOLDEN / "generation" / "blip2_caption_opt_tiny.pth"
T5_PTH = GOLDEN / "generation" / "blip2_pretrained_flant5_tiny.pth"


def _write(generator: Any, kind: str, folder: Path) -> Path:
    """The generator as a Hugging Face directory."""
    generator.network.save_pretrained(folder)
    for name in ("tokenizer.json", "vocab.json", "merges.txt"):
        if (GOLDEN / "generation" / kind / name).is_file():
            shutil.copyfile(GOLDEN / "generation" / kind / name, folder / name)
    return folder


def _change(folder: Path, **values: Any) -> None:
    """Set entries of config.json; "text.name" is one of the language model's; None takes it out."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    for name, value in values.items():
        place, _, inner = name.rpartition("__")
        table = config[place] if place else config
        table.pop(inner, None)
        if value is not None:
            table[inner] = value
    path.write_text(json.dumps(config))


def _ids(generator: Any, images: Any) -> list[list[int]]:
    return [one.token_ids for one in generator.caption(images[:3], "a photo of", num_beams=1)]


@pytest.fixture(scope="module")
def directories(generators: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {kind: _write(one, kind, tmp_path_factory.mktemp(kind)) for kind, one in generators.items()}


@pytest.fixture
def copied(directories: dict[str, Path], tmp_path: Path) -> Any:
    return lambda kind: shutil.copytree(directories[kind], tmp_path / kind)


@pytest.mark.parametrize("kind", ["opt", "t5"])
def test_a_directory_gives_what_the_pth_gives(generators: Any, directories: Any, images: Any, kind: str) -> None:
    found = load_generator(directories[kind], device="cpu")
    assert torch.equal(found.project(images), generators[kind].project(images))
    assert torch.equal(found.first_logits(images), generators[kind].first_logits(images))
    assert _ids(found, images) == _ids(generators[kind], images)
    assert found.fingerprint != generators[kind].fingerprint


@pytest.mark.parametrize("kind", ["opt", "t5"])
def test_an_old_revision_without_placeholders_is_mended(generators: Any, copied: Any, images: Any, kind: str) -> None:
    folder = copied(kind)
    _change(folder, image_token_index=None, num_query_tokens=None)
    found = load_generator(folder, device="cpu")
    assert _ids(found, images) == _ids(generators[kind], images)
    assert found.query_tokens == generators[kind].query_tokens


def test_settings_of_the_repository_change_nothing(opt: Any, copied: Any, images: Any) -> None:
    folder = copied("opt")
    (folder / "generation_config.json").write_text(json.dumps({"max_length": 3, "do_sample": True, "num_beams": 7}))
    (folder / "preprocessor_config.json").write_text(json.dumps({"size": {"height": 8, "width": 8}}))
    assert _ids(load_generator(folder, device="cpu"), images) == _ids(opt, images)


def test_an_older_library_than_transformers_5_wrote_the_same(t5: Any, copied: Any, images: Any) -> None:
    folder = copied("t5")
    _change(folder, text_config__tie_word_embeddings=False, text_config__scale_decoder_outputs=None)
    assert _ids(load_generator(folder, device="cpu"), images) == _ids(t5, images)


@pytest.mark.parametrize("kept", ["shared", "encoder.embed_tokens", "decoder.embed_tokens"])
def test_t5_keeps_head_and_embedding_apart_by_any_name(t5: Any, copied: Any, images: Any, kept: str) -> None:
    folder = copied("t5")
    state = load_file(folder / "model.safetensors")
    names = [f"language_model.{one}.weight" for one in ("shared", "encoder.embed_tokens", "decoder.embed_tokens")]
    embedding = next(state[name] for name in names if name in state).clone()
    state = {name: value for name, value in state.items() if name not in names}
    state[f"language_model.{kept}.weight"] = embedding
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    found = load_generator(folder, device="cpu")
    assert torch.equal(found.first_logits(images[:2]), t5.first_logits(images[:2]))
    head = found.network.language_model.lm_head.weight
    assert not torch.equal(head, found.network.language_model.shared.weight)


def test_opt_needs_its_tied_weights_but_once(opt: Any, copied: Any, images: Any) -> None:
    folder = copied("opt")
    state = load_file(folder / "model.safetensors")
    state.pop("language_model.lm_head.weight", None)
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    assert _ids(load_generator(folder, device="cpu"), images) == _ids(opt, images)


def test_t5_has_the_exact_gelu_and_ln_vision_its_epsilon(opt: Any, t5: Any) -> None:
    assert t5.network.config.text_config.dense_act_fn == "gelu"
    assert {one.network.vision_model.post_layernorm.eps for one in (opt, t5)} == {1e-5}


def test_transformers_own_generate_agrees(opt: Any, directories: Any, images: Any, said: Any) -> None:
    """Another way to the same ids: placeholders scattered by transformers, the whole prompt read for every row."""
    network = Blip2ForConditionalGeneration.from_pretrained(directories["opt"]).eval()
    network.vision_model.post_layernorm.eps = 1e-5
    ids = [[network.config.image_token_index] * opt.query_tokens + opt.tokenizer.encode("a photo of")] * 3
    pixels = torch.from_numpy(said["pixel_values"][:3])
    found = network.generate(pixel_values=pixels, input_ids=torch.tensor(ids), max_new_tokens=30, num_beams=1)
    end = opt.tokenizer.marks.end[0]
    rows = [row[: row.index(end)] if end in row else row for row in found[:, len(ids[0]) :].tolist()]
    assert rows == _ids(opt, images)


@pytest.mark.parametrize("name", ["mini", "lavis"])
def test_a_retrieval_checkpoint_is_refused(name: str) -> None:
    path = GOLDEN.parents[1] / "data" / "mini" if name == "mini" else GOLDEN / "lavis" / "blip2_tiny.pth"
    language = None if name == "mini" else GOLDEN / "generation" / "opt"
    with pytest.raises(CheckpointInvalid, match=r"(?i)retrieval"):
        load_generator(path, language_model=language)


@pytest.mark.parametrize(
    ("name", "language", "error", "words"),
    [
        (OPT_PTH, None, UsageError, "no language model"),
        (OPT_PTH, GOLDEN / "generation" / "t5", UsageError, "trained with an OPT"),
        (T5_PTH, GOLDEN / "generation" / "opt", UsageError, "trained with a T5"),
        (OPT_PTH, "nowhere/at-all", ModelUnavailable, "no language model at"),
        (OPT_PTH, GOLDEN / "lavis", CheckpointInvalid, "no config.json"),
        ("Salesforce/blip2-none", None, ModelUnavailable, "not on this computer"),
        ("blip2-opt-2.7b", None, ModelUnavailable, "not on this computer"),
        ("nothing", None, ModelUnavailable, "known ones are mini"),
        ("", None, UsageError, "empty"),
        ("missing.pth", None, ModelUnavailable, "no generator at"),
    ],
)
def test_what_cannot_be_opened_is_told(name: Any, language: Any, error: Any, words: str, tmp_path: Any) -> None:
    with pytest.raises(error, match=words) as caught:
        load_generator(name, language_model=language)
    assert caught.value.hint


def test_the_pre_trained_form_needs_its_vit_beside_it(tmp_path: Path) -> None:
    shutil.copyfile(T5_PTH, tmp_path / T5_PTH.name)
    with pytest.raises(ModelUnavailable, match=r"eva_vit_g\.pth"):
        load_generator(tmp_path / T5_PTH.name, language_model=GOLDEN / "generation" / "t5")


def test_the_vit_may_lie_in_either_file(opt: Any, t5: Any, images: Any, tmp_path: Path) -> None:
    """As LAVIS publishes either language model in both forms: the ViT taken out of one file and put into the other."""
    whole = torch.load(OPT_PTH, weights_only=True)
    bare = torch.load(T5_PTH, weights_only=True)
    tower = torch.load(T5_PTH.parent / "eva_vit_g.pth", weights_only=True)
    prefix = "visual_encoder."
    own = {name.removeprefix(prefix): one for name, one in whole["model"].items() if name.startswith(prefix)}
    rest = {name: one for name, one in whole["model"].items() if not name.startswith(prefix)}
    torch.save(own, tmp_path / "eva_vit_g.pth")
    torch.save({"model": rest}, tmp_path / "pretrained_opt.pth")
    inside = {f"{prefix}{name}": one for name, one in tower.items()}
    torch.save({"model": {**bare["model"], **inside}}, tmp_path / "caption_t5.pth")
    for name, kind, wanted in (("pretrained_opt.pth", "opt", opt), ("caption_t5.pth", "t5", t5)):
        found = load_generator(tmp_path / name, language_model=GOLDEN / "generation" / kind, device="cpu")
        assert torch.equal(found.project(images[:3]), wanted.project(images[:3]))


def test_another_image_size_resizes_the_positions(directories: Any, images: Any) -> None:
    one = load_generator(OPT_PTH, language_model=GOLDEN / "generation" / "opt", device="cpu", image_size=70)
    other = load_generator(directories["opt"], device="cpu", image_size=70)
    assert one.image_size == other.image_size == 70
    assert torch.allclose(one.project(images[:2]), other.project(images[:2]), atol=1e-5)
    with pytest.raises(UsageError, match="multiple"):
        load_generator(directories["opt"], device="cpu", image_size=71)


def test_a_tokenizer_of_another_model_is_refused(copied: Any) -> None:
    folder = copied("opt")
    vocabulary = json.loads((folder / "vocab.json").read_text())
    vocabulary.update({f"word{number}": 1000 + number for number in range(3)})
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    with pytest.raises(CheckpointInvalid, match="another model's"):
        load_generator(folder)


def test_a_sentencepiece_file_alone_is_told(copied: Any) -> None:
    folder = copied("t5")
    (folder / "tokenizer.json").rename(folder / "spiece.model")
    with pytest.raises(CheckpointInvalid, match=r"spiece\.model alone") as caught:
        load_generator(folder)
    assert "tokenizer.json" in caught.value.hint


def test_a_missing_weight_is_named(copied: Any) -> None:
    folder = copied("opt")
    state = load_file(folder / "model.safetensors")
    state.pop("language_projection.bias")
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointInvalid, match=r"language_projection\.bias"):
        load_generator(folder)


def test_what_cannot_fit_is_refused_before_weights_are_read(monkeypatch: Any) -> None:
    from imgsearch.generation import weights

    monkeypatch.setattr(weights, "available_bytes", lambda: 5_000_000)
    with pytest.raises(NotEnoughMemory, match="GB are free") as caught:
        load_generator(OPT_PTH, language_model=GOLDEN / "generation" / "opt", device="cpu")
    assert "dtype='bfloat16'" in caught.value.hint


def test_layers_that_bitsandbytes_cannot_pack_stay_as_they_are() -> None:
    """On CPUs with AVX-512 BF16 it packs 32 rows of 4-bit weights together, and fails with another number of them."""
    shapes = {"even": (64, 32), "narrow": (48, 32), "odd": (64, 24)}
    network = torch.nn.ModuleDict({name: torch.nn.Linear(*shape) for name, shape in shapes.items()})
    assert quantised_names(network, "int8") == {"even.weight", "odd.weight"}
    assert quantised_names(network, "int4") == {"even.weight"}


@pytest.mark.parametrize("kind", ["opt", "t5"])
@pytest.mark.parametrize("quantize", ["int8", "int4"])
def test_few_bits_write_nearly_the_same(directories: Any, generators: Any, images: Any, kind: str, quantize: str):
    pytest.importorskip("bitsandbytes")
    found = load_generator(directories[kind], device="cpu", quantize=quantize)
    layers = [type(module).__name__ for module in found.network.language_model.modules()]
    assert any(name in ("Linear8bitLt", "Linear4bit") for name in layers)
    exact = generators[kind].first_logits(images)
    moved = (found.first_logits(images) - exact).norm() / exact.norm()
    assert 0 < moved < (0.05 if quantize == "int8" else 0.3)
    assert all(one.text for one in found.caption(images[:2]))


def test_few_bits_without_their_library_are_told(monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(ModelUnavailable, match="needs bitsandbytes"):
        load_generator(OPT_PTH, language_model=GOLDEN / "generation" / "opt", quantize="int8")
    with pytest.raises(UsageError, match="expected int8 or int4"):
        load_generator(OPT_PTH, language_model=GOLDEN / "generation" / "opt", quantize="int3")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("kind", ["opt", "t5"])
def test_short_dtypes_write_and_keep_what_transformers_keeps(directories: Any, images: Any, kind: str, dtype: str):
    found = load_generator(directories[kind], device="cpu", dtype=dtype)
    kept = torch.float32 if dtype == "float16" else torch.bfloat16
    assert found.network.query_tokens.dtype == kept
    assert found.network.language_projection.weight.dtype == getattr(torch, dtype)
    assert all(one.text for one in found.caption(images[:2]))
    assert found.dtype == dtype


def test_neither_the_room_nor_a_misspelt_name_loads_torch() -> None:
    code = """
import sys, imgsearch.generation
for wrong in ({"name": "minni"}, {"name": "mini", "dtype": "float8"}, {"name": "mini", "device": "gpu"}):
    try:
        imgsearch.generation.load_generator(**wrong)
    except imgsearch.errors.ImgsearchError:
        continue
    sys.exit(f"{wrong} was taken")
sys.exit('torch' in sys.modules or 'transformers' in sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
