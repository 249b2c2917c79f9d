"""Loading: every form gives the same answers, and everything that can be wrong is said in one sentence."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from imgsearch.errors import CheckpointInvalid, ModelUnavailable, ModelUnknown, NotEnoughMemory, UsageError
from imgsearch.model import load_model, model_id_of, same_vectors
from imgsearch.model.checkpoints.lavis_vit import interpolate_positions

TEXTS = ["red boat left of the tree", "two"]


def answers(model):
    noise = np.random.default_rng(5)
    pictures = [Image.fromarray(noise.integers(0, 256, (30, 30, 3), dtype=np.uint8)) for _ in TEXTS]
    features = model.encode_images(model.preprocess(pictures))
    return model.embed_features(features), model.embed_texts(TEXTS), model.match_both(TEXTS, features)


def assert_same(one, other, atol=1e-5):
    for ours, theirs in zip(answers(one), answers(other), strict=True):
        torch.testing.assert_close(ours, theirs, atol=atol, rtol=0)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"frequency": 1},
        {"frequency": 3, "layers": 7},
        {"layers": 1, "frequency": 1, "tokens": 1, "dims": 3},
        {"width": 192, "vit_width": 88, "mlp": 17, "patch": 20, "positions": 33},
    ],
)
def test_a_lavis_pth_of_any_size_equals_its_directory(small, tmp_path, change):
    network = small.network(small.Sizes(**change), seed=1)
    network.vision_model.post_layernorm.eps = 1e-5
    network.config.vision_config.post_layer_norm_eps = 1e-5
    folder = small.write_directory(network, tmp_path / "hf")
    pth = small.write_lavis(small.lavis_state(network), tmp_path / "lavis" / "any_name.pth")
    converted = load_model(pth, device="cpu")
    assert_same(converted, load_model(folder, device="cpu"))
    assert converted.network.config.qformer_config.cross_attention_frequency == small.Sizes(**change).frequency


def split(state):
    body = {key: value for key, value in state.items() if not key.startswith("visual_encoder.")}
    tower = {key.removeprefix("visual_encoder."): value for key, value in state.items() if key not in body}
    return body, tower


def test_the_split_form_equals_the_whole(small, tmp_path):
    state = small.lavis_state(small.network(small.Sizes()))
    body, tower = split(state)
    whole = small.write_lavis(state, tmp_path / "whole" / "a.pth")
    parted = small.write_lavis(body, tmp_path / "parted" / "b.pth")
    torch.save(tower, tmp_path / "parted" / "eva_vit_g.pth")
    assert_same(load_model(whole, device="cpu"), load_model(parted, device="cpu", image_size=40))
    assert_same(load_model(whole, device="cpu", image_size=64), load_model(parted, device="cpu", image_size=64))


def test_a_split_form_without_its_tower_says_so(small, tmp_path):
    body, _ = split(small.lavis_state(small.network(small.Sizes())))
    with pytest.raises(ModelUnavailable, match=r"eva_vit_g\.pth is not beside it"):
        load_model(small.write_lavis(body, tmp_path / "a.pth"), device="cpu")


def test_positions_are_interpolated_with_the_class_token_kept():
    ramp = torch.arange(6.0).repeat(6, 1)  # grows along the row only
    table = torch.cat([torch.full((1, 1, 1), 9.0), ramp.reshape(1, 36, 1)], dim=1)
    smaller = interpolate_positions(table, 3)
    assert smaller[0, 0, 0] == 9
    grid = smaller[0, 1:, 0].reshape(3, 3)
    # Half the size samples the cubic between places 0|1, 2|3 and 4|5; inside, a cubic keeps a straight line.
    assert torch.allclose(grid[:, 1], torch.tensor(2.5)) and torch.allclose(grid[0], grid[2])
    assert interpolate_positions(table, 6) is table


def test_a_directory_at_another_image_size(directory):
    larger = load_model(directory, device="cpu", image_size=64)
    assert (larger.image_size, larger.model_id.recipe) == (64, "v1-64")
    assert tuple(larger.encode_images(larger.preprocess([Image.new("RGB", (9, 9))])).shape) == (1, 65, 264)
    with pytest.raises(UsageError, match="multiple of this model's patch size 8"):
        load_model(directory, device="cpu", image_size=45)


def test_weights_stored_in_half_precision_are_cast(small, tmp_path, directory):
    half = small.write_directory(small.network(small.Sizes()), tmp_path / "half", torch.float16)
    model = load_model(half, device="cpu")
    assert {parameter.dtype for parameter in model.network.parameters()} == {torch.float32}
    assert_same(model, load_model(directory, device="cpu"), atol=2e-2)


def test_overwriting_the_file_does_not_touch_a_loaded_model(small, tmp_path):
    folder = small.write_directory(small.network(small.Sizes()), tmp_path / "m")
    model = load_model(folder, device="cpu")
    before = answers(model)
    weights = folder / "model.safetensors"
    weights.write_bytes(b"\0" * weights.stat().st_size)
    assert all(torch.equal(one, other) for one, other in zip(before, answers(model), strict=True))


def test_sharded_weights_are_joined_and_a_missing_shard_is_told(small, tmp_path, directory):
    network = small.network(small.Sizes())
    folder = small.write_directory(network, tmp_path / "sharded")
    (folder / "model.safetensors").unlink()
    network.save_pretrained(folder, max_shard_size="500KB")
    assert (folder / "model.safetensors.index.json").is_file()
    assert_same(load_model(folder, device="cpu"), load_model(directory, device="cpu"))
    next(folder.glob("model-00002-*")).unlink()
    with pytest.raises(ModelUnavailable, match="half downloaded: 1 of"):
        load_model(folder, device="cpu")


def test_a_truncated_weight_file_is_told(directory, tmp_path):
    folder = Path(shutil.copytree(directory, tmp_path / "cut"))
    weights = folder / "model.safetensors"
    for size, message in ((weights.stat().st_size - 1, "cut short"), (100, "not a whole"), (0, "not a whole")):
        weights.write_bytes(weights.read_bytes()[:size])
        with pytest.raises(CheckpointInvalid, match=message):
            load_model(folder, device="cpu")


def test_a_truncated_pth_is_told(small, tmp_path):
    pth = small.write_lavis(small.lavis_state(small.network(small.Sizes())), tmp_path / "a.pth")
    whole = pth.read_bytes()
    for size in (len(whole) // 2, 10, 0):
        pth.write_bytes(whole[:size])
        with pytest.raises(CheckpointInvalid, match="cannot be read as a checkpoint"):
            load_model(pth, device="cpu")


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


@pytest.mark.parametrize(
    "save", [lambda value, path: torch.save(value, path), lambda value, path: path.write_bytes(pickle.dumps(value))]
)
@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_pth_with_code_is_refused_and_runs_nothing(tmp_path, save):
    (tmp_path / "vocab.txt").write_text("[UNK]\n")
    save({"model": {"a": Evil(tmp_path / "touched")}}, tmp_path / "evil.pth")
    with pytest.raises(CheckpointInvalid, match="does not run code"):
        load_model(tmp_path / "evil.pth", device="cpu")
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize(
    ("drop", "message"),
    [
        ("itm_head", "a captioner"),
        ("Qformer.bert.encoder.layer.1.", "misses layers"),
        ("visual_encoder.norm1", None),
        ("visual_encoder.blocks.1.mlp.fc1.bias", "holds no"),
    ],
)
def test_a_pth_that_lacks_something_is_told(small, tmp_path, drop, message):
    state = {k: v for k, v in small.lavis_state(small.network(small.Sizes())).items() if not k.startswith(drop)}
    pth = small.write_lavis(state, tmp_path / "a.pth")
    if message is None:
        load_model(pth, device="cpu")
        return
    with pytest.raises(CheckpointInvalid, match=message):
        load_model(pth, device="cpu")


def test_a_vocabulary_of_another_model_is_refused(small, tmp_path):
    pth = small.write_lavis(small.lavis_state(small.network(small.Sizes())), tmp_path / "a.pth")
    for pieces in (small.PIECES[:-3], [*small.PIECES, "more", "words"]):
        (tmp_path / "vocab.txt").write_text("\n".join(pieces))
        with pytest.raises(CheckpointInvalid, match="another model's"):
            load_model(pth, device="cpu")


def test_a_pth_without_any_vocabulary_says_where_to_put_it(small, tmp_path):
    pth = small.write_lavis(small.lavis_state(small.network(small.Sizes())), tmp_path / "a.pth")
    (tmp_path / "vocab.txt").unlink()
    with pytest.raises(ModelUnavailable, match=r"no vocab\.txt"):
        load_model(pth, device="cpu")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"model_type": "bert"}, "type 'bert'"),
        ({"model_type": "clip", "architectures": ["CLIPModel"]}, "type 'clip'"),
        ([], "type None"),
        ({"model_type": "blip-2", "architectures": ["Blip2ForConditionalGeneration"]}, "no matching head"),
    ],
)
def test_another_architecture_is_refused(directory, tmp_path, config, message):
    folder = Path(shutil.copytree(directory, tmp_path / "other"))
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointInvalid, match=message):
        load_model(folder, device="cpu")


def test_a_config_that_does_not_fit_the_weights_is_told(directory, tmp_path):
    folder = Path(shutil.copytree(directory, tmp_path / "other"))
    config = json.loads((folder / "config.json").read_text())
    for change, message in (
        ({"image_text_hidden_size": 25}, r"text_projection.bias is \[24\], expected \[25\]"),
        ({"num_query_tokens": "x"}, "makes no sense"),
    ):
        (folder / "config.json").write_text(json.dumps({**config, **change}))
        with pytest.raises(CheckpointInvalid, match=message):
            load_model(folder, device="cpu")


def test_weights_that_lack_a_tensor_are_told(directory, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = Path(shutil.copytree(directory, tmp_path / "lacking"))
    state = load_file(folder / "model.safetensors")
    del state["itm_head.bias"]
    save_file(state, folder / "model.safetensors")
    with pytest.raises(CheckpointInvalid, match=r"lacks 1 of \d+ weights \(itm_head.bias\)"):
        load_model(folder, device="cpu")


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("bilp2", ModelUnknown, r"no model named 'bilp2' \(did you mean blip2\?\); the known ones are mini, blip2"),
        ("", UsageError, "empty"),
        ("blip2", ModelUnavailable, "not on this computer"),
        ("someone/something", ModelUnavailable, "not on this computer"),
        ("./nowhere", ModelUnknown, "no model at ./nowhere"),
        ("nowhere.pth", ModelUnknown, r"no model at nowhere\.pth"),
    ],
)
def test_a_wrong_name_is_told(name, error, message):
    with pytest.raises(error, match=message) as caught:
        load_model(name, device="cpu")
    assert caught.value.hint


def test_missing_weights_of_the_real_model_say_what_to_do():
    with pytest.raises(ModelUnavailable) as caught:
        load_model("blip2", device="cpu")
    assert "imgsearch models pull blip2" in caught.value.hint and "imgsearch demo" in caught.value.hint


def test_a_cached_repository_is_found_by_its_id(directory, own_cache):
    repository = own_cache / "hub" / "models--someone--small"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("c0ffee")
    shutil.copytree(directory, repository / "snapshots" / "c0ffee")
    assert model_id_of("someone/small", device="cpu").name == "someone/small"
    (repository / "snapshots" / "c0ffee" / "model.safetensors").unlink()
    with pytest.raises(ModelUnavailable, match="no weights") as caught:
        load_model("someone/small", device="cpu")
    assert "imgsearch models pull someone/small" in caught.value.hint


@pytest.mark.parametrize("wrong", [{"device": "gpu"}, {"dtype": "int8"}, {"image_size": 0}, {"device": "cuda:99"}])
def test_wrong_arguments_are_told(directory, wrong):
    with pytest.raises(UsageError):
        load_model(directory, **{"device": "cpu", **wrong})


def test_too_little_memory_is_told_before_loading(directory, monkeypatch):
    monkeypatch.setattr("imgsearch.model.runtimes.torch.checkpoint.available_bytes", lambda: 100_000_000)
    with pytest.raises(NotEnoughMemory, match=r"needs about 0\.2 GB of RAM, and 0\.1 GB are free"):
        load_model(directory, device="cpu")


def test_the_id_is_known_without_loading(directory, small, tmp_path):
    assert model_id_of(directory, device="cpu") == load_model(directory, device="cpu").model_id
    pth = small.write_lavis(small.lavis_state(small.network(small.Sizes())), tmp_path / "a.pth")
    assert model_id_of(pth, device="cpu", image_size=64) == load_model(pth, device="cpu", image_size=64).model_id
    assert model_id_of(pth, device="cpu") == load_model(pth, device="cpu").model_id  # the remembered shape


def test_same_vectors_looks_past_name_and_dtype(directory, tmp_path):
    moved = shutil.copytree(directory, tmp_path / "moved")
    here, there = model_id_of(directory, device="cpu"), model_id_of(moved, device="cpu", dtype="bfloat16")
    assert here != there and same_vectors(here, there)
    assert not same_vectors(here, model_id_of(directory, device="cpu", image_size=64))


def test_asking_for_an_id_loads_no_torch(directory):
    code = (
        "import sys, imgsearch.model, imgsearch.model.contract as c, imgsearch.cli.verbs.models\n"
        f"imgsearch.model.model_id_of({str(directory)!r}, device='cpu')\n"
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
