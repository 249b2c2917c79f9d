"""Captions are tuned on the small generator and on LAVIS's tiny ones: what is trained, resumed, merged, and loaded."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from imgsearch.errors import UsageError
from imgsearch.generation import load_generator
from imgsearch.generation.loss import loss_of_batch, training_loss
from imgsearch.media.preprocess import resize_to_model
from imgsearch.progress import Silence
from imgsearch.scenes.dataset import make_set, write_set
from imgsearch.scenes.draw import draw_scene
from imgsearch.scenes.graph import WORLDS
from imgsearch.tuning.language.parts import choose_language_parts, keep_in_eval, language_parts
from imgsearch.tuning.language.request import LanguageOptions, LanguageRequest
from imgsearch.tuning.lineage import read_lineage
from imgsearch.tuning.pairs import read_pairs
from imgsearch.tuning.parts import share_trained
from imgsearch.tuning.pictures.prepare import Prepared
from imgsearch.tuning.pictures.source import Pictures

GOLDEN = Path(__file__).parents[1] / "golden" / "generation"
TINY = {"opt": "blip2_caption_opt_tiny.pth", "t5": "blip2_pretrained_flant5_tiny.pth"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of the shifted world, of which no model here knows a word."""
    folder = tmp_path_factory.mktemp("world")
    write_set(ROWS[:2], folder / "set", size=64)
    return folder / "set" / "pairs.jsonl"


ROWS = [*make_set(50, 5, domain=WORLDS["shifted"]), *make_set(12, 6)]


@functools.cache
def drawn(side: int) -> np.ndarray:
    return np.stack([resize_to_model(draw_scene(row.scene)[0], side) for row in ROWS])


@pytest.fixture(autouse=True)
def prepared_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Reading and comparing pictures has tests of its own, and takes longer than all that is tested here."""
    import imgsearch.tuning.language.run

    def prepare(pairs: Any, general: Any, folder: Path, side: int, seed: int, progress: Any) -> Prepared:
        captions = [row.captions for row in ROWS]
        ends = ((0, 40), (40, 50), (50, 56), (56, 60), (0, 4), (60, 62))  # two of these are those to steer by
        parts = [np.arange(first, end) for first, end in ends]
        sizes, names = np.ones((62, 2), np.int64), ("",) * 62
        return Prepared(Pictures(drawn(side), captions, np.arange(62)), names, sizes, *parts, (), 0, "drawn scenes")

    monkeypatch.setattr(imgsearch.tuning.language.run, "prepare", prepare)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))


def tiny(kind: str, dtype: str = "float32") -> Any:
    return load_generator(GOLDEN / TINY[kind], GOLDEN / kind, "cpu", dtype)


def run(world: Path, folder: Path, kind: str = "opt", way: str = "both", **options: Any) -> Any:
    from imgsearch.tuning.language.run import tune_language

    name, language = (str(GOLDEN / TINY[kind]), str(GOLDEN / kind)) if kind != "mini" else ("mini", None)
    settings = LanguageOptions(**{"steps": 6, "batch_size": 4, "forget": 100.0, **options})
    request = LanguageRequest(read_pairs(world), "world", name, way, folder, None, "cpu", settings, language)
    return tune_language(request, Silence())


@pytest.mark.parametrize("kind", ["opt", "t5"])
@pytest.mark.parametrize("way", ["lora", "qformer", "both"])
def test_trained_is_what_was_asked_for_and_nothing_else(kind: str, way: str) -> None:
    network = tiny(kind).network
    trained = choose_language_parts(network, way)
    names = set(trained.parameters)
    lora = {name for name in names if ".lora_" in name}
    assert bool(lora) == (way != "qformer") and all(name.startswith("language_model.") for name in lora)
    targets = {name.split(".lora_")[0].rpartition(".")[2] for name in lora}
    assert targets == (
        set() if way == "qformer" else {"q_proj", "k_proj", "v_proj", "out_proj"} if kind == "opt" else set("qkvo")
    )
    bridge = {"query_tokens", "language_projection.weight", "vision_model.post_layernorm.bias"}
    assert (bridge <= names) == (way != "lora")
    assert not any(name.startswith("vision_model.encoder") for name in names)
    shares = {part.name: part.trained for part in language_parts(network)}
    assert shares["ViT"] == 0 and sum(shares.values()) == sum(one.numel() for one in trained.parameters.values())


@pytest.mark.parametrize("kind", ["opt", "t5"])
def test_lora_changes_nothing_at_first_and_merging_keeps_what_it_learned(kind: str) -> None:
    generator = tiny(kind)
    projected = torch.randn(2, generator.query_tokens, generator.network.language_projection.out_features)
    texts = [("", "a red boat"), ("", "two trees")]

    def losses() -> list[tuple[float, int]]:
        with torch.inference_mode():
            return loss_of_batch(generator.network, generator.tokenizer, projected, texts)

    before = losses()
    trained = choose_language_parts(generator.network, "lora")
    assert np.allclose(losses(), before, atol=1e-6)
    for parameter in trained.parameters.values():
        parameter.data += 0.05 * torch.randn_like(parameter)
    learned = losses()
    assert not np.allclose(learned, before, atol=1e-3)
    trained.merge()
    assert np.allclose(losses(), learned, atol=1e-4)
    assert not any(".lora_" in name for name, _ in generator.network.named_parameters())


@pytest.mark.parametrize("kind", ["opt", "t5"])
def test_training_loss_is_that_of_the_caption_alone_and_recomputed_alike(kind: str) -> None:
    generator = tiny(kind)
    network = generator.network
    trained = choose_language_parts(network, "both")
    torch.manual_seed(1)
    projected = torch.randn(2, generator.query_tokens, network.language_projection.out_features)
    texts = [("", "a red boat"), ("", "two trees in the snow")]
    found = []
    for recompute in (False, True):
        keep_in_eval(network, recompute)
        loss = training_loss(network, generator.tokenizer, projected, texts)
        loss.backward()
        found.append((loss.item(), [one.grad.clone() for one in trained.parameters.values() if one.grad is not None]))
        network.zero_grad()
    with torch.inference_mode():
        sums = loss_of_batch(network, generator.tokenizer, projected, texts)
    assert found[0][0] == pytest.approx(sum(total for total, _ in sums) / sum(count for _, count in sums), abs=1e-5)
    assert found[1][0] == pytest.approx(found[0][0], abs=1e-6)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(found[0][1], found[1][1], strict=True))


def test_a_run_taken_up_again_gives_the_same_weights_to_the_bit(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors.torch import load_file

    from imgsearch.training.generator import run as stage

    monkeypatch.setattr(stage, "_SAVE_EVERY", 2)
    whole = run(world, tmp_path / "whole", steps=4)
    save, saved = stage.StageRun.save, []

    def dying(self: Any) -> None:
        save(self)
        saved.append(self.step)
        if len(saved) == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(stage.StageRun, "save", dying)
        run(world, tmp_path / "stopped", steps=4)
    again = run(world, tmp_path / "stopped", steps=4)
    first, second = (load_file(one.model / "model.safetensors") for one in (whole, again))
    assert set(first) == set(second) and all(torch.equal(first[name], second[name]) for name in first)
    with pytest.raises(UsageError, match="differs in options"):
        run(world, tmp_path / "stopped", seed=1)


@pytest.mark.parametrize("kind", ["opt", "t5"])
def test_plain_transformers_loads_it_without_missing_keys_and_writes_the_same(
    kind: str, world: Path, tmp_path: Path
) -> None:
    from transformers import Blip2ForConditionalGeneration

    result = run(world, tmp_path / "run", kind, learning_rate=0.01)
    plain, about = Blip2ForConditionalGeneration.from_pretrained(result.model, output_loading_info=True)
    assert not about["missing_keys"] and not about["unexpected_keys"]
    ours = load_generator(result.model, device="cpu", dtype="float32")
    state = ours.network.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in plain.state_dict().items())
    from PIL import Image

    picture = Image.open(next((world.parent / "images").iterdir()))
    pixels = ours.project([picture])
    assert pixels.shape[0] == 1
    (mine,) = ours.caption([picture], num_beams=1)
    ids = [plain.config.image_token_index] * ours.query_tokens + ours.tokenizer.encode("")
    batch = torch.from_numpy(_normalised(picture, ours.image_size))
    rows = plain.generate(pixel_values=batch, input_ids=torch.tensor([ids]), max_new_tokens=30, num_beams=1)[0].tolist()
    rows = rows[len(ids) :] if kind == "opt" else rows[1:]
    end = ours.tokenizer.marks.end
    rows = next((rows[:place] for place, one in enumerate(rows) if one in end), rows)
    assert ours.tokenizer.decode(rows) == mine.text
    page = result.report.read_text()
    assert "<script" not in page and "data:image/jpeg;base64," in page and "words that agree" in page
    lineage = read_lineage(result.model)
    assert lineage is not None and (lineage["kind"], lineage["train"]) == ("captions", "both")


def _normalised(picture: Any, side: int) -> np.ndarray:
    from imgsearch.generation.pixels import upright_pixels
    from imgsearch.media.preprocess import PIXEL_MEAN, PIXEL_STD

    pixels = upright_pixels(picture, side).astype(np.float32) / 255
    return ((pixels - PIXEL_MEAN) / PIXEL_STD).transpose(2, 0, 1)[None].astype(np.float32)


def test_the_small_generator_learns_words_that_it_did_not_know(world: Path, tmp_path: Path) -> None:
    result = run(world, tmp_path / "run", "mini", steps=20, batch_size=8, forget=99.0)
    assert [one.share for one in result.tried] == [0, 1]
    written = json.loads((tmp_path / "run" / "own-captions.json").read_text())
    assert set(written) == {str(place) for place in range(50, 56)} and all(written.values())
    assert {"wug", "mib"} <= set(result.new_words)
    gains = {gain.figure: gain for gain in result.gains["withheld"]}
    assert gains["loss"].verdict == "better" and gains["loss"].after < 0.7 * gains["loss"].before
    assert result.share_trained < 0.4
    loaded = load_generator(result.model, device="cpu", dtype="float32")
    assert len(loaded.tokenizer.pieces.encode("a wug", add_special_tokens=False).ids) == 2
    assert loaded.tokenizer.decode(loaded.tokenizer.encode("two mib wugs")) == "two mib wugs"


def test_float16_is_refused_and_bfloat16_learns(world: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="NaN"):
        run(world, tmp_path / "half", precision="float16")
    result = run(world, tmp_path / "run", "opt", "lora", precision="bfloat16")
    assert np.isfinite(result.after["withheld"].losses).all()
    assert load_generator(result.model, device="cpu", dtype="auto").dtype == "float32"


def test_share_of_lora_is_small_at_the_published_size() -> None:
    """OPT-2.7b: 32 layers of 2,560; rank 8 on four projections of each."""
    lora = 32 * 4 * 8 * (2560 + 2560)
    assert lora / 3.74e9 < 0.002
    assert share_trained(language_parts(_with_lora("opt"))) < 0.1


def _with_lora(kind: str) -> Any:
    network = tiny(kind).network
    choose_language_parts(network, "lora")
    return network
