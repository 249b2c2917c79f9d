"""Files that hold more than one image and share the first."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from imgsearch.scenes.not_copies.album import QUICK_HEIC, Draw, MadeAlbum, encoded


def film(frames: Sequence[Image.Image], suffix: str, **how: Any) -> bytes:
    """All frames or pages in one file."""
    stream = io.BytesIO()
    kind = {".apng": "PNG", ".mpo": "MPO"}.get(suffix) or Image.registered_extensions()[suffix]
    frames[0].save(stream, kind, save_all=True, append_images=list(frames[1:]), **how)
    return stream.getvalue()


def _frames(album: MadeAlbum, count: int, first: Image.Image, size: int = 6) -> list[Image.Image]:
    """``first``, then frames in which squares move over it; plain colours, so that a GIF holds them exactly."""
    rng, frames = album.rng, [first]
    colour = tuple(rng.randrange(0, 256, 51) for _ in range(3))
    x, y = rng.randrange(first.width // 2), rng.randrange(first.height // 2)
    step = rng.randint(4, 12)
    for number in range(1, count):
        frame = first.copy()
        at = (x + number * step, y + number * step // 2)
        ImageDraw.Draw(frame).rectangle((*at, at[0] + 10 * size, at[1] + 8 * size), fill=colour)
        frames.append(frame)
    return frames


def _plain_picture(album: MadeAlbum, width: int = 240, height: int = 180) -> Image.Image:
    """A few plain shapes in colours of the web palette."""
    rng = album.rng

    def colour() -> tuple[int, ...]:
        return tuple(rng.randrange(0, 256, 51) for _ in range(3))

    image = Image.new("RGB", (width, height), colour())
    pen = ImageDraw.Draw(image)
    for _ in range(9):
        x, y, side = rng.randrange(width), rng.randrange(height), rng.randint(15, 70)
        shape = rng.choice((pen.rectangle, pen.ellipse))
        shape((x, y, x + side, y + side), fill=colour())
    return image


def _animations(album: MadeAlbum, suffix: str, still: str, **how: Any) -> None:
    """Films of one first frame: other frames behind it, other timing, fewer frames, and the frame alone."""
    first = _plain_picture(album)
    one, two = _frames(album, 6, first), _frames(album, 6, first)
    pace = {"duration": 120}
    paths = [
        album.original(f"waves{suffix}", film(one, suffix, **pace, **how)),
        album.original(f"waves 2{suffix}", film(two, suffix, **pace, **how)),
        album.original(f"waves short{suffix}", film(one[:3], suffix, **pace, **how)),
        album.original(f"waves slow{suffix}", film(one, suffix, duration=700, **how)),
        album.original(f"waves last other{suffix}", film([*one[:-1], two[-1]], suffix, **pace, **how)),
    ]
    for path in paths[::2]:
        album.twin(path)
    album.show(f"waves{still}", first, ("bytes",))


def _gifs(album: MadeAlbum) -> None:
    _animations(album, ".gif", ".png", loop=0, disposal=1)


def _apngs(album: MadeAlbum) -> None:
    """Beside them, one film as an animated WebP of the same frames: a true copy."""
    _animations(album, ".png", ".bmp")
    frames = _frames(album, 4, _plain_picture(album))
    path = album.original("steps.png", film(frames, ".png", duration=150))
    album.copy(path, "converted/steps.webp", film(frames, ".webp", lossless=True, duration=150), whole=True)


def _webps(album: MadeAlbum) -> None:
    _animations(album, ".webp", ".png", lossless=True)


def _avifs(album: MadeAlbum) -> None:
    """Films in AVIF if Pillow can write it; else nothing."""
    if "AVIF" in Image.SAVE_ALL:
        _animations(album, ".avif", ".png", quality=95, speed=9)


def _heics(album: MadeAlbum) -> None:
    """HEIC files of several images with the same first one; when they are sent on, only the first remains."""
    import pillow_heif

    pictures = [album.pictures.take(320, 240) for _ in range(4)]

    def heic(chosen: Sequence[Image.Image]) -> bytes:
        file, stream = pillow_heif.HeifFile(), io.BytesIO()
        for image in chosen:
            file.add_from_pillow(image)
        file.save(stream, quality=90, enc_params=QUICK_HEIC)
        return stream.getvalue()

    first, second, third, fourth = pictures
    for name, chosen in {"a": [first, second], "b": [first, third], "c": [first, second, fourth]}.items():
        album.twin(album.original(f"collection {name}.heic", heic(chosen)))
    album.original("first.heic", heic([first]))


def pages(album: MadeAlbum, count: int, size: tuple[int, int] = (620, 877)) -> Iterator[Image.Image]:
    """Scanned pages of words, grey."""
    rng, font = album.rng, ImageFont.load_default(17)
    for _ in range(count):
        page = Image.new("L", size, 250)
        pen = ImageDraw.Draw(page)
        for line in range(28):
            words = " ".join("".join(rng.choice("etaoinshrdlu") for _ in range(rng.randint(2, 9))) for _ in range(9))
            pen.text((50, 60 + line * 27), words[:52], fill=30, font=font)
        yield page


def _scans(album: MadeAlbum) -> None:
    """Documents of several pages under one cover; a document's pages in another order are another document."""
    cover, *rest = pages(album, 8)
    documents = {
        "contract": [cover, *rest[:4]],
        "contract-2024": [cover, *rest[3:7]],
        "contract-p3": [cover, *rest[:2]],
        "contract-sorted": [cover, rest[1], rest[0], *rest[2:4]],
        "contract-last": [cover, *rest[:3], rest[6]],
    }
    for name, chosen in documents.items():
        path = album.original(f"{name}.tif", film(chosen, ".tif", compression="tiff_lzw"))
        other = film(chosen, ".tif", compression="tiff_adobe_deflate")
        album.copy(path, f"archive/{name}.tif", other, whole=True)
    album.show("contract-cover.png", cover, ("bytes", "jpeg"))


def _stereos(album: MadeAlbum) -> None:
    """MPO: two images a file, the first always the same."""
    left, right, other = (album.pictures.take(400, 300) for _ in range(3))
    for name, chosen in {"DSCF0001": [left, right], "DSCF0002": [left, other]}.items():
        album.twin(album.original(f"{name}.mpo", film(chosen, ".mpo", quality=92)))
    album.original("DSCF0003.jpg", encoded(left, ".jpg"))


def _icons(album: MadeAlbum) -> None:
    """ICO: one large image, other small ones."""
    rng = album.rng
    large = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    ImageDraw.Draw(large).ellipse((4, 4, 60, 60), fill=(rng.randrange(256), rng.randrange(256), 90, 255))
    for number in range(3):
        small = Image.new("RGBA", (32, 32), (60 * number, 200 - 80 * number, 255, 255))
        tiny = Image.new("RGBA", (16, 16), (255, 90 * number, 30, 255))
        sizes = [(64, 64), (32, 32), (16, 16)][: 3 if number else 2]
        data = encoded(large, ".ico", sizes=sizes, append_images=[small, tiny])
        album.twin(album.original(f"app-{number}.ico", data))
    album.original("app.png", encoded(large, ".png"))


FAMILIES: dict[str, Draw] = {
    "animated-gif": _gifs,
    "animated-png": _apngs,
    "animated-webp": _webps,
    "animated-avif": _avifs,
    "heic-collections": _heics,
    "tiff-pages": _scans,
    "mpo": _stereos,
    "ico": _icons,
}
"""Family -> the function that writes one set of it."""
