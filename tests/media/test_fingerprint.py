import hashlib
import math

import numpy as np
from odd_files import photo
from PIL import Image

from imgsearch.media.fingerprint import content_hash, hamming, hash_bits, perceptual_hash


def reference_phash(image: Image.Image) -> str:
    """The published definition, term by term: no matrices, no shared code; bits as text, row by row."""
    grey = image.convert("L").resize((32, 32), Image.Resampling.LANCZOS)
    rows = [[grey.getpixel((x, y)) for x in range(32)] for y in range(32)]

    def coefficient(v: int, u: int) -> float:
        return sum(
            4 * rows[y][x] * math.cos(math.pi * v * (2 * y + 1) / 64) * math.cos(math.pi * u * (2 * x + 1) / 64)
            for y in range(32)
            for x in range(32)
        )

    low = [coefficient(v, u) for v in range(8) for u in range(8)]
    ordered = sorted(low)
    median = (ordered[31] + ordered[32]) / 2
    return "".join("1" if value > median else "0" for value in low)


def test_perceptual_hash_is_the_published_one() -> None:
    for seed in range(3):
        image = photo(200, 120, seed).rotate(37 * seed, expand=True)
        assert format(perceptual_hash(image), "064b") == reference_phash(image)


def test_perceptual_hash_of_a_plain_surface_has_no_noise_in_it() -> None:
    hashes = {perceptual_hash(Image.new("RGB", (90, 50), (level,) * 3)) for level in (1, 77, 255)}
    assert hashes == {1 << 63}
    assert perceptual_hash(Image.new("L", (5, 5), 0)) == 0


def test_perceptual_hash_survives_small_changes_and_tells_pictures_apart() -> None:
    image, other = (
        Image.fromarray(np.random.default_rng(seed).integers(0, 240, (9, 9, 3), dtype=np.uint8)).resize((400, 300))
        for seed in (1, 2)
    )
    near = image.resize((180, 130)).point(lambda value: min(255, value + 8))
    assert hamming(perceptual_hash(image), perceptual_hash(near)) <= 4
    assert hamming(perceptual_hash(image), perceptual_hash(other)) >= 15


def test_bits_are_the_frequencies_above_their_median_also_where_many_are_equal() -> None:
    rng = np.random.default_rng(3)
    low = np.round(rng.normal(0, 500, (300, 8, 8)), 3)
    low[100:200] = rng.integers(-2, 3, (100, 8, 8))
    low[200:] *= rng.random((100, 8, 8)) < 0.4
    medians = np.median(low, axis=(1, 2))[:, None]
    assert np.array_equal(hash_bits(low), low.reshape(300, 64) > medians)
    assert hash_bits(low).dtype == np.uint8


def test_content_hash_is_sha256() -> None:
    assert content_hash(b"abc") == hashlib.sha256(b"abc").hexdigest()
