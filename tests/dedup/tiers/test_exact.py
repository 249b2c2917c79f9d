import itertools
from pathlib import Path

import numpy as np
import pytest
from pictured_library import PicturedLibrary, picture
from PIL import Image

from imgsearch.dedup.evidence import examination
from imgsearch.dedup.tiers import exact
from imgsearch.dedup.tiers.exact import same_pixels


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> PicturedLibrary:
    """0: as PNG, as uncompressed TIFF, as a JPEG with a PNG of its pixels, turned by EXIF. 1: one pixel changed."""
    made = PicturedLibrary(tmp_path_factory.mktemp("exact"))
    image = picture(0)
    made.save(image, "0.png")
    made.save(image, "0.tif")
    made.save(image.convert("RGBA"), "0-alpha.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    made.save(image.transpose(Image.Transpose.ROTATE_90), "0-turned.png", exif=exif)
    (made.photos / "0-again.png").write_bytes((made.photos / "0.png").read_bytes())
    saved = made.save(picture(5), "5.jpg", quality=80)
    with Image.open(saved) as opened:
        made.save(opened.convert("RGB"), "5.png")
    changed = image.copy()
    changed.putpixel((3, 3), (0, 0, 0))
    made.save(changed, "1.png")
    made.save(image.resize((120, 90)), "0-small.png")
    for name in ("black.png", "black.bmp"):
        made.save(Image.new("RGB", (64, 48)), name)
    made.index(sorted(path.name for path in made.photos.iterdir()))
    yield made
    made.store.close()


ZERO = ("0-again.png", "0.tif", "0-alpha.png", "0-turned.png")
WANTED = {frozenset(("5.jpg", "5.png")), frozenset(("black.png", "black.bmp"))}
WANTED |= {frozenset(pair) for pair in itertools.combinations(ZERO, 2)}


def test_same_pixels_are_found_in_any_container_and_under_any_exif_turn(library, tmp_path) -> None:
    evidence = library.store.evidence()
    found = list(same_pixels(library.store, evidence, library.ids, pytest.fail))
    assert library.named(found) == WANTED
    assert {(pair.evidence.tier, pair.evidence.score) for pair in found} == {("pixels", 1.0)}
    assert all(pair.first < pair.second for pair in found)


def test_same_pixels_are_decoded_once_and_only_where_they_may_be_the_same(library, monkeypatch) -> None:
    evidence = library.store.evidence()
    evidence.keep_only(np.empty(0, np.int64))
    list(same_pixels(library.store, evidence, library.ids, pytest.fail))
    decoded = evidence.pixel_hashes(f"samples-{examination.RECIPE}", library.ids.tolist())
    assert decoded and library.id_of("0-small.png") not in decoded
    monkeypatch.setattr(examination, "file_pool", pytest.fail)  # nothing is left to read
    assert library.named(same_pixels(library.store, evidence, library.ids, pytest.fail)) == WANTED


def test_same_pixels_are_paired_where_one_is_new(library) -> None:
    evidence = library.store.evidence()
    new = np.array([library.id_of("5.png"), library.id_of("0.tif")])
    found = library.named(same_pixels(library.store, evidence, new, pytest.fail))
    assert found == {pair for pair in WANTED if pair & {"5.png", "0.tif"}}


def test_unreadable_file_is_told_and_the_rest_goes_on(tmp_path) -> None:
    library = PicturedLibrary(tmp_path)
    for name in ("a.png", "b.bmp", "c.tif"):
        library.save(picture(0), name)
    library.index(["a.png", "b.bmp", "c.tif"])
    (library.photos / "c.tif").write_bytes((library.photos / "b.bmp").read_bytes())  # now another content
    told = []
    found = library.named(same_pixels(library.store, library.store.evidence(), library.ids, told.append))
    assert found == {frozenset(("a.png", "b.bmp"))}
    assert [(Path(one.path).name, one.reason) for one in told] == [("c.tif", "c.tif has changed since it was indexed")]
    library.store.close()


def test_pairs_of_a_crowd_of_equal_pixels_stay_few(library, monkeypatch) -> None:
    monkeypatch.setattr(exact, "CROWD", 1)
    found = library.named(same_pixels(library.store, library.store.evidence(), library.ids, pytest.fail))
    first = library.names()[min(library.id_of(name) for name in ZERO)]
    assert {pair for pair in found if pair <= set(ZERO)} == {frozenset((first, name)) for name in ZERO if name != first}


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "CMYK"])
def test_equal_pixels_of_unshrunk_pictures_have_signatures_within_the_bound(mode, tmp_path) -> None:
    library = PicturedLibrary(tmp_path)
    image = picture(3, (240, 161)).convert(mode)
    exif = Image.Exif()
    exif[0x0112] = 8
    names = ["a.tif", "b.tif"] if mode == "CMYK" else ["a.png", "b.tif"]
    library.save(image, names[0])
    library.save(image.transpose(Image.Transpose.ROTATE_270), names[1], exif=exif)
    library.index(names)
    sides = np.array([240, 100_000])
    assert exact.pixel_steps(library.store.model, sides).tolist() == [exact.UNSHRUNK_STEPS, exact.PIXEL_STEPS]
    _, (one, other) = library.store.signatures(library.ids)
    assert np.abs(one.astype(np.int16) - other).max() <= exact.UNSHRUNK_STEPS
    found = library.named(same_pixels(library.store, library.store.evidence(), library.ids, pytest.fail))
    library.store.close()
    assert found == {frozenset(names)}
