import numpy as np
import pytest
from odd_files import photo
from PIL import Image

from imgsearch.media.decode import decode_bytes
from imgsearch.media.fingerprint import hamming, perceptual_hash
from imgsearch.media.signature import (
    FLAT_DEVIATION,
    INVERSE_ORIENTATION,
    ORIENTATIONS,
    SIGNATURE_BYTES,
    chroma_of,
    image_signature,
    is_flat,
    luma_of,
    oriented,
    oriented_hashes,
)

PIL_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def signatures(*images: Image.Image) -> np.ndarray:
    return np.stack([np.frombuffer(image_signature(image), np.uint8) for image in images])


def turn(image: Image.Image, orientation: int) -> Image.Image:
    return image if orientation == 1 else image.transpose(PIL_TURNS[orientation])


def test_signature_holds_what_the_hash_sees_and_the_mean_colour_of_each_part() -> None:
    image = Image.new("RGB", (320, 160), (200, 40, 40))
    image.paste((30, 60, 220), (160, 0, 320, 160))
    found = signatures(image)
    assert found.shape == (1, SIGNATURE_BYTES) == (1, 1536)
    grey = image.convert("L").resize((32, 32), Image.Resampling.LANCZOS)
    assert np.array_equal(luma_of(found)[0], np.asarray(grey))
    left = np.asarray(Image.new("RGB", (1, 1), (200, 40, 40)).convert("YCbCr"))[0, 0, 1:]
    right = np.asarray(Image.new("RGB", (1, 1), (30, 60, 220)).convert("YCbCr"))[0, 0, 1:]
    assert np.array_equal(chroma_of(found)[0, :, :, :8], np.broadcast_to(left[:, None, None], (2, 16, 8)))
    assert np.array_equal(chroma_of(found)[0, :, :, 8:], np.broadcast_to(right[:, None, None], (2, 16, 8)))


def test_oriented_hashes_are_those_of_the_turned_picture() -> None:
    parts = [np.random.default_rng(seed).integers(0, 240, (11, 9, 3), dtype=np.uint8) for seed in range(4)]
    images = [Image.fromarray(part).resize((400 - 90 * seed, 300)) for seed, part in enumerate(parts)]
    found = oriented_hashes(luma_of(signatures(*images)))
    for image, row in zip(images, found, strict=True):
        assert int(row[0]) == perceptual_hash(image)
        small = Image.fromarray(luma_of(signatures(image))[0])
        for orientation in ORIENTATIONS:  # exact for 32 x 32 pixels; Lanczos rounds elsewhere
            assert int(row[orientation - 1]) == perceptual_hash(turn(small, orientation))
            assert hamming(int(row[orientation - 1]), perceptual_hash(turn(image, orientation))) <= 4


def test_turned_turns_as_pillow_does_and_its_inverse_undoes_it() -> None:
    planes = np.arange(2 * 5 * 5, dtype=np.uint8).reshape(2, 5, 5)
    for orientation in ORIENTATIONS:
        pillow = np.stack([np.asarray(turn(Image.fromarray(plane), orientation)) for plane in planes])
        assert np.array_equal(oriented(planes, orientation), pillow)
        assert np.array_equal(oriented(oriented(planes, orientation), INVERSE_ORIENTATION[orientation]), planes)


@pytest.mark.parametrize("orientation", [0, 9])
def test_turned_refuses_what_exif_does_not_know(orientation: int) -> None:
    with pytest.raises(ValueError, match="expected an EXIF orientation"):
        oriented(np.zeros((1, 4, 4), np.uint8), orientation)


def test_flat_is_what_shows_nothing() -> None:
    rng = np.random.default_rng(0)
    noise = Image.fromarray(np.clip(rng.normal(90, 12, (300, 400, 3)), 0, 255).astype(np.uint8))
    page = Image.new("RGB", (400, 500), "white")
    page.paste("black", (150, 200, 250, 300))
    found = is_flat(luma_of(signatures(Image.new("RGB", (50, 50)), noise, page, photo(200, 150, 1))))
    assert found.tolist() == [True, True, False, False]


def test_signatures_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"uint8 \[n, 1536\]"):
        luma_of(np.zeros((2, 1535), np.uint8))
    with pytest.raises(ValueError, match="float64"):
        chroma_of(np.zeros((2, 1536)))


def test_decoding_makes_the_signature_that_its_hash_comes_from(tmp_path) -> None:
    image = photo(300, 200, 5)
    image.save(tmp_path / "a.png")
    decoded = decode_bytes((tmp_path / "a.png").read_bytes(), 96)
    (found,) = oriented_hashes(luma_of(np.frombuffer(decoded.signature, np.uint8)[None]))
    assert int(found[0]) == decoded.facts.perceptual_hash


def test_flat_is_told_from_the_deviation_of_lightness() -> None:
    rng = np.random.default_rng(5)
    spread = np.concatenate([np.linspace(0, 4, 60), np.full(4, 80.0)])[:, None, None]
    luma = np.clip(128 + rng.normal(0, 1, (64, 32, 32)) * spread, 0, 255)
    luma = luma.astype(np.uint8)
    assert np.array_equal(is_flat(luma), luma.reshape(64, -1).std(axis=1) < FLAT_DEVIATION)
