"""Images whose difference disappears once they are put on white at 8 bits in sRGB."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw

from imgsearch.scenes.not_copies.album import QUICK_HEIC, Draw, MadeAlbum, encoded
from imgsearch.scenes.not_copies.exif import P3, profile


def _white_drawings(album: MadeAlbum) -> None:
    """White on nothing: four drawings, an empty page, a page of nothing."""
    rng, size = album.rng, (320, 240)
    for number in range(4):
        sheet = Image.new("RGBA", size, (255, 255, 255, 0))
        pen = ImageDraw.Draw(sheet)
        points = [(rng.randrange(320), rng.randrange(240)) for _ in range(9)]
        pen.line(points, fill=(255, 255, 255, 255), width=6)
        album.show(f"white-logo-{number}.png", sheet, ("bytes",) if number % 2 else ("container",))
    if album.number:  # empty pages of two sets would be copies of each other
        return
    album.show("empty.png", Image.new("RGB", size, "white"), ("bytes", "half"))
    album.show("nothing.png", Image.new("RGBA", size, (255, 255, 255, 0)), ("bytes",))


def _faint(album: MadeAlbum) -> None:
    """One colour, other transparency: shadows, glass, watermarks that differ only where they are see-through."""
    y, x = np.mgrid[0:240, 0:320]
    for number in range(3):
        cx, cy, r = album.rng.randrange(80, 240), album.rng.randrange(60, 180), album.rng.randrange(30, 70)
        alpha = np.where((x - cx) ** 2 + (y - cy) ** 2 < r * r, 200, 40).astype(np.uint8)
        pixels = np.full((240, 320, 4), 252, np.uint8)
        pixels[..., 3] = alpha
        album.show(f"glass-{number}.png", Image.fromarray(pixels), ("bytes", "container"))


def _labels(album: MadeAlbum, values: tuple[int, ...], kind: type[np.generic], suffix: str) -> None:
    y, x = np.mgrid[0:240, 0:320]
    for number in range(3):
        mask = np.zeros((240, 320), kind)
        for value in values:
            cx, cy, r = album.rng.randrange(60, 260), album.rng.randrange(60, 180), album.rng.randrange(25, 60)
            mask[(x - cx) ** 2 + (y - cy) ** 2 < r * r] = value
        way = "container" if kind is np.uint16 and number % 2 else "bytes"
        album.show(f"label-{number:03d}{suffix}", Image.fromarray(mask), (way,))


def _label_masks(album: MadeAlbum) -> None:
    """Instance masks at 16 bits, values 17 and 42 of 65,535: black at 8 bits."""
    _labels(album, (17, 42), np.uint16, ".png")
    if not album.number:  # black pages of two sets would be copies of each other
        album.show("all-black.png", Image.new("L", (320, 240)), ("bytes",))


def _class_masks(album: MadeAlbum) -> None:
    """Class masks at 8 bits, values 1 to 4 of 255, and one thing of another class at the same place."""
    _labels(album, (1, 2, 4), np.uint8, ".png")
    x, y = album.rng.randrange(20, 150), album.rng.randrange(20, 100)
    for value in (7, 8):
        mask = np.zeros((240, 320), np.uint8)
        mask[y : y + 110, x : x + 130] = value
        album.show(f"class-{value}.png", Image.fromarray(mask), ("bytes", "container"))


def _float_maps(album: MadeAlbum) -> None:
    """Floating point and 32-bit maps (distances, disparities) that a viewer shows white or black."""
    y, x = np.mgrid[0:200, 0:300].astype(np.float32)
    for number in range(3):
        angle = album.rng.uniform(0, 6)
        far = (1000 + 400 * np.sin(x / 40 + angle) * np.cos(y / 30 - angle * number)).astype(np.float32)
        album.show(f"distance-{number}.tif", Image.fromarray(far), ("bytes",))
    for number in range(2):
        near = (0.2 + 0.1 * np.sin(x / 25 + number * 2 + album.rng.random())).astype(np.float32)
        album.show(f"disparity-{number}.tif", Image.fromarray(near), ("bytes",))


def _low_bits(album: MadeAlbum) -> None:
    """Height maps that agree in their upper 8 bits and differ in their lower ones."""
    y, x = np.mgrid[0:240, 0:320]
    base = (np.hypot(x - 160, y - 120) / 200 * 250).astype(np.uint16) << 8
    for number in range(3):
        wave = (np.sin(x / (9 + 5 * number) + album.rng.random()) * np.cos(y / 13) * 100 + 120).astype(np.uint16)
        album.show(f"height-{number}.png", Image.fromarray(base | wave), ("bytes",) if number else ("container",))


def _one_bit(album: MadeAlbum) -> None:
    """Cut-out masks of 1 bit; one part is elsewhere or is not there."""
    places = [(album.rng.randrange(10, 280), album.rng.randrange(10, 210)) for _ in range(5)]
    left, top = album.rng.randrange(20, 180), album.rng.randrange(20, 110)
    for number in range(4):
        mask = Image.new("1", (320, 240), 0)
        pen = ImageDraw.Draw(mask)
        pen.ellipse((left, top, left + 130, top + 110), fill=1)
        x, y = places[number]
        if number < 3:
            pen.rectangle((x, y, x + 14, y + 14), fill=1 if mask.getpixel((x + 7, y + 7)) == 0 else 0)
        album.show(f"mask-{number}.png", mask, ("bytes",) if number % 2 else ("container",))


def _indexed(album: MadeAlbum) -> None:
    """Palette masks of one shape whose class differs, and indices of which the palette shows two alike."""
    x, y = album.rng.randrange(10, 110), album.rng.randrange(10, 70)
    for number in range(4):
        mask = np.zeros((240, 320), np.uint8)
        mask[y : y + 160, x : x + 190] = number + 1
        mask[y + 50 : y + 110, x + 60 : x + 130] = number + 2
        image = Image.fromarray(mask, "L").convert("P")
        image.putdata(mask.ravel().tolist())
        voc = [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0, 0, 0, 128, 128, 0, 128]
        image.putpalette(voc if album.number % 2 == 0 else [value for at in range(6) for value in (at, at, at)])
        album.show(f"segmentation-{number}.png", image, ("bytes",))


def _profiles(album: MadeAlbum) -> None:
    """The same numbers in other colour spaces: a stripped profile is a loss, red and blue exchanged another
    image."""
    image = album.pictures.take(coloured=True)
    path = album.original("tagged.png", encoded(image, ".png", icc_profile=profile()))
    album.copy(path, "sent/stripped.png", encoded(image, ".png"))
    album.twin(path)
    exchanged = profile((P3[2], P3[1], P3[0]))
    album.twin(album.original("other-space.png", encoded(image, ".png", icc_profile=exchanged)))
    turned = profile((P3[1], P3[2], P3[0]))
    album.original("third-space.png", encoded(image, ".png", icc_profile=turned))


def _inks(album: MadeAlbum) -> None:
    """CMYK separations: files whose plates exchange the inks, and a spot of black that only one plate has."""
    image = album.pictures.take(480, 360, coloured=True)
    cmyk = image.convert("CMYK")
    bands = cmyk.split()
    album.show("print.tif", cmyk, ("bytes", "jpeg"))
    album.show("print-swapped.tif", Image.merge("CMYK", (bands[1], bands[2], bands[0], bands[3])), ("bytes",))
    marked = bands[3].copy()
    ImageDraw.Draw(marked).text((20, 20), "PROOF", fill=230)
    album.show("print-proof.tif", Image.merge("CMYK", (*bands[:3], marked)), ("bytes",))


def _deep_heic(album: MadeAlbum) -> None:
    """A 10-bit HEIC, kept, beside an 8-bit copy that is larger in bytes."""
    import pillow_heif

    image = album.pictures.take(400, 300)
    grain = np.random.default_rng(album.rng.getrandbits(32)).normal(0, 150, (300, 400, 3))
    deep = (np.asarray(image, np.float32) * 257 + grain).clip(0, 65535).astype(np.uint16)
    stream = io.BytesIO()
    pillow_heif.encode("RGB;16", (400, 300), deep.tobytes(), stream, quality=92, enc_params=QUICK_HEIC)
    path = album.original("IMG_0042.heic", stream.getvalue())
    album.twin(path)
    album.copy(path, "sent/IMG_0042.jpg", encoded(image, ".jpg", quality=98))
    album.copy(path, "sent/IMG_0042.png", encoded(image, ".png"))


FAMILIES: dict[str, Draw] = {
    "white-drawings": _white_drawings,
    "see-through": _faint,
    "label-masks-16-bit": _label_masks,
    "class-masks": _class_masks,
    "float-maps": _float_maps,
    "height-maps": _low_bits,
    "one-bit-masks": _one_bit,
    "palette-masks": _indexed,
    "profiles": _profiles,
    "cmyk-plates": _inks,
    "heic-10-bit": _deep_heic,
}
"""Family -> the function that writes one set of it."""
