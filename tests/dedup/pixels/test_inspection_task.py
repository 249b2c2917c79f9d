"""What the hardened pool's workers say of single files and of two files."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from pictured_library import picture
from PIL import Image

from imgsearch.dedup.evidence.examination import file_pool
from imgsearch.dedup.pixels.inspection.task import describe, inspect, samples
from imgsearch.media.decode_pool import Job, JobResult
from imgsearch.media.decode_pool.batches import run_batches
from imgsearch.media.limits import LIMITS
from imgsearch.media.samples.whole import FileTraits, describe_file, read_samples
from imgsearch.media.source import ContentChanged


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def indexed(path: Path) -> list:
    status = path.stat()
    return [str(path), digest_of(path), status.st_size, status.st_mtime_ns]


def side(path: Path, clear: bool = False) -> list:
    return [str(path), digest_of(path), path.stat().st_size, clear]


def seen(first: Path, second: Path, orientation: int = 1, clear: bool = False) -> dict:
    """What is said of two files, the same in both orders where neither is turned."""
    found = inspect([[side(first, clear), side(second, clear), orientation, False]], {}, LIMITS)[0]["heads"][0]
    if orientation == 1:
        other = inspect([[side(second, clear), side(first, clear), 1, False]], {}, LIMITS)[0]["heads"][0]
        assert (other["same"], other["altered"]) == (found["same"], found["altered"])
    return found


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    """Blotches with grain, as a camera's: 480 x 360."""
    base = np.asarray(picture(4, (480, 360)), np.float32)
    grain = np.random.default_rng(3).normal(0, 9, base.shape[:2])[..., None]
    return Image.fromarray(np.clip(base + grain, 0, 255).astype(np.uint8))


def ask(task: str, *jobs: list) -> list:
    """Together, and each by itself: the outcomes, which are the same."""
    asked = [Job(each, 1, at) for at, each in enumerate(jobs)]
    with file_pool() as pool:
        found = {job.tag: outcome for job, outcome in run_batches(pool, task, [asked])}
        alone = {job.tag: outcome for job, outcome in run_batches(pool, task, [[job] for job in asked])}
    for at, outcome in found.items():
        assert outcome == alone[at] if isinstance(outcome, JobResult) else outcome.message == alone[at].message
    return [found[at] for at in range(len(jobs))]


def test_pool_answers_for_good_files_and_names_the_bad_one(photo, tmp_path) -> None:
    good, small, cut, text = (tmp_path / name for name in ("good.png", "small.jpg", "cut.jpg", "text.jpg"))
    photo.save(good)
    photo.resize((240, 180), Image.Resampling.LANCZOS).save(small, quality=90)
    cut.write_bytes(small.read_bytes()[:2000])
    text.write_text("no picture")
    gone = [str(tmp_path / "gone.png"), "0" * 64, 10, False]
    changed = [str(good), "0" * 64, 10, False]
    answers = ask(
        "inspect",
        [side(good), side(small), 1, False],
        [side(good), side(cut), 1, False],
        [side(text), side(good), 1, False],
        [side(good), gone, 1, False],
        [changed, side(small), 1, False],
    )
    assert isinstance(answers[0], JobResult) and answers[0].head["same"] and not answers[0].head["altered"]
    for answer, path in zip(answers[1:], (cut, text, tmp_path / "gone.png", good), strict=True):
        assert not isinstance(answer, JobResult)
        assert answer.message.startswith(f"{path}: "), answer.message


def test_pool_tells_traits_and_samples_and_survives_a_bad_file(photo, tmp_path) -> None:
    good, text = tmp_path / "good.png", tmp_path / os.fsdecode(b"text \xff.png")
    photo.save(good)
    text.write_text("no picture")
    told, refused = ask("describe", indexed(good), indexed(text))
    assert FileTraits.from_json(told.head) == describe_file(good) and not isinstance(refused, JobResult)
    read, refused = ask("samples", indexed(good)[:2], indexed(text)[:2])
    assert read.body == read_samples(good).digest and not isinstance(refused, JobResult)


def test_traits_are_of_the_indexed_content_alone(photo, tmp_path) -> None:
    path = tmp_path / "a.png"
    photo.save(path)
    asked = indexed(path)
    os.utime(path, ns=(1, 1))
    assert describe([asked], {}, LIMITS)[0]["heads"][0]["has_alpha"] is False, "touched, with the same bytes"
    photo.convert("RGBA").save(path)
    with pytest.raises(ContentChanged):
        describe([asked], {}, LIMITS)
    with pytest.raises(ContentChanged):
        samples([asked[:2]], {}, LIMITS)


def cut_out(photo: Image.Image, left: int = 100) -> Image.Image:
    found = photo.convert("RGBA")
    alpha = Image.new("L", photo.size, 0)
    alpha.paste(255, (left, 80, left + 240, 280))
    found.putalpha(alpha)
    return found


def test_transparency_is_compared_where_both_have_some(photo, tmp_path) -> None:
    paths = {name: tmp_path / f"{name}.png" for name in ("cut", "small", "moved", "full", "soft")}
    cut_out(photo).save(paths["cut"])
    cut_out(photo).resize((240, 180), Image.Resampling.LANCZOS).save(paths["small"])
    white = Image.new("RGBA", photo.size, "white")
    white.alpha_composite(cut_out(photo))
    white.save(paths["full"])  # the same on white, with an alpha that is opaque
    assert seen(paths["cut"], paths["small"], clear=True)["same"]
    for name in ("full",):
        assert not (found := seen(paths["cut"], paths[name], clear=True))["same"] and "transparency" in found["why"]
    # White drawings: what is on white looks the same, whatever is transparent.
    drawn = Image.new("RGBA", (240, 180), (255, 255, 255, 0))
    drawn.paste((200, 30, 30, 255), (10, 10, 90, 60))
    other = drawn.copy()
    drawn.paste((255, 255, 255, 255), (120, 20, 200, 120))
    drawn.save(paths["soft"])
    other.save(paths["moved"])
    assert not seen(paths["soft"], paths["moved"], clear=True)["same"]


@pytest.mark.parametrize("suffix", ["png", "tiff", "webp"])
@pytest.mark.parametrize("orientation", [3, 6])
def test_transparency_is_compared_upright_whatever_the_container(photo, tmp_path, suffix, orientation) -> None:
    """EXIF turns both planes: a picture that says so and one whose samples lie so are one."""
    from imgsearch.media.orientation import orient_image

    upright, turned = cut_out(photo, left=40), tmp_path / f"turned.{suffix}"
    upright.save(tmp_path / "upright.png")
    exif = Image.Exif()
    exif[0x0112] = orientation
    lossless = {"lossless": True, "exact": True} if suffix == "webp" else {}
    back = {3: 3, 6: 8}[orientation]
    orient_image(upright, back).save(turned, exif=exif.tobytes() if suffix != "tiff" else exif, **lossless)
    assert seen(tmp_path / "upright.png", turned, clear=True)["same"]


def test_second_is_turned_before_it_is_compared(photo, tmp_path) -> None:
    photo.save(tmp_path / "a.png")
    photo.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "b.png")
    assert seen(tmp_path / "a.png", tmp_path / "b.png", orientation=6)["same"]
    assert not seen(tmp_path / "a.png", tmp_path / "b.png", orientation=8)["same"]
    assert not seen(tmp_path / "a.png", tmp_path / "b.png")["same"], "another shape"


@pytest.mark.parametrize("quality", [30, 60, 80])
@pytest.mark.parametrize("how", [("jpg", {"quality": 97}), ("png", {}), ("webp", {"quality": 95})])
def test_larger_file_that_was_made_of_the_smaller_one_is_told(photo, tmp_path, quality, how) -> None:
    suffix, options = how
    source, again = tmp_path / "source.jpg", tmp_path / f"again.{suffix}"
    photo.save(source, quality=quality)
    Image.open(source).save(again, **options)
    found = seen(source, again)
    assert found["same"] and found["altered"], found


@pytest.mark.parametrize("quality", [30, 60, 80])
def test_smaller_file_that_was_made_of_the_larger_one_is_a_copy(photo, tmp_path, quality) -> None:
    for suffix, options in (("png", {}), ("jpg", {"quality": 95})):
        source = tmp_path / f"source.{suffix}"
        photo.save(source, **options)
        Image.open(source).save(tmp_path / "copy.jpg", quality=quality)
        found = seen(source, tmp_path / "copy.jpg")
        assert found["same"] and not found["altered"], (suffix, found)


def test_denied_pair_says_why(photo, tmp_path) -> None:
    photo.save(tmp_path / "a.png")
    marked = photo.copy()
    marked.paste((250, 250, 0), (20, 20, 120, 70))
    marked.save(tmp_path / "b.png")
    found = seen(tmp_path / "a.png", tmp_path / "b.png")
    assert not found["same"] and found["why"] and found["score"] < 0.5
