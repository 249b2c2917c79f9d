"""HEIC and AVIF: crop and turns by the boxes alone, grids whole and by tiles, other codecs inside."""

import io
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from iso_files import Item, clap, coded, grid, imir, irot, iso_file
from odd_files import encode, photo
from PIL import Image

from imgsearch.errors import MediaError
from imgsearch.media import limits
from imgsearch.media.decode import decode_bytes
from imgsearch.media.limits import MIB, DecodeLimits
from imgsearch.media.shown import show_file

SIDE = 32
KINDS = {"HEIF": b"heic", "AVIF": b"avif"}
XMP_6 = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
)


def seen(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC)).astype(int)


def difference(data: bytes, image: Image.Image, **options: object) -> float:
    decoded = decode_bytes(data, SIDE, **options)  # type: ignore[arg-type]
    assert (decoded.facts.width, decoded.facts.height) == image.size
    return float(np.abs(decoded.pixels.astype(int) - seen(image)).mean())


@pytest.mark.parametrize("kind", KINDS)
def test_clean_aperture_is_cut_out(kind: str) -> None:
    image = photo(128, 96)
    item = coded(image, kind)
    for crop in ((0, 0, 64, 48), (32, 16, 96, 80), (63, 47, 128, 96), (1, 1, 127, 95)):
        item.properties = [*coded(image, kind).properties, clap(image.size, crop)]
        assert difference(iso_file([item], KINDS[kind]), image.crop(crop)) < 5, crop


@pytest.mark.parametrize("kind", KINDS)
def test_turns_are_the_boxes_in_their_order(kind: str) -> None:
    image = photo(128, 96)
    plain = coded(image, kind)
    transposes = {
        (irot(1),): image.transpose(Image.Transpose.ROTATE_90),
        (irot(2),): image.transpose(Image.Transpose.ROTATE_180),
        (irot(3),): image.transpose(Image.Transpose.ROTATE_270),
        (imir(0),): image.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        (imir(1),): image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        (irot(1), imir(1)): image.transpose(Image.Transpose.ROTATE_90).transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        (clap(image.size, (32, 16, 128, 80)), irot(3)): image.crop((32, 16, 128, 80)).transpose(
            Image.Transpose.ROTATE_270
        ),
    }
    for boxes, wanted in transposes.items():
        item = Item(plain.kind, plain.data, [*plain.properties, *boxes])
        assert difference(iso_file([item], KINDS[kind]), wanted) < 5, boxes


@pytest.mark.parametrize("kind", KINDS)
def test_neither_exif_nor_xmp_turn_it(kind: str) -> None:
    image = photo(128, 96)
    exif = Image.Exif()
    exif[0x0112] = 6
    told = Item(b"Exif", bytes(4) + exif.tobytes()[6:], references=(b"cdsc", (1,)))
    xmp = Item(b"mime", XMP_6, references=(b"cdsc", (1,)), content_type=b"application/rdf+xml")
    for items in ([told], [xmp], [told, xmp]):
        data = iso_file([coded(image, kind), *items], KINDS[kind])
        assert difference(data, image) < 5 and decode_bytes(data, SIDE).facts.orientation == 1


@pytest.mark.parametrize("kind", KINDS)
def test_orientation_is_that_of_the_boxes_whatever_exif_says(kind: str, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    told = Item(b"Exif", bytes(4) + exif.tobytes()[6:], references=(b"cdsc", (1,)))
    plain = coded(photo(128, 96), kind)
    for boxes, orientation in (([irot(1)], 8), ([irot(3)], 6), ([imir(1)], 2), ([irot(0)], 1)):
        path = tmp_path / "a.heic"
        path.write_bytes(iso_file([Item(plain.kind, plain.data, [*plain.properties, *boxes]), told], KINDS[kind]))
        found = show_file(path)
        assert found.content is not None
        assert (found.content.orientation, found.turned_by) == (orientation, "boxes"), boxes
        assert found.size == ((96, 128) if orientation >= 5 else (128, 96))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_avif_by_pillow_of_every_orientation_is_upright(orientation: int) -> None:
    undo = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}
    from imgsearch.media.orientation import orient_image

    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(orient_image(photo(128, 96), undo[orientation]), "AVIF", quality=95, exif=exif)
    assert difference(data, photo(128, 96)) < 5
    assert decode_bytes(data, SIDE).facts.orientation == orientation


@pytest.mark.parametrize("boxes", [(), (irot(1),), (clap((600, 400), (40, 20, 560, 390)), imir(1))])
def test_grid_by_tiles_equals_the_grid_decoded_whole(boxes: tuple[tuple[bytes, bytes], ...]) -> None:
    data = grid(photo(600, 400), (64, 64), "HEIF", *boxes)
    whole = decode_bytes(data, SIDE)
    by_tiles = decode_bytes(data, SIDE, limits=DecodeLimits(memory_bytes=1_200_000))
    assert (whole.facts.width, whole.facts.height) == (by_tiles.facts.width, by_tiles.facts.height)
    assert np.abs(whole.pixels.astype(int) - by_tiles.pixels).mean() < 1.5
    assert difference(data, _shown(photo(600, 400), boxes)) < 5


def _shown(image: Image.Image, boxes: tuple[tuple[bytes, bytes], ...]) -> Image.Image:
    if not boxes:
        return image
    if boxes[0][0] == b"irot":
        return image.transpose(Image.Transpose.ROTATE_90)
    return image.crop((40, 20, 560, 390)).transpose(Image.Transpose.FLIP_LEFT_RIGHT)


@pytest.mark.parametrize("kind", ["JPEG", "JPEG2000"])
def test_other_codecs_inside_the_container_are_read(kind: str) -> None:
    image = photo(128, 96)
    item = coded(image, kind)
    item.properties = [*item.properties, irot(1)]
    assert difference(iso_file([item], b"mif1"), image.transpose(Image.Transpose.ROTATE_90)) < 5
    assert difference(grid(image, (64, 64), kind), image) < 5


def test_codecs_without_a_reader_are_not_called_damaged() -> None:
    for kind in (b"avc1", b"vvc1", b"evc1"):
        item = Item(kind, bytes(100), coded(photo(64, 64), "JPEG").properties)
        with pytest.raises(MediaError, match="not supported"):
            decode_bytes(iso_file([item], b"mif1"), SIDE)


def test_large_heic_takes_less_than_8_bytes_a_pixel() -> None:
    out = io.BytesIO()
    pillow_heif.from_pillow(photo(1000, 800)).save(out, format="HEIF", quality=60)
    tight = DecodeLimits(memory_bytes=int(1000 * 800 * 7.5) + MIB)
    assert difference(out.getvalue(), photo(1000, 800), limits=tight) < 8


def test_budget_of_the_machine_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    for free, budget in ((0, 640 * MIB), (3000 * MIB, 640 * MIB), (12_000 * MIB, 2000 * MIB), (10**12, 4096 * MIB)):
        monkeypatch.setattr(limits, "_free_bytes", lambda free=free: free)
        limits.machine_budget.cache_clear()
        assert limits.machine_budget() == budget
    monkeypatch.undo()
    limits.machine_budget.cache_clear()
    assert 640 * MIB <= limits.machine_budget() <= 4096 * MIB
