"""`describe_file`: what the headers of a file tell, without decoding it."""

import contextlib
import io
import json
import random
from pathlib import Path

import numpy as np
import pytest
from iso_files import coded, iso_file
from odd_files import encode, p3_profile, photo, tiff_of
from PIL import Image
from PIL.TiffImagePlugin import IFDRational
from whole_files import (
    FILM,
    Page,
    animation,
    box,
    deep_png,
    mpo_bytes,
    ppm_bytes,
    samsung_trailer,
    tiff_bytes,
    with_segment,
    with_xmp,
    write,
    xmp_packet,
)
from whole_traits import JPEG, MOTION, PNG, exif_of, heif_bytes, track

from imgsearch.errors import MediaError
from imgsearch.media.samples.whole import FileTraits, describe_file, read_samples
from imgsearch.media.source import ContentChanged


def test_ordinary_photograph_has_one_picture(traits) -> None:
    found = traits(JPEG)
    assert found == FileTraits(lossless=False, steps=736)  # libjpeg's table of quality 90
    assert traits(PNG) == FileTraits(lossless=True)


def test_traits_survive_json(traits) -> None:
    exif = exif_of({0x9003: "2019:05:03 10:00:00", 0x829A: IFDRational(1, 250)}, make="Canon", model="Canon EOS R5")
    found = traits(encode(photo(), "JPEG", exif=exif))
    stored = json.loads(json.dumps(found.to_json()))
    assert FileTraits.from_json(stored | {"later": 1}) == found
    assert stored["told"] == ["camera", "date"]


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "AVIF"])
def test_frames_are_counted(traits, kind: str) -> None:
    assert traits(animation(kind, ["red", "green", "blue"])).images == 3
    assert traits(encode(photo(), kind)).images == 1


def test_default_image_of_an_apng_is_counted(traits) -> None:
    frames = [Image.new("RGB", (9, 9), colour) for colour in ("red", "green", "blue")]
    data = encode(frames[0], "PNG", save_all=True, append_images=frames[1:], default_image=True)
    assert traits(data).images == 3


def test_pictures_of_an_mpo_are_counted_by_their_kind(traits) -> None:
    other = encode(photo(seed=1), "JPEG")
    counts = {0x020002: 2, 0x020003: 2, 0x020001: 2, 0x010001: 1, 0x010002: 1, 0: 2}
    for kind, count in counts.items():
        assert traits(mpo_bytes([JPEG, other], [0x030000, kind])).images == count, hex(kind)
    assert traits(mpo_bytes([JPEG, other, other], [0x020002, 0x020002, 0x010002])).images == 3


def test_gain_and_depth_maps_are_no_pictures(traits) -> None:
    own = [b'hdrgm:Version="1.0"', b"<HDRGainMap:HDRGainMapVersion>1", b"<apdi:AuxiliaryImageType>", b'GDepth:Near="1"']
    for words in own:
        mapped = with_xmp(encode(photo().convert("L"), "JPEG"), words)
        found = traits(mpo_bytes([JPEG, mapped], [0x030000, 0]))
        assert (found.images, found.maps) == (1, 1), words
    iso = with_segment(JPEG, 0xE2, b"urn:iso:std:iso:ts:21496:-1\0" + bytes(4))
    assert traits(mpo_bytes([JPEG, iso], [0x030000, 0])).images == 1
    directory = xmp_packet(
        elements='<Container:Directory Item:Semantic="Primary"/><Container:D Item:Semantic="GainMap"/>'
    )
    assert traits(mpo_bytes([with_xmp(JPEG, directory), JPEG], [0x030000, 0])).images == 1


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (encode(photo(), "PNG", dpi=(300, 300)), 300),
        (encode(photo(), "JPEG", dpi=(600, 600)), 600),
        (encode(photo(), "TIFF", dpi=(1200, 1200)), 1200),
        (encode(photo(), "TIFF", resolution=118.11, resolution_unit="cm"), 300),
        (encode(photo(), "JPEG", dpi=(72, 72)), 0),  # programs write these without knowing
        (encode(photo(), "PNG", dpi=(96, 96)), 0),
        (PNG, 0),
    ],
)
def test_printed_size_is_told_where_a_program_knew_it(traits, data: bytes, expected: int) -> None:
    assert traits(data).density == pytest.approx(expected, abs=0.5)


def test_maps_are_told_apart_by_their_bytes(traits) -> None:
    one, other = (with_xmp(encode(photo(seed=seed).convert("L"), "JPEG"), b'hdrgm:Version="1.0"') for seed in (1, 2))
    found = [traits(mpo_bytes([JPEG, each], [0x030000, 0])) for each in (one, other, one)]
    named = [traits(with_appended_map(each)) for each in (one, other, one)]
    for first, second, again in (found, named):
        assert (first.maps, len(first.map_digest)) == (1, 64)
        assert first.map_digest == again.map_digest != second.map_digest
    as_text = with_xmp(mpo_bytes([JPEG, one], [0x030000, 0]), b'GDepth:Data="AAAA"')
    assert (traits(as_text).maps, traits(as_text).map_digest) == (2, "")


def with_appended_map(data: bytes) -> bytes:
    """A JPEG whose gain map only Google's container of items names; it lies before a film of 40 bytes."""
    items = (("Primary", 0), ("GainMap", len(data)), ("MotionPhoto", 40))
    elements = "".join(f'<Container:Item Item:Semantic="{name}" Item:Length="{size}"/>' for name, size in items)
    return with_xmp(JPEG, xmp_packet(elements=elements)) + data + bytes(40)


def test_maps_of_a_heic_are_told_apart_by_their_bytes(traits) -> None:
    shown, maps = coded(photo(), "HEIF"), [coded(photo(seed=seed).convert("L"), "HEIF") for seed in (1, 2)]
    digests = []
    for each in maps:
        each.properties.append((b"auxC", bytes(4) + b"urn:com:apple:photo:2020:aux:hdrgainmap\0"))
        each.references = (b"auxl", (1,))
        found = traits(iso_file([shown, each]))
        assert (found.images, found.maps) == (1, 1)
        digests.append(found.map_digest)
    assert "" not in digests and len(set(digests)) == 2


def test_part_that_was_cut_off_is_not_counted(traits) -> None:
    stereo = mpo_bytes([JPEG, encode(photo(seed=1), "JPEG")], [0x020002, 0x020002])
    assert traits(stereo).images == 2
    assert traits(stereo[: len(JPEG) + 90]).images == 1


def test_icons_and_netpbm_files_are_counted(traits) -> None:
    icon = traits(encode(photo(64, 64), "ICO", sizes=[(64, 64), (32, 32), (16, 16)]))
    assert (icon.images, icon.main) == (3, 0)
    assert traits(ppm_bytes(np.asarray(photo()), 255) * 3).images == 3


def test_pictures_of_a_heic_are_counted_without_its_metadata(traits) -> None:
    assert traits(heif_bytes([], kinds=(b"hvc1", b"Exif", b"hvc1", b"mime"))).images == 2
    assert traits(heif_bytes([], film=track(b"pict", 24))).images == 24


def test_camera_raw_is_told(traits) -> None:
    exif = io.BytesIO(tiff_of([(256, 4, 1, 3000), (257, 4, 1, 2000), (258, 3, 1, 14)]))
    found = traits(exif.getvalue(), "shot.nef")
    assert (found.raw, found.depth, found.lossless) == (True, 14, True)
    assert traits(b"FUJIFILMCCD-RAW " + bytes(200), "shot.raf").raw


def test_large_photograph_is_not_read_beyond_its_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A header, then nothing where the pixels should be but for the last two bytes.
    header = JPEG[: JPEG.index(b"\xff\xda") + 20]
    path = tmp_path / "large.jpg"
    with path.open("wb") as out:
        out.write(header)
        out.seek(1 << 30)
        out.write(b"\xff\xd9")
    monkeypatch.setattr("imgsearch.media.containers.film.search_film", pytest.fail)
    assert describe_file(path).images == 1


def test_other_bytes_than_expected_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jpg", JPEG)
    with pytest.raises(ContentChanged):
        describe_file(path, content_hash="0" * 64)
    for data in (b"", b"\xff\xd8\xff", b"GIF89a", b"RIFF\0\0\0\0WEBPVP8X", b"hello", b"\0\0\0\x18ftypheic" + bytes(20)):
        with pytest.raises(MediaError):
            describe_file(write(tmp_path, "b.jpg", data))


def test_damaged_headers_raise_nothing_but_our_error(tmp_path: Path) -> None:
    small = Page(np.zeros((4, 4, 3), np.uint8), [(254, 4, [1])], below=[Page(np.zeros((8, 8, 3), np.uint16))])
    good = [
        mpo_bytes([with_xmp(JPEG, xmp_packet(MOTION[1])), JPEG], [0x020002, 0x020002]) + FILM,
        JPEG + samsung_trailer([(0x0A30, b"MotionPhoto_Data", FILM)]),
        tiff_bytes([small, Page(np.zeros((9, 9), np.uint8))]),
        tiff_bytes([small], big=True),
        heif_bytes([box(b"pixi", bytes(4) + bytes([3, 12, 12, 12]))], film=track(b"pict", 3), kinds=(b"hvc1", b"Exif")),
        deep_png(np.zeros((5, 5, 3), np.uint16)),
        encode(photo(), "JPEG", icc_profile=p3_profile(), exif=exif_of({0x9003: "2019:05:03 10:00:00"})),
        animation("GIF", ["red", "green"]),
        animation("WEBP", ["red", "green"]),
        ppm_bytes(np.asarray(photo(8, 8)), 255) * 2,
        encode(photo(32, 32), "ICO", sizes=[(32, 32), (16, 16)]),
        encode(photo(8, 8), "JPEG2000"),
    ]
    chance, path = random.Random(5), tmp_path / "damaged"
    for number in range(40 * len(good)):
        data = bytearray(good[number % len(good)])
        for _ in range(chance.choice((1, 3, 20))):
            data[chance.randrange(min(len(data), 600))] = chance.randrange(256)
        path.write_bytes(data[: chance.choice((len(data), chance.randrange(len(data))))])
        for read in (describe_file, read_samples):
            with contextlib.suppress(MediaError):
                read(path)
