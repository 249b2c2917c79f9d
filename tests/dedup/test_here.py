from pathlib import Path

import numpy as np
import pytest
from pictured_library import PicturedLibrary, picture
from PIL import Image, ImageDraw

from imgsearch.dedup import here
from imgsearch.dedup.here import DuplicateLookup, counts, is_here
from imgsearch.errors import MediaError
from imgsearch.scenes.not_copies.tiff import dng


@pytest.fixture
def library(tmp_path) -> PicturedLibrary:
    made = PicturedLibrary(tmp_path)
    for seed in range(3):
        made.save(picture(seed), f"{seed}.png")
    made.save(Image.new("RGB", (80, 60), "navy"), "flat.png")
    made.index(["0.png", "1.png", "2.png", "flat.png"])
    yield made
    made.store.close()


def test_file_is_here_by_its_content_then_by_its_looks(library, tmp_path) -> None:
    library.save(picture(1).resize((120, 90)), "1-small.jpg")
    library.index(["1-small.jpg"])
    (same, one), (small, two) = is_here(library.store, library.photos / "1.png")
    assert (library.names()[same], one.tier, one.score) == ("1.png", "bytes", 1.0)
    assert (library.names()[small], two.tier, two.orientation) == ("1-small.jpg", "perceptual", 1)


def test_turned_copy_is_here_and_the_turn_brings_it_back(library, tmp_path) -> None:
    path = tmp_path / "turned.jpg"
    picture(2).transpose(Image.Transpose.ROTATE_90).resize((90, 120)).save(path, quality=80)
    ((found, evidence),) = is_here(library.store, path)
    assert (library.names()[found], evidence.tier, evidence.orientation) == ("2.png", "perceptual", 6)
    assert evidence.hamming is not None and evidence.difference is not None


def test_other_and_flat_pictures_are_not_here(library, tmp_path) -> None:
    picture(9).save(tmp_path / "other.png")
    Image.new("RGB", (90, 60), "navy").save(tmp_path / "flat.png")
    shelf = DuplicateLookup(library.store)
    assert shelf.is_here(tmp_path / "other.png") == []
    assert shelf.is_here(tmp_path / "flat.png") == []  # another size, and looks say nothing of it
    Image.new("RGB", (80, 60), "navy").save(tmp_path / "flat.bmp")
    ((_, evidence),) = shelf.is_here(tmp_path / "flat.bmp")
    assert evidence.tier == "pixels", "all samples are equal"
    ((_, evidence),) = shelf.is_here(library.photos / "flat.png")
    assert evidence.tier == "bytes"


def test_shelf_knows_what_came_and_went_meanwhile(library, tmp_path) -> None:
    shelf = DuplicateLookup(library.store)
    path: Path = tmp_path / "five.jpg"
    picture(5).resize((150, 110)).save(path)
    assert shelf.is_here(path) == []
    library.save(picture(5), "5.png")
    library.index(["5.png"])
    assert [library.names()[image_id] for image_id, _ in shelf.is_here(path)] == ["5.png"]
    library.remove(["5.png"])
    assert shelf.is_here(path) == []
    assert shelf.is_here(library.photos / "5.png") == []


def test_file_that_is_no_picture_is_an_error(library, tmp_path) -> None:
    (tmp_path / "note.txt").write_text("no picture")
    with pytest.raises(MediaError):
        is_here(library.store, tmp_path / "note.txt")


def asked(library: PicturedLibrary, path: Path) -> dict[str, tuple[str, str, bool]]:
    """Name in the library -> (tier, why, whether it counts)."""
    names = library.names()
    return {names[number]: (one.tier, one.why, counts(one)) for number, one in is_here(library.store, path)}


def animation(path: Path, ways: int, count: int = 3) -> Path:
    """Frames over one still; the first is the same whatever ``ways``."""
    frames = []
    for place in range(count):
        frame = picture(20).quantize(64).convert("RGB")
        at = 20 + place * 30 * ways
        ImageDraw.Draw(frame).rectangle((at, 20, at + 15, 35), fill="red")
        frames.append(frame)
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=90)
    return path


def test_animation_is_here_only_with_all_its_frames(library, tmp_path) -> None:
    animation(library.photos / "film.gif", 1)
    library.index(["film.gif"])
    again = animation(tmp_path / "again.gif", 1)
    again.write_bytes(again.read_bytes() + b"\0")
    assert asked(library, again) == {"film.gif": ("pixels", "", True)}
    other = asked(library, animation(tmp_path / "other.gif", 2))
    assert other["film.gif"][0] == "part" and not other["film.gif"][2]
    with Image.open(library.photos / "film.gif") as film:
        film.convert("RGB").save(tmp_path / "first.png")
    ((tier, why, here_too),) = asked(library, tmp_path / "first.png").values()
    assert (tier, here_too) == ("part", False) and "3 pictures" in why


def test_picture_that_differs_at_one_place_is_not_here(library, tmp_path) -> None:
    image = picture(1)
    ImageDraw.Draw(image).text((150, 150), "12:04", fill="white")
    image.save(tmp_path / "clock.png")
    assert asked(library, tmp_path / "clock.png") == {}


def test_file_with_more_in_it_says_so(library, tmp_path) -> None:
    picture(1, (480, 360)).save(tmp_path / "larger.png")
    (found,) = asked(library, tmp_path / "larger.png").values()
    assert found[0] == "perceptual" and found[1] == "it has more pixels"
    levels = np.asarray(picture(30).convert("L"), np.uint16) * 257 + 19
    Image.fromarray((levels >> 8).astype(np.uint8)).save(library.photos / "flat8.png")
    library.index(["flat8.png"])
    Image.fromarray(levels).save(tmp_path / "deep.png")
    assert asked(library, tmp_path / "deep.png")["flat8.png"][0] == "part"
    clear = picture(1).convert("RGBA")
    ImageDraw.Draw(clear).rectangle((0, 0, 20, 20), fill=(255, 255, 255, 0))
    clear.save(tmp_path / "clear.png")
    assert not any(counted for _, _, counted in asked(library, tmp_path / "clear.png").values())


def test_shots_and_stacks_are_shown_and_do_not_count(library, tmp_path) -> None:
    def saved(path: Path, seconds: int) -> Path:
        exif = Image.Exif()
        exif.get_ifd(0x8769)[0x9003] = f"2024:05:03 12:00:0{seconds}"
        picture(40).save(path, exif=exif, quality=90 - seconds)
        return path

    saved(library.photos / "IMG_1.jpg", 1)
    library.index(["IMG_1.jpg"])
    assert asked(library, saved(tmp_path / "b.jpg", 3)) == {"IMG_1.jpg": ("burst", "a burst", False)}
    edited = tmp_path / "IMG_1-edited.jpg"
    saved(edited, 1)
    edited.write_bytes(edited.read_bytes() + b"\0")
    assert asked(library, edited)["IMG_1.jpg"][0] == "stack"
    (tmp_path / "c.dng").write_bytes(dng(picture(40), 1))
    assert not any(counted for _, _, counted in asked(library, tmp_path / "c.dng").values())


def test_library_file_that_cannot_be_read_is_no_certain_copy(library, tmp_path) -> None:
    picture(1).save(tmp_path / "again.jpg", quality=80)
    (library.photos / "1.png").unlink()
    ((name, (tier, why, counted)),) = asked(library, tmp_path / "again.jpg").items()
    assert (name, tier, counted) == ("1.png", "near", False) and "cannot be read" in why
    picture(2).save(library.photos / "1.png")  # another picture took its place
    assert asked(library, tmp_path / "again.jpg")["1.png"][0] == "near"


def test_so_many_candidates_and_no_more_are_looked_at(library, tmp_path, monkeypatch) -> None:
    looked: list[str] = []
    real = here.look_at
    monkeypatch.setattr(here, "look_at", lambda *args, **how: looked.append("") or real(*args, **how))
    monkeypatch.setattr(here, "MOST_LOOKS", 2)
    for quality in (60, 65, 70, 75):
        picture(50).save(library.photos / f"{quality}.jpg", quality=quality)
    library.index([f"{quality}.jpg" for quality in (60, 65, 70, 75)])
    picture(50).save(tmp_path / "asked.png")
    assert len(is_here(library.store, tmp_path / "asked.png")) == 2 == len(looked)
