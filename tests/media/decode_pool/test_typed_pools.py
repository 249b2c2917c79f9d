import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imgsearch.media.decode import DecodedImage, KnownContent, decode_file, open_upright
from imgsearch.media.decode_pool import DecodeJob, DecodePool, SmallJob, SmallPool, read_small
from imgsearch.media.decode_pool.decoding import decode_task
from imgsearch.media.limits import DecodeLimits
from imgsearch.media.source import ContentChanged


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    rng = np.random.default_rng(5)
    found = []
    for number, (width, height, orientation) in enumerate([(90, 60, 1), (300, 200, 6), (40, 400, 3), (1, 1, 1)]):
        exif = Image.Exif()
        exif[0x0112] = orientation
        path = tmp_path / f"{number}.jpg"
        Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(path, exif=exif)
        found.append(path)
    return found


def test_pool_without_pixels_tells_the_same_facts(pictures: list[Path]) -> None:
    jobs = [DecodeJob(str(path), path.stat().st_size) for path in pictures]
    with DecodePool(48, pixels=False, workers=1) as pool:
        outcomes = list(pool.run(jobs, ordered=True))
    assert [job for job, _ in outcomes] == jobs
    for job, found in outcomes:
        wanted = decode_file(job.path, 48)
        assert isinstance(found, DecodedImage)
        assert isinstance(wanted, DecodedImage)
        assert (found.facts, found.mtime_ns) == (wanted.facts, wanted.mtime_ns)
        assert found.signature == wanted.signature
        assert (found.pixels.shape, found.pixels.dtype) == ((0, 0, 3), np.uint8)


def test_equal_file_is_answered_from_memory_like_one_that_is_decoded(pictures: list[Path], tmp_path: Path) -> None:
    limits, kinds = DecodeLimits(), {"size": 40, "pixels": True}
    again = tmp_path / "again.JPG"
    again.write_bytes(pictures[1].read_bytes())
    os.utime(again, ns=(5_000_000_000, 5_000_000_000))
    first, body = decode_task([str(pictures[1]), []], kinds, limits)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("imgsearch.media.decode.read_upright", lambda wanted: pytest.fail("it was decoded"))
        assert decode_task([str(again), []], kinds, limits) == (first | {"mtime_ns": 5_000_000_000}, body)
        known = decode_task([str(again), [first["facts"]["content_hash"]]], kinds, limits)
    assert "known" in known[0]
    assert decode_task([str(again), [], 3], kinds, limits)[1] == body, "the file's own orientation counts"
    small, wanted = decode_task([str(again), []], kinds | {"size": 20}, limits)[0], decode_file(again, 20)
    assert isinstance(wanted, DecodedImage)
    assert small["facts"]["perceptual_hash"] == wanted.facts.perceptual_hash, "each size by itself"


def test_content_is_known_however_many_of_its_size_are(pictures: list[Path]) -> None:
    data = pictures[0].read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    others = {f"{number:064x}" for number in range(20_000)}
    jobs = [DecodeJob(str(pictures[0]), len(data), frozenset(others | {digest}))] * 9
    jobs.append(DecodeJob(str(pictures[1]), len(data), frozenset(others)))
    with DecodePool(32, workers=1) as pool:
        outcomes = [outcome for _, outcome in pool.run(jobs, ordered=True)]
    assert outcomes[:9] == [KnownContent(digest, len(data), pictures[0].stat().st_mtime_ns)] * 9
    assert isinstance(outcomes[9], DecodedImage)


def test_small_pictures_are_what_opening_them_here_gives(pictures: list[Path]) -> None:
    jobs = [SmallJob(str(path), hashlib.sha256(path.read_bytes()).hexdigest(), tag=path.name) for path in pictures]
    found = dict(read_small(jobs, 100, workers=1))
    assert set(found) == set(jobs)
    for job, pixels in found.items():
        assert isinstance(pixels, np.ndarray)
        assert np.array_equal(pixels, np.asarray(open_upright(job.path, 100)))
    assert found[jobs[1]].shape == (100, 67, 3)  # type: ignore[union-attr]  turned, so upright


def test_small_picture_of_other_content_is_refused(pictures: list[Path]) -> None:
    with SmallPool(50, workers=1) as pool:
        ((_, changed),) = pool.run([SmallJob(str(pictures[0]), "0" * 64)])
        ((_, fine),) = pool.run([SmallJob(str(pictures[0]))])
    assert isinstance(changed, ContentChanged)
    assert isinstance(fine, np.ndarray)


def test_side_whose_pictures_pass_an_answer_is_refused() -> None:
    for side in (0, -1, 4730):
        with pytest.raises(ValueError, match="expected 1 to 4729 pixels"):
            SmallPool(side)
    SmallPool(4729).close()
