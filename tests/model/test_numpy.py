"""The model without torch: against LAVIS's recorded answers, and against the torch model on many architectures."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from imgsearch.errors import NotEnoughMemory
from imgsearch.model import load_model, open_numpy

GOLDEN = Path(__file__).parents[1] / "golden" / "lavis"
TEXTS = [
    "red boat left of the tree",
    "two",
    "",
    "snow of the red tree of the snow " * 6,
    "zebra's BOAT, [SEP] red.",
    "猫 é\0",
]


def far(ours, theirs) -> float:
    assert np.shape(ours) == np.shape(theirs)
    return float(np.abs(np.asarray(ours) - np.asarray(theirs)).max(initial=0.0))


def noise(count: int, side: int) -> np.ndarray:
    return np.random.default_rng(side).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def check_same(light, heavy, texts, tolerance=1e-5) -> None:
    """Every answer of the contract, the torch model being the oracle."""
    assert light is not None and light.model_id == heavy.model_id
    arrays = noise(len(texts), heavy.image_size)
    pixels, theirs = light.preprocess_arrays(arrays), heavy.preprocess_arrays(arrays)
    assert far(pixels, theirs) < 1e-6
    features, features_there = light.encode_images(pixels), heavy.encode_images(theirs)
    assert far(features, features_there) < 10 * tolerance  # not normed: numbers up to 5
    assert far(light.embed_features(features), heavy.embed_features(features_there)) < tolerance
    for longest in (32, 35, 2, 10_000):
        assert far(light.embed_texts(texts, longest), heavy.embed_texts(texts, longest)) < tolerance
        assert (
            far(light.match_both(texts, features, longest), heavy.match_both(texts, features_there, longest))
            < tolerance
        )
    remembered = light.match_cached(texts, light.cache_images(features))
    assert far(remembered, heavy.match_both(texts, features_there)) < tolerance
    assert far(light.match_logits(texts, features), heavy.match_logits(texts, features_there)) < tolerance
    probabilities = heavy.match_probabilities(texts, features_there)
    assert far(light.match_probabilities(texts, features), probabilities) < tolerance
    assert [light.count_tokens(text) for text in texts] == [heavy.count_tokens(text) for text in texts]


@pytest.fixture(scope="module")
def light(directory):
    return open_numpy(directory, device="cpu")


@pytest.fixture(scope="module")
def features(light):
    return light.encode_images(light.preprocess_arrays(noise(len(TEXTS), 40)))


def test_the_shipped_model_answers_as_with_torch():
    texts = ["two red boats on the sea", "A photo of a BLACK house!", "", "and " * 60, "zebra's 猫 [CLS] <image>"]
    check_same(open_numpy("mini", "cpu"), load_model("mini", device="cpu"), texts)


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"frequency": 1, "tokens": 32, "dims": 256},
        {"frequency": 3, "layers": 5, "width": 128},
        {"image": 56, "patch": 14, "vit_width": 176, "positions": 33},
        {"image": 45, "patch": 8, "layers": 1, "vit_layers": 1, "tokens": 1},
    ],
)
def test_other_architectures_answer_as_with_torch(small, tmp_path, changed):
    small.write_directory(small.network(small.Sizes(**changed), seed=len(changed)), tmp_path)
    check_same(open_numpy(tmp_path, "cpu"), load_model(tmp_path, device="cpu"), TEXTS)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_storage_answers_as_with_torch(small, tmp_path, dtype):
    small.write_directory(small.network(small.Sizes()), tmp_path, dtype)
    check_same(open_numpy(tmp_path, "cpu"), load_model(tmp_path, device="cpu"), TEXTS)


def test_a_vit_without_biases_and_with_an_epsilon_of_its_own_answers_as_with_torch(small, tmp_path):
    small.write_directory(small.network(small.Sizes()), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["vision_config"] |= {"qkv_bias": False, "layer_norm_eps": 1e-2, "post_layer_norm_eps": 1e-1}
    config["qformer_config"]["layer_norm_eps"] = 1e-3
    (tmp_path / "config.json").write_text(json.dumps(config))
    check_same(open_numpy(tmp_path, "cpu"), load_model(tmp_path, device="cpu"), TEXTS)


@pytest.mark.parametrize("size", [16, 56, 64])
def test_another_image_size_answers_as_with_torch(directory, size):
    light = open_numpy(directory, "cpu", image_size=size)
    check_same(light, load_model(directory, device="cpu", image_size=size), TEXTS)
    assert light.model_id.recipe.endswith(f"-{size}")


def test_weights_in_several_files_answer_as_with_torch(directory, tmp_path):
    shutil.copytree(directory, tmp_path / "model")
    state = load_file(tmp_path / "model" / "model.safetensors")
    (tmp_path / "model" / "model.safetensors").unlink()
    names, mapping = sorted(state), {}
    for number in range(3):
        part = f"model-{number}.safetensors"
        save_file({name: state[name] for name in names[number::3]}, tmp_path / "model" / part)
        mapping |= dict.fromkeys(names[number::3], part)
    (tmp_path / "model" / "model.safetensors.index.json").write_text(json.dumps({"weight_map": mapping}))
    check_same(open_numpy(tmp_path / "model", "cpu"), load_model(tmp_path / "model", device="cpu"), TEXTS)


WORDS = st.text(st.sampled_from("abc redboat.-'é\n"), max_size=40)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(WORDS, min_size=1, max_size=40), data=st.data())
def test_the_company_in_a_batch_moves_nothing(light, features, texts, data):
    chosen = features[np.arange(len(texts)) % len(features)]
    together, pairs = light.embed_texts(texts), light.match_both(texts, chosen)
    row = data.draw(st.integers(0, len(texts) - 1))
    assert far(light.embed_texts([texts[row]])[0], together[row]) < 1e-5
    assert far(light.match_both([texts[row]], chosen[row : row + 1])[0], pairs[row]) < 1e-5


def test_pictures_in_a_batch_move_nothing(light, features):
    alone = [light.encode_images(light.preprocess_arrays(noise(len(TEXTS), 40)[row : row + 1])) for row in (0, 3)]
    assert far(np.concatenate(alone), features[[0, 3]]) < 1e-5


def test_a_text_alone_reads_neither_the_vit_nor_the_cross_attention(directory, monkeypatch):
    light = open_numpy(directory, "cpu")
    read = []
    tensor = type(light._weights).tensor
    monkeypatch.setattr(type(light._weights), "tensor", lambda self, name: read.append(name) or tensor(self, name))
    light.embed_texts(["red boat"])
    assert read and not [name for name in read if "vision_model" in name or "cross" in name or "_query" in name]
    assert "embeddings.word_embeddings.weight" not in read  # only the rows that the text asks for


def test_memory_running_out_is_our_own_error(directory, features, monkeypatch):
    light = open_numpy(directory, "cpu")
    monkeypatch.setattr("imgsearch.model.runtimes.numpy.model.available_bytes", lambda: 1000)
    with pytest.raises(NotEnoughMemory, match="free"):
        light.encode_images(light.preprocess_arrays(noise(1, 40)))

    def fail(*_):
        raise MemoryError

    monkeypatch.setattr("imgsearch.model.runtimes.numpy.qformer.attend", fail)
    with pytest.raises(NotEnoughMemory, match="ran out"):
        light.match_logits(TEXTS, features)


def test_neither_torch_nor_transformers_is_imported():
    program = """
import sys
from imgsearch.model import open_numpy
light = open_numpy("mini", "cpu")
light.embed_texts(["a red boat"])
print(*sorted({"torch", "transformers", "safetensors"} & set(sys.modules)), sep=",")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_remembered_pictures_give_the_same_answers_whatever_their_company(directory, features):
    light = open_numpy(directory, "cpu")
    memories = light.cache_images(features)
    texts = [TEXTS[row % 2] for row in range(len(memories))]
    together = light.match_cached(texts, memories)
    assert far(together, light.match_both(texts, features)) < 1e-5
    alone = [light.match_cached([text], [memory])[0] for text, memory in zip(texts, memories, strict=True)]
    assert far(together, np.stack(alone)) < 1e-5
    assert memories[0].size_bytes == sum(layer.nbytes for layer in memories[0].layers)
    with pytest.raises(ValueError, match="expected pairs"):
        light.match_cached(texts[1:], memories)
