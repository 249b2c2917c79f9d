"""A copy is a copy of the whole file: frames, pages, depth, transparency, colours. `find` and its groups."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from pictured_library import PicturedLibrary, picture
from PIL import Image, ImageCms, ImageDraw

from imgsearch.dedup.find import FindOptions, compare, groups_of
from imgsearch.dedup.groups.keep import parse_keep
from imgsearch.scenes.not_copies.exif import profile
from imgsearch.scenes.not_copies.tiff import master_in_sub_directory, thumbnail_first

TIERS = ("bytes", "pixels", "perceptual")
GREEDY = ("smallest", "largest")


@dataclass(frozen=True)
class Row:
    """A member of a group: its tier, whether it moves and for what, by names."""

    tier: str
    move: bool
    keeper: str
    why: str


def silent(stage: str, done: int, total: int) -> None:
    pass


def found(library: PicturedLibrary, rule: str = "largest") -> dict[str, Row]:
    store = library.store
    library.index(sorted(path.name for path in library.photos.iterdir()))
    compare(store, store.evidence(), TIERS, silent)
    options = FindOptions(TIERS, rule=parse_keep(rule))
    return {
        member.copy.path.rpartition("/")[2]: Row(
            member.evidence.tier, member.move, group.keeper.path.rpartition("/")[2], member.stays or member.evidence.why
        )
        for group in groups_of(store, store.evidence(), options, pytest.fail, silent)
        for member in group.members
    }


def moved(rows: dict[str, Row]) -> dict[str, str]:
    return {name: row.keeper for name, row in rows.items() if row.move}


@pytest.fixture
def library(tmp_path) -> PicturedLibrary:
    made = PicturedLibrary(tmp_path)
    yield made
    made.store.close()


def frames(seed: int, count: int = 4, size: tuple[int, int] = (96, 72)) -> list[Image.Image]:
    """A still of 64 colours over which a square wanders; seeds differ in its way alone."""
    still = picture(50, size).quantize(64).convert("RGB")
    made = []
    for place in range(count):
        one = still.copy()
        at = 4 + 9 * place + (5 * seed if place else 0)
        ImageDraw.Draw(one).rectangle((at, 10, at + 12, 22), fill=(230, 20, 20))
        made.append(one)
    return made


def encoded(images: list[Image.Image], suffix: str, **how: object) -> bytes:
    stream = io.BytesIO()
    kind = {"gif": "GIF", "png": "PNG", "webp": "WEBP", "tiff": "TIFF", "mpo": "MPO", "avif": "AVIF"}[suffix]
    images[0].save(stream, kind, save_all=True, append_images=images[1:], **how)
    return stream.getvalue()


HOW: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "gif": ({"duration": 80}, {"duration": 80, "comment": b"again"}),
    "png": ({"duration": 80}, {"duration": 80, "compress_level": 1}),
    "webp": ({"duration": 80, "lossless": True}, {"duration": 80, "lossless": True, "method": 0, "kmax": 0}),
    "tiff": ({"compression": "tiff_lzw"}, {"compression": "tiff_adobe_deflate"}),
    "mpo": ({"quality": 92}, {"quality": 92}),
}
"""How a file of many pictures is written, and how with the same pictures in other bytes."""


@pytest.mark.parametrize("suffix", HOW)
def test_file_of_many_pictures_is_compared_in_all_of_them(library, suffix) -> None:
    first, again = HOW[suffix]

    def write(name: str, images: list[Image.Image], how: dict[str, object]) -> None:
        data = encoded(images, suffix, **how)
        if suffix == "mpo" and how is again:
            data += b"\0" * 64  # what follows the last picture is none
        (library.photos / name).write_bytes(data)

    write(f"a.{suffix}", frames(1), first)
    write(f"a again.{suffix}", frames(1), again)
    write(f"other.{suffix}", frames(2), first)  # the same first picture
    write(f"short.{suffix}", frames(1)[:2], first)
    frames(1)[0].save(library.photos / "first.png")
    for rule in GREEDY:
        rows = found(library, rule)
        assert set(moved(rows)) in ({f"a.{suffix}"}, {f"a again.{suffix}"}), (rule, rows)
        assert set(moved(rows).values()) <= {f"a.{suffix}", f"a again.{suffix}"}
        assert all(row.tier in ("pixels", "bytes") for row in rows.values() if row.move)
        shown = {name for name, row in rows.items() if row.tier == "part"} | {row.keeper for row in rows.values()}
        assert {f"other.{suffix}", f"short.{suffix}", "first.png"} & shown, "what shares a first picture is shown"


@pytest.mark.parametrize("suffix", ["gif", "png", "webp"])
def test_another_pace_of_the_same_frames_is_another_film(library, suffix) -> None:
    how = HOW[suffix][0]
    (library.photos / f"a.{suffix}").write_bytes(encoded(frames(1), suffix, **how))
    (library.photos / f"slow.{suffix}").write_bytes(encoded(frames(1), suffix, **{**how, "duration": 500}))
    assert moved(found(library)) == {}


@pytest.mark.parametrize("suffix", ["gif", "png", "webp"])
def test_an_animation_that_ends_is_another_film(library, suffix) -> None:
    how = HOW[suffix][0]
    (library.photos / f"a.{suffix}").write_bytes(encoded(frames(1), suffix, **how, loop=0))
    (library.photos / f"ends.{suffix}").write_bytes(encoded(frames(1), suffix, **how, loop=2))
    assert moved(found(library)) == {}


def with_gain_map(base: bytes, extra: bytes, name: str) -> bytes:
    items = (("Primary", 0), ("GainMap", len(extra)))
    packet = "".join(f'<Container:Item Item:Semantic="{word}" Item:Length="{size}"/>' for word, size in items)
    content = b"http://ns.adobe.com/xap/1.0/\0" + packet.encode() + name.encode()
    return base[:2] + b"\xff\xe1" + (len(content) + 2).to_bytes(2, "big") + content + base[2:] + extra


def test_photographs_of_other_gain_maps_both_stay(library) -> None:
    picture(1).save(library.photos / "base.jpg", quality=92)
    base = (library.photos / "base.jpg").read_bytes()
    for name, seed in (("a", 1), ("a again", 1), ("other", 2)):
        stream = io.BytesIO()
        picture(seed + 5, (60, 45)).convert("L").save(stream, "JPEG")
        (library.photos / f"{name}.jpg").write_bytes(with_gain_map(base, stream.getvalue(), name))
    rows = moved(found(library))
    assert "other.jpg" not in {*rows, *rows.values()} - {"base.jpg"} or rows.get("base.jpg") == "other.jpg", rows
    assert set(rows) == {"base.jpg", *(set(rows) & {"a.jpg", "a again.jpg"})} and len(rows) == 2, rows


def test_photographs_of_other_words_or_ratings_both_stay(library) -> None:
    """Tag 0x010E is EXIF's description, 0x9C9E the keywords of Windows, 0x4746 the rating."""
    told = {
        "anna": {0x010E: "Anna at the lake"},
        "anna again": {0x010E: "ANNA at the lake"},
        "berta": {0x010E: "Berta at the lake"},
        "more": {0x010E: "Anna at the lake", 0x9C9E: "summer\0".encode("utf-16-le")},
        "two stars": {0x010E: "Anna at the lake", 0x4746: 2},
        "five stars": {0x010E: "Anna at the lake", 0x4746: 5},
    }
    for name, tags in told.items():
        exif = Image.Exif()
        exif.update(tags)
        picture(1).save(library.photos / f"{name}.jpg", exif=exif)
    rows = moved(found(library))
    assert rows and set(rows) <= {"anna.jpg", "anna again.jpg"}, rows


def test_what_is_not_compared_stays(library) -> None:
    """A macOS icon file holds several sizes; only the largest is read."""
    for name, seed in (("a", 2), ("b", 3)):
        smaller = picture(seed, (32, 32))
        picture(1, (256, 256)).save(library.photos / f"{name}.icns", append_images=[smaller])
    picture(1, (256, 256)).save(library.photos / "a.png")
    assert {"a.icns", "b.icns"}.isdisjoint(moved(found(library)))


def test_scans_of_other_printed_sizes_both_stay(library) -> None:
    for density in (300, 600, 72):
        picture(1).save(library.photos / f"{density}.png", dpi=(density, density))
    picture(1).save(library.photos / "none.png")
    assert set(moved(found(library))) == {"72.png", "none.png"}


def test_finer_jpeg_stays_where_a_coarser_one_is_the_larger_file(library) -> None:
    grey = picture(1, (480, 360)).convert("L")
    grey.save(library.photos / "source.jpg", quality=90, optimize=True)
    again = Image.open(library.photos / "source.jpg").convert("RGB")
    again.save(library.photos / "sent.jpg", quality=80, subsampling=0)
    sent = library.photos / "sent.jpg"  # a program may add what makes it larger, such as a comment
    sent.write_bytes(sent.read_bytes()[:2] + b"\xff\xfe\xff\xf2" + b"x" * 65520 + sent.read_bytes()[2:])
    assert "source.jpg" not in moved(found(library))


def test_sixteen_bits_stay_and_keep_their_place(library) -> None:
    levels = np.asarray(picture(1).convert("L"), np.float64)
    rng = np.random.default_rng(1)
    deep = (levels * 257 + rng.integers(-100, 100, levels.shape)).clip(0, 65535).astype(np.uint16)
    Image.fromarray(deep).save(library.photos / "deep.png")
    Image.fromarray((deep >> 8).astype(np.uint8)).save(library.photos / "flat.png")
    Image.fromarray((deep >> 8).astype(np.uint8)).save(library.photos / "flat again.bmp")
    Image.fromarray(deep).save(library.photos / "deep again.tiff")
    for rule in GREEDY:
        rows = found(library, rule)
        assert {"deep.png", "deep again.tiff"} - set(moved(rows)), rule
        for name, keeper in moved(rows).items():
            assert name.startswith("flat") or keeper.startswith("deep"), (rule, name, keeper)


def test_label_masks_that_are_black_to_the_eye_are_told_apart(library) -> None:
    for name, value in (("17", 17), ("42", 42), ("17 again", 17)):
        mask = np.zeros((80, 100), np.uint16)
        mask[20:50, 30:60] = value
        how = {"compress_level": 1} if "again" in name else {}
        Image.fromarray(mask).save(library.photos / f"{name}.png", **how)
        small = np.minimum(mask, 2 if value == 17 else 3).astype(np.uint8)
        Image.fromarray(small).save(library.photos / f"class {name}.png", **how)
    for rule in GREEDY:
        assert {frozenset(pair) for pair in moved(found(library, rule)).items()} == {
            frozenset({"17.png", "17 again.png"}),
            frozenset({"class 17.png", "class 17 again.png"}),
        }


def cut_out() -> Image.Image:
    image = picture(3).convert("RGBA")
    alpha = Image.new("L", image.size, 0)
    ImageDraw.Draw(alpha).ellipse((40, 30, 200, 150), fill=255)
    image.putalpha(alpha)
    return image


def test_cut_out_is_never_moved_for_itself_on_white(library) -> None:
    image = cut_out()
    white = Image.new("RGBA", image.size, "white")
    white.alpha_composite(image)
    image.save(library.photos / "cut.png")
    image.save(library.photos / "cut.webp", lossless=True, exact=True)
    white.save(library.photos / "white with alpha.png", compress_level=0)
    white.convert("RGB").save(library.photos / "white.png", compress_level=0)
    white.convert("RGB").save(library.photos / "white.jpg", quality=97)
    for rule in GREEDY:
        for name, keeper in moved(found(library, rule)).items():
            assert not name.startswith("cut") or keeper.startswith("cut"), (rule, name, keeper)


def test_white_drawings_on_nothing_are_no_empty_page(library) -> None:
    for number in range(3):
        image = Image.new("RGBA", (120, 90), (255, 255, 255, 0))
        if number:
            ImageDraw.Draw(image).rectangle((10 * number, 10, 60, 20 * number + 30), fill=(255, 255, 255, 255))
        image.save(library.photos / f"{number}.png")
    Image.new("RGB", (120, 90), "white").save(library.photos / "page.png")
    assert moved(found(library)) == {}


def test_hidden_colours_of_one_cut_out_do_not_make_two_of_it(library) -> None:
    """Where a picture is wholly transparent its colours are not seen."""
    image = cut_out()
    image.save(library.photos / "a.png")
    samples = np.asarray(image).copy()
    samples[samples[..., 3] == 0] = (9, 9, 9, 0)
    Image.fromarray(samples).save(library.photos / "b.png")
    assert len(found(library)) <= 1


def test_wide_colours_stay(library) -> None:
    image, wide = picture(5), profile()
    image.save(library.photos / "wide.png", icc_profile=wide)
    image.save(library.photos / "same samples.png")  # other colours, by the same numbers
    converted = ImageCms.profileToProfile(
        image, ImageCms.ImageCmsProfile(io.BytesIO(wide)), ImageCms.createProfile("sRGB"), outputMode="RGB"
    )
    converted.save(library.photos / "srgb.jpg", quality=95)
    for rule in GREEDY:
        rows = found(library, rule)
        assert "wide.png" not in moved(rows), (rule, rows)


@pytest.mark.parametrize("write", [thumbnail_first, master_in_sub_directory])
def test_main_picture_behind_its_thumbnail_is_compared(library, write) -> None:
    small, masters = picture(8, (24, 18)), [picture(seed, (96, 72)) for seed in (6, 7)]
    (library.photos / "a.tif").write_bytes(write(small, masters[0]))
    (library.photos / "b.tif").write_bytes(write(small, masters[1]))
    (library.photos / "a again.tif").write_bytes(write(small, masters[0]) + b"\0\0")
    masters[0].save(library.photos / "a.png")
    small.save(library.photos / "small.png")
    for rule in GREEDY:
        rows = moved(found(library, rule))
        assert len(rows) == 2 and {*rows, *rows.values()} == {"a.tif", "a again.tif", "a.png"}


def odd(kind: str) -> Callable[[], Image.Image]:
    samples = np.random.default_rng(9).integers(0, 256, (40, 50), dtype=np.uint8)
    return {
        "1": lambda: Image.fromarray(samples).convert("1"),
        "L": lambda: Image.fromarray(samples),
        "LA": lambda: Image.merge("LA", [Image.fromarray(samples), Image.fromarray(samples.T.copy().reshape(40, 50))]),
        "P": lambda: picture(9, (50, 40)).quantize(16),
        "RGBA": lambda: Image.new("RGBA", (50, 40), (9, 9, 9, 0)),
        "dot": lambda: Image.new("RGB", (1, 1), "red"),
        "line": lambda: Image.fromarray(np.random.default_rng(4).integers(0, 256, (1, 300, 3), dtype=np.uint8)),
        "pole": lambda: Image.fromarray(np.random.default_rng(5).integers(0, 256, (300, 2, 3), dtype=np.uint8)),
    }[kind]


@pytest.mark.parametrize("kind", ["1", "L", "LA", "P", "RGBA", "dot", "line", "pole"])
def test_odd_pictures_are_copies_of_themselves_alone(library, kind) -> None:
    image = odd(kind)()
    image.save(library.photos / "a.png")
    image.save(library.photos / "b.png", compress_level=0)
    if kind == "dot":
        Image.new("RGB", (1, 1), "blue").save(library.photos / "other.png")
    rows = found(library)
    assert set(moved(rows)) in ({"a.png"}, {"b.png"}), rows
    assert {row.tier for row in rows.values()} == {"pixels"}
