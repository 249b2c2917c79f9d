"""Pictures that are read again: a sidecar turns them, or an older program read them otherwise."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from imgsearch.storage import open_store
from imgsearch.storage.upkeep.verification import verify

SIDECAR = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="{}"/>
</rdf:RDF></x:xmpmeta>"""


def _of(desk: Any, name: str) -> tuple[int, Any, Any]:
    """Image id, facts and vectors [T, D] of a picture in the library."""
    with open_store(desk.library) as store:
        for record in store.iter_images():
            if desk.photos / name in store.all_paths([record.image_id])[record.image_id]:
                view = store.view()
                slots = view.slots_of_images(np.array([record.image_id]))
                return record.image_id, record.facts, view.read(slots)[0]
    raise AssertionError(name)


def _scene(desk: Any) -> str:
    return sorted(path.name for path in desk.photos.iterdir())[0]


@pytest.mark.parametrize("place", ["{stem}.xmp", "{name}.xmp"])
def test_a_sidecar_turns_a_picture_as_it_comes_changes_and_goes(desk, place):
    name = _scene(desk)
    desk.index()
    image_id, plain, vectors = _of(desk, name)
    sidecar = desk.photos / place.format(stem=Path(name).stem, name=name)
    sidecar.write_text(SIDECAR.format(6))
    assert desk.index().reread == 1
    turned_id, turned, turned_vectors = _of(desk, name)
    assert (turned_id, turned.width, turned.height) == (image_id, plain.height, plain.width)
    assert (turned.orientation, turned.orientation_source) == (6, "sidecar")
    assert turned.perceptual_hash == plain.perceptual_hash  # of what the file holds, for dedup
    # The right vectors: those of a file that holds the turned pixels.
    upright = desk.folder / "upright"
    upright.mkdir()
    with Image.open(desk.photos / name) as image:
        image.transpose(Image.Transpose.ROTATE_270).save(upright / "upright.png")
    desk.index(upright)
    with open_store(desk.library) as store:
        newest = max(store.iter_images(), key=lambda record: record.image_id)
        view = store.view()
        expected = view.read(view.slots_of_images(np.array([newest.image_id])))[0]
        assert verify(store) == []
    np.testing.assert_allclose(turned_vectors, expected, atol=2e-3)
    sidecar.write_text(SIDECAR.format(1))
    assert desk.index().reread == 1
    _, back, back_vectors = _of(desk, name)
    assert (back.width, back.height, back.orientation_source) == (plain.width, plain.height, None)
    np.testing.assert_array_equal(back_vectors, vectors)
    assert desk.index().reread == 0
    sidecar.write_text(SIDECAR.format(8))
    assert desk.index().reread == 1
    sidecar.unlink()
    assert desk.index().reread == 1
    assert _of(desk, name)[1].width == plain.width


def test_a_file_with_an_orientation_of_its_own_is_not_turned(desk):
    exif = Image.Exif()
    exif[0x0112] = 1
    Image.effect_noise((40, 24), 50).save(desk.photos / "own.png", exif=exif)
    (desk.photos / "own.xmp").write_text(SIDECAR.format(6))
    desk.index()
    assert desk.index().reread == 0
    facts = _of(desk, "own.png")[1]
    assert (facts.width, facts.height, facts.orientation, facts.orientation_source) == (40, 24, 1, "file")


def _age(library: Path) -> None:
    """Make rows as an older program left them."""
    with sqlite3.connect(library / "catalog.db") as catalog:
        catalog.execute("UPDATE images SET decode_recipe = 0, orientation_source = NULL")
        catalog.execute("UPDATE failures SET decode_recipe = 0")


def test_what_an_older_program_read_otherwise_is_read_again(desk):
    ramp = np.tile(np.arange(64, dtype=np.uint16)[None] * 64, (48, 1))
    Image.fromarray(ramp).save(desk.photos / "deep.tif")  # 16 bits with values up to 4,032
    Image.new("RGB", (20, 15), "red").save(desk.photos / "thumb.tif", save_all=True)
    desk.index()
    before = _of(desk, "deep.tif")
    scenes = len(desk.embedded)
    with sqlite3.connect(desk.library / "catalog.db") as catalog:
        catalog.execute("UPDATE images SET width = 7, height = 5 WHERE image_id = ?", (before[0],))
        catalog.execute("UPDATE signatures SET data = zeroblob(1536) WHERE image_id = ?", (before[0],))
    _age(desk.library)
    summary = desk.index()
    assert summary.unchanged == summary.seen
    assert (summary.reread, list(summary.reread_reasons)) == (1, ["deep or unusual samples"])
    assert "1 picture looked different when read again, for: 1 deep or unusual samples." in summary.text()
    assert desk.embedded[scenes:] == [1]  # nothing else went through the model
    after = _of(desk, "deep.tif")
    assert (after[0], after[1]) == (before[0], before[1])
    np.testing.assert_array_equal(after[2], before[2])
    with open_store(desk.library) as store:
        assert verify(store) == []
    assert desk.index().reread == 0


def test_recheck_reads_all_pixels_of_an_older_program_once(desk):
    desk.index()
    scenes = len(desk.embedded)
    _age(desk.library)
    with sqlite3.connect(desk.library / "catalog.db") as catalog:
        catalog.execute("UPDATE images SET width = 9")
    desk.index()
    assert desk.embedded[scenes:] == []
    _age(desk.library)
    summary = desk.recheck()
    assert summary.reread == len(list(desk.photos.iterdir()))


def test_a_failure_of_an_older_reader_is_tried_again_once(desk):
    (desk.photos / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    assert desk.index().failed_before == 0
    assert desk.index().failed_before == 1
    _age(desk.library)
    assert (desk.index().failed_before, desk.index().failed_before) == (0, 1)


def test_the_image_of_a_former_slot_goes_with_a_compaction(desk):
    name = _scene(desk)
    desk.index()
    (desk.photos / f"{name}.xmp").write_text(SIDECAR.format(3))
    desk.index()
    vectors = _of(desk, name)[2]
    from imgsearch.storage.upkeep.compaction import compact_library
    from imgsearch.storage.writer import writing

    with open_store(desk.library) as store:
        with writing(store) as writer:
            assert compact_library(writer).images_removed == 1
        assert verify(store) == []
    np.testing.assert_array_equal(_of(desk, name)[2], vectors)
    assert os.path.lexists(desk.photos / name)


def test_watch_scans_the_pictures_of_a_sidecar_that_comes_changes_or_goes(tmp_path):
    from imgsearch.records import Root
    from indexer.watch import scopes

    folder = tmp_path / "trip"
    folder.mkdir()
    for name in ("IMG_1.jpg", "img_2.jpeg", "a-edited.jpg", "a.jpg", "other.jpg", "notes.json", "IMG_1.xmp"):
        (folder / name).write_bytes(b"")

    def pictures(*names: str) -> list[str]:
        return sorted(Path(path).name for path in scopes([str(folder / name) for name in names], [Root(1, tmp_path)]))

    assert pictures("IMG_1.xmp") == ["IMG_1.jpg"]
    assert pictures("IMG_1.jpg.xmp", "IMG_2.XMP") == ["IMG_1.jpg", "img_2.jpeg"]  # both gone, or not yet there
    assert pictures("a.jpg.supplemental-metad.json") == ["a-edited.jpg", "a.jpg"]
    assert pictures("notes.json", "package.json") == []


def test_watch_of_a_single_file_sees_sidecars_and_replacement(tmp_path):
    from imgsearch.records import Root
    from indexer.watch import SingleFiles, scopes

    picture, sidecar, other = tmp_path / "a.jpg", tmp_path / "a.xmp", tmp_path / "b.jpg"
    picture.write_bytes(b"x")
    watched = SingleFiles([str(picture)])
    assert watched.changed() == set()
    sidecar.write_bytes(b"new")
    other.write_bytes(b"no root")
    assert scopes(watched.changed(), [Root(1, picture)]) == {str(picture)}
    sidecar.write_bytes(b"longer than before")
    assert watched.changed() == {str(sidecar)}
    sidecar.unlink()
    assert watched.changed() == {str(sidecar)}
    (tmp_path / "tmp").write_bytes(b"y")
    (tmp_path / "tmp").replace(picture)
    assert scopes(watched.changed(), [Root(1, picture)]) == {str(picture)}
    picture.unlink()
    assert (watched.changed(), watched.changed()) == ({str(picture)}, set())
