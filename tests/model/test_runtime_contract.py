"""What every runtime promises, asked of each of them, with EVA's ViT and with CLIP's."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imgsearch.extras import has_extra
from imgsearch.model import export_directory, load_model, model_id_of, open_numpy, open_openvino
from imgsearch.model.contract import Embedder, Explainer, Matcher
from imgsearch.model.runtimes.openvino.calibration import drawn_scenes
from imgsearch.model.runtimes.openvino.opening import make_export

CLIP = Path(__file__).parents[1] / "golden" / "lavis-vitl" / "blip2_tiny.pth"
TEXTS = [
    "red boat left of the tree",
    "two",
    "",
    "snow of the red tree of the snow " * 6,
    "zebra's BOAT, [SEP] red.",
    "é",
]


def exported(checkpoint, device):
    if not has_extra("openvino"):
        pytest.skip("openvino is not installed")
    make_export(checkpoint, "float32", None, lambda size: drawn_scenes(2, size))
    return open_openvino(checkpoint, device, "float32")


def in_lavis(checkpoint, device):
    """salesforce-lavis itself, in an environment of its own (`make test-lavis`)."""
    sys.path.insert(0, str(Path(__file__).parent / "lavis_env"))
    from adapter import LavisRuntime

    runtime = LavisRuntime(LAVIS_PYTHON, checkpoint, Path(tempfile.mkdtemp()))
    assert runtime.missing == []
    return runtime


RUNTIMES = {"torch": load_model, "numpy": open_numpy, "openvino": exported}
LAVIS_PYTHON = os.environ.get("IMGSEARCH_LAVIS_PYTHON")
if LAVIS_PYTHON:
    RUNTIMES["lavis"] = in_lavis


def far(ours, theirs) -> float:
    assert np.shape(ours) == np.shape(theirs)
    return float(np.abs(np.asarray(ours) - np.asarray(theirs)).max(initial=0.0))


def noise(count: int, side: int) -> np.ndarray:
    return np.random.default_rng(side).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


@pytest.fixture(scope="module", params=["eva", "clip"])
def checkpoint(request, directory, tmp_path_factory):
    if request.param == "eva":
        return directory
    folder = tmp_path_factory.mktemp("clip")
    export_directory(load_model(CLIP, device="cpu"), folder)
    return folder


@pytest.fixture(scope="module", params=list(RUNTIMES))
def model(request, checkpoint):
    return RUNTIMES[request.param](checkpoint, device="cpu")


@pytest.fixture(scope="module")
def features(model):
    return model.encode_images(model.preprocess_arrays(noise(len(TEXTS), model.image_size)))


def test_the_contract_is_kept(model, features, checkpoint):
    assert isinstance(model, Embedder) and isinstance(model, Matcher) and isinstance(model, Explainer)
    assert model.model_id == model_id_of(checkpoint, device="cpu")
    assert (model.profile.device, model.profile.dtype) == ("cpu", "float32")
    for vectors in (model.embed_features(features), model.embed_texts(TEXTS)):
        assert np.asarray(vectors).dtype == np.float32 and vectors.shape[-1] == model.dims
        assert far(np.linalg.norm(np.asarray(vectors), axis=-1), np.ones(vectors.shape[:-1])) < 1e-6
    assert tuple(model.embed_features(features).shape[:2]) == (len(TEXTS), model.query_tokens)


def test_images_and_arrays_give_the_same_pixels(model):
    arrays = noise(2, model.image_size)
    arrays.flags.writeable = False  # as from shared memory
    assert far(model.preprocess([Image.fromarray(array) for array in arrays]), model.preprocess_arrays(arrays)) == 0


def test_company_in_a_batch_moves_nothing(model, features):
    texts, pairs = model.embed_texts(TEXTS), model.match_both(TEXTS, features)
    tokens = model.embed_features(features)
    for row, text in enumerate(TEXTS):
        own = features[row : row + 1]
        assert far(model.embed_texts([text])[0], texts[row]) < 1e-5
        assert far(model.match_both([text], own)[0], pairs[row]) < 1e-5
        assert far(model.embed_features(own)[0], tokens[row]) < 1e-5


def test_one_text_with_all_images_is_that_text_with_each(model, features):
    for text in TEXTS[:4]:
        together = model.match_both([text] * len(features), features)
        alone = [np.asarray(model.match_both([text], features[row : row + 1]))[0] for row in range(len(features))]
        assert far(together, np.stack(alone)) < 1e-5


def test_logits_and_probabilities_are_those_of_both(model, features):
    both = np.asarray(model.match_both(TEXTS, features))
    assert far(model.match_logits(TEXTS, features), both[:, 1]) < 1e-6
    odds = np.exp(both[:, 1]) / np.exp(both).sum(axis=1)
    assert far(model.match_probabilities(TEXTS, features), odds) < 1e-6


def test_features_kept_as_float16_go_back_in(model, features):
    kept = np.asarray(features).astype(np.float16)
    kept.flags.writeable = False
    assert far(model.match_logits(TEXTS, kept), model.match_logits(TEXTS, features)) < 2e-2
    assert far(model.embed_features(kept), model.embed_features(features)) < 2e-2


def test_words_are_counted_before_any_cut(model):
    assert [model.count_tokens(text) for text in ("a " * 50, "")] == [52, 2]


def test_nothing_in_gives_nothing_out(model, features):
    pixels = model.preprocess([])
    empty = model.encode_images(pixels)
    side, dims = model.image_size, model.dims
    shapes = [pixels, empty, model.embed_features(empty), model.embed_texts([]), model.match_probabilities([], empty)]
    expected = [(0, 3, side, side), (0, *features.shape[1:]), (0, model.query_tokens, dims), (0, dims), (0,)]
    assert [tuple(array.shape) for array in shapes] == expected


def test_wrong_arguments_are_named(model, features):
    side = model.image_size
    with pytest.raises(ValueError, match=rf"\[1, 3, 30, 30\], expected \[B, 3, {side}, {side}\]"):
        model.encode_images(np.zeros((1, 3, 30, 30), np.float32))
    with pytest.raises(ValueError, match=rf"expected \[B, {features.shape[1]}, {features.shape[2]}\]"):
        model.embed_features(features[:, :7])
    with pytest.raises(ValueError, match="2 texts and features of 6 images"):
        model.match_logits(["red", "boat"], features)
    with pytest.raises(TypeError, match="one string"):
        model.embed_texts("red boat")
    with pytest.raises(TypeError, match="one image"):
        model.preprocess(Image.new("RGB", (9, 9)))
    with pytest.raises(ValueError, match="expected uint8"):
        model.preprocess_arrays(np.zeros((1, side, side, 3), np.float32))
