from pathlib import Path

import pytest
from pictured_library import PicturedLibrary, picture
from PIL import Image

from imgsearch.dedup.here import Shelf, is_here
from imgsearch.errors import MediaError


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
    assert (library.names()[small], two.tier, two.turn) == ("1-small.jpg", "perceptual", 1)


def test_turned_copy_is_here_and_the_turn_brings_it_back(library, tmp_path) -> None:
    path = tmp_path / "turned.jpg"
    picture(2).transpose(Image.Transpose.ROTATE_90).resize((90, 120)).save(path, quality=80)
    ((found, evidence),) = is_here(library.store, path)
    assert (library.names()[found], evidence.tier, evidence.turn) == ("2.png", "perceptual", 6)
    assert evidence.bits is not None and evidence.difference is not None


def test_other_and_flat_pictures_are_not_here(library, tmp_path) -> None:
    picture(9).save(tmp_path / "other.png")
    Image.new("RGB", (90, 60), "navy").save(tmp_path / "flat.png")
    shelf = Shelf(library.store)
    assert shelf.is_here(tmp_path / "other.png") == []
    assert shelf.is_here(tmp_path / "flat.png") == []  # looks say nothing of it
    ((_, evidence),) = shelf.is_here(library.photos / "flat.png")
    assert evidence.tier == "bytes"


def test_shelf_knows_what_came_and_went_meanwhile(library, tmp_path) -> None:
    shelf = Shelf(library.store)
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
