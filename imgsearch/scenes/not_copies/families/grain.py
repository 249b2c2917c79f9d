"""Frames of a fixed camera that differ by the noise of its sensor alone, without notes of any kind."""

from __future__ import annotations

from imgsearch.scenes.not_copies.album import Draw, MadeAlbum
from imgsearch.scenes.not_copies.families.camera import noisy

_WAYS = (("half",), ("jpeg",), ("jpeg", "half"))


def _frames(album: MadeAlbum) -> None:
    """Three frames of one scene; copies of each are copies of no other."""
    still, sigma = album.pictures.take(), (3.0, 6.0, 2.0)[album.number % 3]
    for at, ways in enumerate(_WAYS):
        album.show(f"frame {at}.jpg", noisy(still, album.rng, sigma), ways=ways, quality=95 - at)


FAMILIES: dict[str, Draw] = {"tripod-grain": _frames}
"""Family -> the function that writes one set of it."""
