"""Files whose main image is not the first: two masters behind one thumbnail."""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image

from imgsearch.scenes.not_copies.album import Draw, MadeAlbum, encoded
from imgsearch.scenes.not_copies.tiff import master_in_sub_directory, thumbnail_first


def _behind(album: MadeAlbum, write: Callable[[Image.Image, Image.Image], bytes]) -> None:
    masters = [album.pictures.take(480, 360) for _ in range(3)]
    thumbnail = masters[0].resize((160, 120))
    for number, master in enumerate(masters):
        path = album.original(f"film-{number}.tif", write(thumbnail, master))
        if number == 0:
            album.twin(path)
            album.copy(path, "sent/thumbnail.png", encoded(thumbnail, ".png"))
        else:
            album.copy(path, f"sent/film-{number}.jpg", encoded(master, ".jpg", quality=85))


def _thumbnails_first(album: MadeAlbum) -> None:
    """Three masters behind one thumbnail, and that thumbnail alone, a copy of the first's."""
    _behind(album, thumbnail_first)


def _sub_directories(album: MadeAlbum) -> None:
    """The same with the master in a sub-directory (SubIFD)."""
    _behind(album, master_in_sub_directory)


FAMILIES: dict[str, Draw] = {"tiff-thumbnail-first": _thumbnails_first, "tiff-sub-directory": _sub_directories}
"""Family -> the function that writes one set of it."""
