"""`read_samples`: the same samples have one digest whatever the container, and nothing else has it."""

import hashlib
import io
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from odd_files import encode, in_mode, p3_profile, photo, png_chunk
from PIL import Image, ImageCms
from whole_files import Page, animation, deep_png, mpo_bytes, ppm_bytes, tiff_bytes, write

from imgsearch.errors import MediaError
from imgsearch.media.limits import DecodeLimits, TooMuchMemory
from imgsearch.media.samples.whole import Samples, read_samples
from imgsearch.media.source import ContentChanged

RANDOM = np.random.default_rng(11)
DEEP = RANDOM.integers(0, 65536, (19, 23, 3), np.uint16)


STORED = {  # EXIF orientation -> how the sensor saw an upright picture
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_90",
    7: "TRANSVERSE",
    8: "ROTATE_270",
}


@pytest.fixture
def samples(tmp_path: Path):
    def read(data: bytes, name: str = "picture") -> Samples:
        return read_samples(write(tmp_path, name, data))

    return read


def save(image: Image.Image, kind: str, **options: object) -> bytes:
    return encode(image, kind, **options)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "AVIF"])
def test_animations_differ_when_a_later_frame_does(samples, kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    first = samples(animation(kind, ["red", "green", "blue"], **options))
    same = samples(animation(kind, ["red", "green", "blue"], **options))
    other = samples(animation(kind, ["red", "green", "yellow"], **options))
    shorter = samples(animation(kind, ["red", "green"], **options))
    assert first.digest == same.digest
    assert len({first.digest, other.digest, shorter.digest}) == 3
    assert (first.images, shorter.images) == (3, 2)
    assert first.lost == ()


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_animation_shares_its_main_digest_with_its_first_frame(samples, kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    film = samples(animation(kind, ["red", "green"], **options))
    still = samples(animation("PNG", ["red"]))
    assert film.main_digest == still.main_digest == still.digest
    assert film.digest != still.digest


def test_animations_of_other_speed_differ(samples) -> None:
    slow = samples(animation("PNG", ["red", "green"], duration=[100, 100]))
    quick = samples(animation("PNG", ["red", "green"], duration=[100, 40]))
    assert slow.main_digest == quick.main_digest
    assert slow.digest != quick.digest


def test_same_frames_are_the_same_in_another_container(samples) -> None:
    for repeats, plays in ((0, 0), (2, 3)):  # GIF counts how often an animation is repeated, the others how often shown
        films = [samples(animation("GIF", ["red", "green", "blue"], loop=repeats))]
        films.append(samples(animation("PNG", ["red", "green", "blue"], loop=plays)))
        films.append(samples(animation("WEBP", ["red", "green", "blue"], lossless=True, loop=plays)))
        assert len({film.digest for film in films}) == 1


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_animation_that_ends_differs_from_one_that_does_not(samples, kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    films = [samples(animation(kind, ["red", "green"], loop=loop, **options)) for loop in (0, 1, 5)]
    if kind == "GIF":  # without the extension it is shown once
        films.append(samples(animation(kind, ["red", "green"])))
    assert len({film.digest for film in films}) == len(films)
    assert len({film.main_digest for film in films}) == 1


def test_scans_of_one_cover_differ_when_a_page_does(samples) -> None:
    pages = [photo(seed=seed) for seed in range(5)]
    options = {"save_all": True, "compression": "tiff_lzw"}
    five = samples(save(pages[0], "TIFF", append_images=pages[1:], **options))
    other = samples(save(pages[0], "TIFF", append_images=[*pages[1:4], photo(seed=9)], **options))
    cover = samples(save(pages[0], "PNG"))
    assert (five.images, other.images, cover.images) == (5, 5, 1)
    assert five.main_digest == other.main_digest == cover.digest
    assert len({five.digest, other.digest, cover.digest}) == 3


def test_stereo_picture_differs_from_its_left_eye(samples) -> None:
    left, right, other = (save(photo(seed=seed), "JPEG") for seed in (1, 2, 3))
    stereo = samples(mpo_bytes([left, right], [0x20020002, 0x020002]))
    assert stereo.images == 2
    assert stereo.main_digest == samples(left).digest
    assert len({stereo.digest, samples(left).digest, samples(mpo_bytes([left, other], [0x020002] * 2)).digest}) == 3


def test_icons_differ_when_a_smaller_size_does(samples) -> None:
    large, small, other = photo(64, 64), photo(16, 16, 1), photo(16, 16, 2)
    icons = [samples(save(large, "ICO", sizes=[(64, 64), (16, 16)], append_images=[each])) for each in (small, other)]
    assert [icon.images for icon in icons] == [2, 2]
    assert icons[0].main_digest == icons[1].main_digest
    assert icons[0].digest != icons[1].digest
    assert icons[0].main_digest == samples(save(large, "PNG")).digest


def test_netpbm_file_of_two_pictures_is_not_its_first(samples) -> None:
    grey = np.asarray(photo().convert("L"))
    one, two = (samples(ppm_bytes(grey, 255) * count) for count in (1, 2))
    assert (one.images, two.images) == (1, 2)
    assert two.main_digest == one.digest != two.digest


def test_heic_collection_is_not_its_main_picture(samples, tmp_path: Path) -> None:
    def collection(*pictures: Image.Image, primary: int) -> Samples:
        file = pillow_heif.HeifFile()
        for picture in pictures:
            file.add_from_pillow(picture)
        file.save(tmp_path / "c.heic", quality=-1, chroma=444, primary_index=primary)
        return read_samples(tmp_path / "c.heic")

    both = collection(photo(seed=1), photo(seed=2), primary=1)
    alone = collection(photo(seed=2), primary=0)
    assert (both.images, alone.images) == (2, 1)
    assert both.main_digest == alone.digest != both.digest


def test_white_drawings_on_transparency_differ_from_an_empty_page(samples) -> None:
    drawing = Image.new("RGBA", (40, 30), (255, 255, 255, 0))
    drawing.paste((255, 255, 255, 255), (5, 5, 20, 20))
    empty = Image.new("RGBA", (40, 30), (255, 255, 255, 0))
    white = Image.new("RGB", (40, 30), "white")
    found = [samples(save(each, "PNG")) for each in (drawing, empty, white)]
    assert len({each.digest for each in found}) == 3
    assert [each.transparent for each in found] == [True, True, False]


def test_cut_out_differs_from_itself_on_white(samples) -> None:
    cut_out = photo().convert("RGBA")
    cut_out.paste((255, 255, 255, 0), (0, 0, 30, 64))
    flat = Image.new("RGB", cut_out.size, "white")
    flat.paste(cut_out, mask=cut_out.getchannel("A"))
    assert samples(save(cut_out, "PNG")).digest != samples(save(flat, "PNG")).digest


def test_colours_under_full_transparency_count_as_nothing(samples) -> None:
    red, blue = (Image.new("RGBA", (9, 9), colour) for colour in ((255, 0, 0, 0), (0, 0, 255, 0)))
    for each in (red, blue):
        each.paste((9, 200, 9, 255), (0, 0, 4, 4))
    assert samples(save(red, "PNG")).digest == samples(save(blue, "PNG")).digest


def test_opaque_alpha_is_dropped(samples) -> None:
    plain, opaque = samples(save(photo(), "PNG")), samples(save(photo().convert("RGBA"), "PNG"))
    assert plain.digest == opaque.digest
    assert not opaque.transparent


def test_label_masks_of_16_bits_differ(samples) -> None:
    masks = []
    for value in (17, 42, 0):
        mask = np.zeros((30, 40), np.uint16)
        mask[5:12, 8:20] = value
        masks += [samples(save(Image.fromarray(mask), kind)) for kind in ("PNG", "TIFF")]
    assert len({mask.digest for mask in masks}) == 3
    assert [mask.depth for mask in masks] == [16, 16, 16, 16, 8, 8]
    assert masks[0].digest == masks[1].digest


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("interlaced", [False, True])
def test_deep_png_is_read_at_16_bits(samples, channels: int, interlaced: bool) -> None:
    deep = RANDOM.integers(1, 65536, (19, 23, channels), np.uint16)
    found = samples(deep_png(deep, interlaced))
    assert (found.depth, found.lost) == (16, ())
    has_alpha = channels in (2, 4)
    assert found.digest == expected(deep, 16, has_alpha)
    changed = deep.copy()
    changed[7, 11, channels - 1] ^= 1  # the lowest bit of one sample
    assert samples(deep_png(changed, interlaced)).digest != found.digest


def expected(pixels: np.ndarray, bits: int, transparent: bool, profile: str = "") -> bytes:
    """The canonical digest of [H, W, C] whose last channel is alpha where ``transparent``, for less than one band."""
    colour = pixels[..., :-1] if transparent else pixels
    space = "L" if colour.shape[2] == 1 else "RGB"
    height, width = pixels.shape[:2]
    digest = hashlib.sha256(f"{space} {width} {height} {bits} {transparent} {profile}\n".encode())
    digest.update(colour.tobytes())
    digest.update(pixels[..., -1].tobytes() if transparent else b"")
    return digest.digest()


def test_8_bit_picture_has_the_canonical_digest(samples) -> None:
    assert samples(save(photo(), "PNG")).digest == expected(np.asarray(photo()), 8, False)


def test_16_bit_picture_differs_from_its_8_bit_copy(samples) -> None:
    deep, shallow = samples(deep_png(DEEP)), samples(save(Image.fromarray((DEEP >> 8).astype(np.uint8)), "PNG"))
    assert (deep.depth, shallow.depth) == (16, 8)
    assert deep.digest != shallow.digest


def test_promoted_8_bits_are_8_bits(samples) -> None:
    shallow = (DEEP >> 8).astype(np.uint8)
    promoted = samples(deep_png(shallow.astype(np.uint16) * 257))
    assert promoted.depth == 8
    assert promoted.digest == samples(save(Image.fromarray(shallow), "PNG")).digest


def test_deep_samples_are_the_same_in_png_tiff_and_ppm(samples) -> None:
    png = samples(deep_png(DEEP))
    for order in "<>":
        assert samples(tiff_bytes([Page(DEEP)], order)).digest == png.digest, order
    assert samples(ppm_bytes(DEEP, 65535)).digest == png.digest
    grey = DEEP[..., :1]
    assert samples(ppm_bytes(grey[..., 0], 65535)).digest == samples(deep_png(grey)).digest


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_deep_tiff_is_read_at_16_bits_when_compressed(samples, compression: str) -> None:
    # Pillow writes no 16-bit RGB: a grey picture of three times the width has the same rows.
    wide = save(Image.fromarray(DEEP.reshape(19, 69)), "TIFF", compression=compression)
    tags = Image.open(io.BytesIO(wide)).tag_v2
    strip = wide[tags[273][0] :][: tags[279][0]]
    found = samples(tiff_bytes([Page(DEEP, [(259, 3, [tags[259]])], strip=strip)]))
    assert (found.depth, found.lost) == (16, ())
    assert found.digest == samples(deep_png(DEEP)).digest


def test_deep_alpha_of_tiff_is_read_at_16_bits(samples) -> None:
    deep = RANDOM.integers(1, 65536, (9, 8, 4), np.uint16)
    page = Page(deep, [(338, 3, [2])])
    assert samples(tiff_bytes([page])).digest == samples(deep_png(deep)).digest
    premultiplied = samples(tiff_bytes([Page(deep, [(338, 3, [1])])]))
    assert premultiplied.digest != samples(tiff_bytes([page])).digest


def test_colour_key_of_a_deep_png_is_transparency(samples) -> None:
    key = DEEP[3, 4]
    keyed = samples(deep_png(DEEP, tRNS=key.astype(">u2").tobytes()))
    alpha = np.where((key == DEEP).all(axis=2), 0, 65535).astype(np.uint16)
    shown = np.where(alpha[..., None] == 0, 0, DEEP).astype(np.uint16)
    assert keyed.transparent
    assert keyed.digest == samples(deep_png(np.concatenate([shown, alpha[..., None]], axis=2))).digest


def test_deep_tiff_by_planes_is_lost_not_guessed(samples) -> None:
    planes = Page(DEEP, [(284, 3, [2]), (278, 4, [19])])
    found = samples(tiff_bytes([planes]))
    assert found.lost
    assert found.digest != samples(save(Image.fromarray((DEEP >> 8).astype(np.uint8)), "PNG")).digest


def test_ten_bits_of_heic_are_not_eight(samples, tmp_path: Path) -> None:
    deep = np.asarray(photo()).astype(np.uint16) * 256 + 64
    file = pillow_heif.from_bytes("RGB;16", photo().size, deep.tobytes())
    file.save(tmp_path / "deep.heic", quality=-1, chroma=444)
    found = read_samples(tmp_path / "deep.heic")
    assert (found.depth, found.lost) == (10, ())


def test_float_tiff_keeps_its_samples(samples) -> None:
    values = RANDOM.random((7, 9), np.float32)
    other = values.copy()
    other[3, 3] += 1e-4
    found = [samples(save(Image.fromarray(each), "TIFF")) for each in (values, values, other)]
    assert found[0].digest == found[1].digest != found[2].digest
    assert found[0].depth == 32


def test_containers_of_the_same_samples_have_one_digest(samples) -> None:
    kinds = {"PNG": {}, "TIFF": {"compression": "tiff_lzw"}, "BMP": {}, "PPM": {}, "QOI": {}}
    kinds |= {"WEBP": {"lossless": True}, "JPEG2000": {"irreversible": False}}
    found = {kind: samples(save(photo(), kind, **options)) for kind, options in kinds.items()}
    assert len({each.digest for each in found.values()}) == 1
    jpeg = save(photo(), "JPEG")
    decoded = Image.open(io.BytesIO(jpeg)).convert("RGB")
    assert samples(jpeg).digest == samples(save(decoded, "PNG")).digest


def test_palettes_grey_and_single_bits_are_expanded(samples) -> None:
    reduced = photo().quantize(40)
    assert samples(save(reduced, "PNG")).digest == samples(save(reduced.convert("RGB"), "PNG")).digest
    assert samples(save(reduced, "GIF")).digest == samples(save(reduced.convert("RGB"), "PNG")).digest
    grey = photo().convert("L")
    assert samples(save(grey, "PNG")).digest == samples(save(grey.convert("RGB"), "BMP")).digest
    assert not samples(save(grey.convert("RGB"), "PNG")).colour
    single = photo().convert("1")
    assert (
        samples(save(single, "TIFF", compression="group4")).digest == samples(save(single.convert("L"), "PNG")).digest
    )


def test_palette_with_transparency_is_its_rgba(samples) -> None:
    reduced = photo().quantize(16)
    clear = encode(reduced, "PNG", transparency=bytes([0, 128] + [255] * 14))
    expanded = Image.open(io.BytesIO(clear)).convert("RGBA")
    assert samples(clear).digest == samples(save(expanded, "PNG")).digest


@pytest.mark.parametrize("mode", ["CMYK", "LAB"])
def test_other_colour_spaces_stay_themselves(samples, mode: str) -> None:
    image = in_mode(photo(), mode)  # once: its Lab profile holds the second in which it was made
    other = samples(save(image, "TIFF"))
    assert other.digest == samples(save(image, "TIFF", compression="tiff_lzw")).digest
    assert other.digest != samples(save(image.convert("RGB"), "PNG")).digest if mode == "CMYK" else True
    assert other.lost == ()


def test_profile_sets_the_same_numbers_apart(samples) -> None:
    plain = samples(save(photo(), "PNG"))
    wide = samples(save(photo(), "PNG", icc_profile=p3_profile()))
    usual = samples(
        save(photo(), "PNG", icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    )
    assert plain.digest == usual.digest != wide.digest
    assert wide.digest == samples(save(photo(), "TIFF", icc_profile=p3_profile())).digest
    code_points = png_chunk(b"cICP", bytes([12, 13, 0, 1]))
    png = save(photo(), "PNG")
    assert samples(png[:33] + code_points + png[33:]).digest == wide.digest


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_file_is_its_upright_picture(samples, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = samples(save(photo(), "PNG")).digest
    image = photo() if orientation == 1 else photo().transpose(Image.Transpose[STORED[orientation]])
    for kind, options in (("PNG", {}), ("TIFF", {}), ("WEBP", {"lossless": True})):
        assert samples(save(image, kind, exif=exif, **options)).digest == upright, kind


def test_turned_file_of_many_bands_is_its_upright_picture(samples, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgsearch.media.colour.rows._BAND_SAMPLES", 3 * 96 * 7)
    exif = Image.Exif()
    for orientation, method in (
        (5, "TRANSPOSE"),
        (6, "ROTATE_90"),
        (7, "TRANSVERSE"),
        (8, "ROTATE_270"),
        (4, "FLIP_TOP_BOTTOM"),
    ):
        exif[0x0112] = orientation
        oriented = photo().transpose(Image.Transpose[method])
        assert samples(save(oriented, "PNG", exif=exif)).digest == samples(save(photo(), "PNG")).digest


def test_raw_file_is_its_bytes(samples) -> None:
    data = b"II*\0\x10\0\0\0CR\x02\0" + bytes(200)
    assert samples(data, "a.cr2").digest == samples(data, "b.cr2").digest != samples(data + b"\0", "c.cr2").digest


def test_damage_and_changes_raise_our_errors(tmp_path: Path) -> None:
    path = write(tmp_path, "cut.png", save(photo(), "PNG")[:900])
    with pytest.raises(MediaError):
        read_samples(path)
    whole = write(tmp_path, "whole.png", save(photo(), "PNG"))
    with pytest.raises(ContentChanged):
        read_samples(whole, content_hash="0" * 64)
    with pytest.raises(TooMuchMemory):
        read_samples(whole, limits=DecodeLimits(memory_bytes=1000))
    digest = hashlib.sha256(whole.read_bytes()).hexdigest()
    assert read_samples(whole, content_hash=digest) == read_samples(whole)


def test_too_many_frames_are_lost(samples) -> None:
    one = save(Image.new("P", (2, 2)), "GIF")
    frame = one[one.index(b",") : -1]
    found = samples(one[:-1] + frame * 10_001 + b";")
    assert found.lost == ("too many pictures",)
    assert found.main_digest == samples(one).digest != found.digest


def test_unreadable_page_is_lost_and_sets_the_file_apart(samples) -> None:
    good, bad = Page(np.asarray(photo())), Page(np.asarray(photo(seed=2)), [(262, 3, [999])])
    found = samples(tiff_bytes([good, bad]))
    assert found.images == 2
    assert found.lost[0].startswith("picture 2: ")
    assert found.main_digest == samples(save(photo(), "PNG")).digest != found.digest
