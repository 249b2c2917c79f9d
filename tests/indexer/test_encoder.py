from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from imgsearch.errors import MediaError, ModelUnavailable, NotEnoughMemory
from imgsearch.model.runtime_profile import IMAGES_WITHOUT_TORCH
from indexer.encoder import Encoder


class Model:
    """Gives each picture its first pixel as a vector; takes at most ``most`` pictures, fails on a black one."""

    def __init__(self, most: int) -> None:
        self.most, self.batches = most, []  # type: tuple[int, list[int]]

    def preprocess_arrays(self, arrays: Any) -> Any:
        return arrays

    def encode_images(self, pixels: Any) -> Any:
        if len(pixels) > self.most:
            raise NotEnoughMemory("too many")
        self.batches.append(len(pixels))
        if (pixels[:, 0, 0, 0] == 0).any():
            raise RuntimeError("black\nand more")
        return pixels[:, :, 0].astype(np.float32)  # [B, 2, 3]

    def embed_features(self, features: Any) -> Any:
        return features[:, :1]  # [B, 1, 3]


def pictures(*values: int) -> list[Any]:
    return [np.full((2, 2, 3), value, np.uint8) for value in values]


def test_batch_is_halved_until_it_fits_and_stays_so() -> None:
    model = Model(3)
    encoder = Encoder(lambda: model)
    encoded = encoder.submit(pictures(*range(1, 11))).result()
    assert [float(v[0, 0]) for v in encoded.vectors if isinstance(v, np.ndarray)] == list(range(1, 11))
    assert (encoder.most, max(model.batches)) == (2, 2)
    encoder.close()


def test_one_bad_picture_fails_alone() -> None:
    encoder = Encoder(lambda: Model(8))
    vectors = encoder.encode(pictures(1, 0, 2)).vectors
    assert [type(v) for v in vectors] == [np.ndarray, MediaError, np.ndarray]
    assert str(vectors[1]) == "the model failed on it: black"
    encoder.close()


def test_picture_that_never_fits_is_a_transient_failure() -> None:
    encoder = Encoder(lambda: Model(0))
    (error,) = encoder.encode(pictures(1)).vectors
    assert isinstance(error, MediaError)
    assert (error.stage, error.transient) == ("encode", True)
    encoder.close()


def test_model_that_is_not_there_ends_the_run() -> None:
    def load() -> Model:
        raise ModelUnavailable("no weights")

    encoder = Encoder(load)
    with pytest.raises(ModelUnavailable):
        encoder.submit(pictures(1)).result()
    encoder.close()


def test_features_come_with_the_vectors_where_they_are_to_be_kept() -> None:
    encoder = Encoder(lambda: Model(8), keep_features=True)
    encoded = encoder.encode(pictures(1, 0, 4))
    assert len(encoded.features) == 3 and encoded.features[1] is None
    assert encoded.features[2] is not None
    np.testing.assert_array_equal(encoded.features[2].restored(), np.full((2, 3), 4, np.float32))
    encoder.close()
    assert Encoder(lambda: Model(8)).encode(pictures(1)).features == []


def test_few_pictures_are_encoded_by_the_light_form() -> None:
    light = Model(1000)
    encoder = Encoder(lambda: pytest.fail("torch was loaded"), lambda: light)
    encoder.expect(IMAGES_WITHOUT_TORCH)
    encoder.encode(pictures(*[1] * (IMAGES_WITHOUT_TORCH - 1)))
    encoder.encode(pictures(1))
    assert light.batches == [IMAGES_WITHOUT_TORCH - 1, 1]


@pytest.mark.parametrize("expected", [0, IMAGES_WITHOUT_TORCH + 1])
def test_many_pictures_are_encoded_by_the_whole_form(expected: int) -> None:
    light, whole = Model(1000), Model(1000)
    encoder = Encoder(lambda: whole, lambda: light)
    encoder.expect(expected)
    for _ in range(3):
        encoder.encode(pictures(*[1] * (IMAGES_WITHOUT_TORCH // 2)))
    half = IMAGES_WITHOUT_TORCH // 2
    assert (light.batches, whole.batches) == (([], [half] * 3) if expected else ([half] * 2, [half]))


def test_whole_form_is_loaded_once_where_there_is_no_light_one() -> None:
    loads: list[Model] = []
    encoder = Encoder(lambda: loads.append(Model(1000)) or loads[-1])  # type: ignore[func-returns-value]
    for _ in range(3):
        encoder.encode(pictures(*[1] * IMAGES_WITHOUT_TORCH))
    assert [model.batches for model in loads] == [[IMAGES_WITHOUT_TORCH] * 3]
