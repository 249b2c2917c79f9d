"""Exports for OpenVINO: checked, found again, refused, and stood in for."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from imgsearch.app import open_model, open_search_model
from imgsearch.cli.model_runtimes import exports_in_words
from imgsearch.errors import CheckpointInvalid, ExtraMissing, ModelUnavailable, UsageError
from imgsearch.extras import has_extra
from imgsearch.model import int8_of, load_model, model_id_of, open_numpy, open_openvino, profile_for
from imgsearch.model.checkpoints.resolve import find_source
from imgsearch.model.runtimes.opened import prepare
from imgsearch.model.runtimes.openvino import export
from imgsearch.model.runtimes.openvino.calibration import drawn_scenes, own_pictures, pictures_in
from imgsearch.model.runtimes.openvino.opening import exports_of, make_export
from imgsearch.records import ModelId
from imgsearch.settings import Settings

if not has_extra("openvino"):
    pytest.skip("openvino is not installed", allow_module_level=True)


def scenes(size):
    return drawn_scenes(8, size)


@pytest.fixture(scope="module")
def checkpoint(directory, tmp_path_factory):
    """A copy, for its exports lie beside it."""
    return Path(shutil.copytree(directory, tmp_path_factory.mktemp("int8") / "model"))


@pytest.fixture(scope="module")
def int8(checkpoint):
    return make_export(checkpoint, "int8", None, scenes)[1]


def settings(checkpoint, **given) -> Settings:
    return Settings(checkpoint.parent / "library", model=str(checkpoint), device="cpu", **given)


def made_in(dtype: str, checkpoint) -> ModelId:
    return model_id_of(checkpoint, device="cpu", dtype=dtype)


def test_int8_is_near_torch_and_says_how_near(checkpoint, int8):
    mean, least = int8.cosine
    assert 0.99 < mean < 1 and 0.9 < least <= mean
    (words,) = exports_in_words([int8])
    assert int8.dtype in words and "times torch's float32" in words and "calibrated on 8 drawn scenes" in words
    model = open_openvino(checkpoint, "cpu", "int8")
    pixels = model.preprocess_arrays(drawn_scenes(6, model.image_size)[0])
    ours, theirs = model.embed_images(pixels), np.asarray(load_model(checkpoint, device="cpu").embed_images(pixels))
    assert (ours * theirs).sum(-1).mean() > 0.99
    texts = ["red boat", "the snow"]
    assert np.array_equal(model.embed_texts(texts), open_numpy(checkpoint, "cpu").embed_texts(texts))
    assert model.profile.runtime == "openvino" and model.profile.image_seconds is not None


def test_nothing_is_told_to_openvinos_makers(int8):
    assert {"openvino", "nncf"} <= set(sys.modules) and sys.modules["openvino_telemetry"] is None


def test_int8_of_a_library_names_its_numbers(checkpoint, int8):
    assert int8.dtype == int8_of(checkpoint) and len(int8.dtype) == len("int8-") + 8
    assert open_openvino(checkpoint, "cpu", int8.dtype).model_id == made_in(int8.dtype, checkpoint)
    assert open_openvino(checkpoint, "cpu", "int8-00000000") is None
    assert profile_for(checkpoint, "cpu", "int8").dtype == int8.dtype


def test_indexing_goes_on_in_the_same_int8_or_not_at_all(checkpoint, int8):
    assert open_model(settings(checkpoint), made_in(int8.dtype, checkpoint)).dtype == int8.dtype
    assert open_model(settings(checkpoint, dtype="int8"), made_in(int8.dtype, checkpoint)).dtype == int8.dtype
    with pytest.raises(ModelUnavailable, match="of the export 00000000"):
        open_model(settings(checkpoint), made_in("int8-00000000", checkpoint))


@pytest.mark.parametrize("dtype", ["int8-00000000", "bfloat16"])
def test_float32_stands_in_for_a_search(checkpoint, int8, dtype, monkeypatch):
    monkeypatch.setenv("IMGSEARCH_MASK_CPU", "all")
    model = open_search_model(settings(checkpoint), made_in(dtype, checkpoint))
    assert (model.dtype, model.model_id, model.profile.runtime) == ("float32", made_in(dtype, checkpoint), "numpy")
    if dtype == "bfloat16":  # within what is said of it
        exact = load_model(checkpoint, device="cpu", dtype=dtype)
        assert np.abs(model.embed_texts(["red boat"]) - np.asarray(exact.embed_texts(["red boat"]))).max() < 2e-2


def test_an_export_that_is_off_is_not_kept(directory, tmp_path, monkeypatch):
    copy = Path(shutil.copytree(directory, tmp_path / "model"))
    monkeypatch.setitem(export.LEAST_COSINE, "float32", (1.1, 1.1))
    with pytest.raises(CheckpointInvalid, match=r"float32 export of .* is off"):
        make_export(copy, "float32", None, lambda size: drawn_scenes(1, size))
    assert not (copy / "openvino").exists() and open_openvino(copy, "cpu", "float32") is None


def test_a_cut_export_counts_as_none(checkpoint, int8):
    exports = exports_of(find_source(checkpoint), None)
    binary = exports.folder / f"{int8.stem}.bin"
    whole = binary.read_bytes()
    binary.write_bytes(whole[:-1])
    try:
        assert exports.part("int8") is None and open_openvino(checkpoint, "cpu", "int8") is None
    finally:
        binary.write_bytes(whole)


def test_where_one_may_not_write_exports_lie_in_the_cache(checkpoint, int8, own_cache, monkeypatch):
    monkeypatch.setattr("imgsearch.model.runtimes.openvino.exports.os.access", lambda *_: False)
    exports = exports_of(find_source(checkpoint), None)
    assert exports.part("int8") is not None  # what lies beside the weights is found all the same
    assert exports_of(find_source("mini"), None).folder.is_relative_to(own_cache)


def test_bfloat16_is_refused_without_the_instructions(checkpoint, monkeypatch):
    monkeypatch.setenv("IMGSEARCH_MASK_CPU", "all")
    with pytest.raises(UsageError, match="no instructions for bfloat16"):
        make_export(checkpoint, "bfloat16", None, scenes)
    with pytest.raises(UsageError, match="no instructions for bfloat16"):
        open_model(settings(checkpoint, dtype="bfloat16", runtime="openvino"))


def test_what_is_missing_is_told(directory, monkeypatch):
    with pytest.raises(ModelUnavailable, match="not exported") as raised:
        open_model(settings(directory, dtype="int8"))
    assert "imgsearch models export" in raised.value.hint
    with pytest.raises(UsageError, match="int8 runs on the CPU alone"):
        open_openvino(directory, "cuda", "int8")
    with pytest.raises(UsageError, match="torch does not compute"):
        load_model(directory, "cpu", "int8")
    with pytest.raises(UsageError, match="runtime torch with int8"):
        prepare((directory, "cpu", "int8", None), "torch", [], print)
    monkeypatch.setattr("imgsearch.model.runtimes.opened.has_extra", lambda extra: False)
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ExtraMissing, match="needs openvino") as missing:
        open_model(settings(directory, runtime="openvino"))
    assert "imgsearch[openvino]" in missing.value.hint


def test_calibration_takes_own_pictures_first(tmp_path):
    golden = Path(__file__).parents[1] / "golden" / "lavis" / "images"
    pixels, words = own_pictures([golden], 12, 40)
    assert pixels.shape == (12, 40, 40, 3) and words == "12 of your pictures"
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    pixels, words = pictures_in([tmp_path], "float32")(40)
    assert pixels.shape == (4, 40, 40, 3) and words == "4 drawn scenes"
    with pytest.raises(UsageError, match="there is no file or folder"):
        pictures_in([tmp_path / "nowhere"], "int8")
