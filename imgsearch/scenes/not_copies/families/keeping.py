"""A source and copies that look better by a count of pixels, bytes or notes. The source is never moved."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from imgsearch.scenes.not_copies.album import Draw, MadeAlbum, encoded
from imgsearch.scenes.not_copies.exif import ORIENTATION, profile, shot
from imgsearch.scenes.not_copies.families.camera import noisy


def _photo(album: MadeAlbum) -> Image.Image:
    return noisy(album.pictures.take(coloured=True), album.rng, 1.5)


def _upscaled(album: MadeAlbum) -> None:
    """Twice as wide, larger in bytes, with the date (even sets) or as a PNG."""
    image = _photo(album)
    path = album.original("harbour.jpg", encoded(image, ".jpg", quality=90))
    for name, factor, how in (("x2", 2.0, Image.Resampling.BICUBIC), ("x15", 1.5, Image.Resampling.LANCZOS)):
        large = image.resize((round(640 * factor), round(480 * factor)), how)
        told = {"exif": shot(9)} if album.number % 2 == 0 else {}
        album.copy(path, f"enhanced/harbour-{name}.jpg", encoded(large, ".jpg", quality=97, **told))
    nearest = image.resize((1280, 960), Image.Resampling.NEAREST)
    album.copy(path, "enhanced/harbour-x2.png", encoded(nearest, ".png"))


def _smoothed(album: MadeAlbum) -> None:
    """Without its noise, at a quality that makes it larger."""
    image = _photo(album)
    path = album.original("street.jpg", encoded(image, ".jpg", quality=85))
    for at, smooth in enumerate((ImageFilter.GaussianBlur(1.2), ImageFilter.MedianFilter(5))):
        album.copy(path, f"denoised/street-{at}.jpg", encoded(image.filter(smooth), ".jpg", quality=100))


def _sharpened(album: MadeAlbum) -> None:
    """Sharpened: larger in bytes, and with more edges."""
    image = _photo(album)
    path = album.original("garden.jpg", encoded(image, ".jpg", quality=90))
    for percent in (80, 150):
        sharp = image.filter(ImageFilter.UnsharpMask(2, percent, 2))
        album.copy(path, f"sharp/garden-{percent}.jpg", encoded(sharp, ".jpg", quality=95))


def _saved_again(album: MadeAlbum) -> None:
    """Saved again at a higher quality: larger, no better; smaller, worse."""
    path = album.original("ferry.jpg", encoded(_photo(album), ".jpg", quality=75))
    with Image.open(io.BytesIO(album.read(path))) as shown:
        for quality in (97, 88, 60):
            album.copy(path, f"saved/ferry-{quality}.jpg", encoded(shown, ".jpg", quality=quality))


def _turned(album: MadeAlbum) -> None:
    """Mirrored and turned with time, camera and place, while the upright files say nothing."""
    image = _photo(album)
    path = album.original("bridge.jpg", encoded(image, ".jpg", quality=90))
    album.twin(path)
    album.copy(path, "sent/bridge.jpg", encoded(image, ".jpg", quality=80))
    notes = {"exif": shot(12, place=(52.5, 13.4)), "quality": 95}
    album.copy(path, "selfie/bridge mirrored.jpg", encoded(ImageOps.mirror(image), ".jpg", **notes))
    turned = image.transpose(Image.Transpose.ROTATE_180)
    album.copy(path, "selfie/bridge turned.jpg", encoded(turned, ".jpg", **notes))
    quarter = image.transpose(Image.Transpose.ROTATE_90)
    album.copy(path, "selfie/bridge quarter.jpg", encoded(quarter, ".jpg", **notes))


def _without_notes(album: MadeAlbum) -> None:
    """Larger in bytes and without loss, but without time, camera and place."""
    image = _photo(album)
    data = encoded(image, ".jpg", quality=88, exif=shot(20, place=(47.4, 8.5)))
    path = album.original("lake.jpg", data)
    album.copy(path, "sent/lake.jpg", encoded(image, ".jpg", quality=98))
    album.copy(path, "sent/lake.png", encoded(image, ".png"))
    album.copy(path, "sent/lake.bmp", encoded(image, ".bmp"))


def _less_deep(album: MadeAlbum) -> None:
    """A 16-bit scan, and copies of 8 bits that are as large or larger, with notes that the scan lacks."""
    grey = np.asarray(_photo(album).convert("L"), np.float32) * 257
    grain = np.random.default_rng(album.rng.getrandbits(32)).normal(0, 90, grey.shape)
    deep = (grey + grain).clip(0, 65535).astype(np.uint16)
    path = album.original("scan.tif", encoded(Image.fromarray(deep), ".tif", compression="tiff_adobe_deflate"))
    album.twin(path)
    eight = Image.fromarray((deep >> 8).astype(np.uint8))
    large = eight.resize((1280, 960), Image.Resampling.BICUBIC)
    album.copy(path, "web/scan.tif", encoded(eight.convert("RGB"), ".tif"))
    album.copy(path, "web/scan large.png", encoded(large, ".png"))
    album.copy(path, "web/scan.jpg", encoded(eight, ".jpg", quality=98, exif=shot(3)))


def _flattened(album: MadeAlbum) -> None:
    """A cut-out with transparency, and itself on white: larger, with notes, in a container without loss."""
    image = _photo(album)
    cover = Image.new("L", image.size, 0)
    cover.paste(255, (90, 60, 540, 430))
    cut = image.copy()
    cut.putalpha(cover.filter(ImageFilter.GaussianBlur(4)))
    path = album.original("chair.png", encoded(cut, ".png"))
    album.twin(path)
    flat = Image.new("RGB", cut.size, (255, 255, 255))
    flat.paste(cut, (0, 0), cut)
    album.copy(path, "shop/chair.bmp", encoded(flat, ".bmp"))
    album.copy(path, "shop/chair.jpg", encoded(flat, ".jpg", quality=97, exif=shot(4)))
    album.copy(path, "shop/chair large.png", encoded(flat.resize((960, 720), Image.Resampling.BICUBIC), ".png"))


def _without_profile(album: MadeAlbum) -> None:
    """In Display P3 with its profile, and without: larger, or with notes."""
    image = _photo(album)
    path = album.original("flower.jpg", encoded(image, ".jpg", icc_profile=profile()))
    album.copy(path, "web/flower.jpg", encoded(image, ".jpg", quality=99))
    album.copy(path, "web/flower.png", encoded(image, ".png"))


def _grey(album: MadeAlbum) -> None:
    """In colour, and grey: larger, with notes."""
    image = _photo(album)
    path = album.original("market.jpg", encoded(image, ".jpg", quality=85))
    album.copy(path, "bw/market.jpg", encoded(image.convert("L"), ".jpg", quality=100, exif=shot(7)))
    album.copy(path, "bw/market.png", encoded(image.convert("L"), ".png"))
    album.copy(path, "bw/market.gif", encoded(image.quantize(64), ".gif"))


def _orientation(album: MadeAlbum) -> None:
    """The same samples with an EXIF orientation that shows them upright, and stored upright: either may be moved. A
    file that lost its orientation lies on its side and is moved."""
    image = _photo(album)
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    stored = image.transpose(Image.Transpose.ROTATE_90)
    path = album.original("tower.png", encoded(stored, ".png", exif=exif))
    album.copy(path, "fixed/tower.png", encoded(image, ".png"), whole=True)
    album.copy(path, "lost/tower.png", encoded(stored, ".png"))


FAMILIES: dict[str, Draw] = {
    "keep-upscaled": _upscaled,
    "keep-smoothed": _smoothed,
    "keep-sharpened": _sharpened,
    "keep-saved-again": _saved_again,
    "keep-turned": _turned,
    "keep-notes": _without_notes,
    "keep-depth": _less_deep,
    "keep-transparency": _flattened,
    "keep-profile": _without_profile,
    "keep-colour": _grey,
    "keep-upright": _orientation,
}
"""Family -> the function that writes one set of it."""
