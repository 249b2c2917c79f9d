"""Folders that belong to a program, with true copies of outside files in them: nothing inside is ever moved."""

from __future__ import annotations

from imgsearch.scenes.not_copies.album import Draw, MadeAlbum, encoded
from imgsearch.scenes.not_copies.families.camera import noisy

FOLDERS = (
    "Photos Library.photoslibrary/originals/A",
    "Aperture.aplibrary/Masters/2012",
    "Old.migratedphotolibrary/Masters",
    "Catalog Previews.lrdata/1/1F",
    "Catalog.lrlibrary/x",
    "Catalog.lrcat-data/y",
    "Session.cocatalog/Cache/Thumbnails",
    "Shoot.cosessiondb/Cache",
    "CaptureOne/Cache/Thumbnails",
    ".thumbnails/large",
    ".@__thumb",
    "@eaDir/IMG_1.jpg",
    "#recycle",
    "@Recycle",
    "@Recently-Snapshot/day",
    "#snapshot/hourly",
    "$RECYCLE.BIN/S-1-5-21",
    "$Recycle.Bin",
    "RECYCLER/S-1",
    ".Trash-1000/files",
    ".photostructure/previews",
)
"""Kinds of program folders; written in the case that the programs use, or another."""


def _program_folders(album: MadeAlbum) -> None:
    """An image outside and its twin, and the same bytes in a third of the folders."""
    image = noisy(album.pictures.take(480, 360), album.rng, 2)
    path = album.original("IMG_1.jpg", encoded(image, ".jpg"))
    album.twin(path)
    for at, folder in enumerate(FOLDERS):
        if at % 3 == album.number % 3:
            album.held(path, f"{folder}/IMG_1.jpg", album.read(path))


def _program_folders_only(album: MadeAlbum) -> None:
    """Copies inside several folders, none outside; other cases of the names."""
    data, source = encoded(noisy(album.pictures.take(480, 360), album.rng, 2), ".jpg"), ""
    for at, folder in enumerate(FOLDERS):
        if at % 3 == (album.number + 1) % 3:
            shown = folder.swapcase() if at % 2 else folder
            if source:
                album.held(source, f"{shown}/a.jpg", data)
            else:
                source = album.original(f"{shown}/a.jpg", data)
            album.held(source, f"{shown}/b.jpg", data)


FAMILIES: dict[str, Draw] = {"program-folders": _program_folders, "program-folders-only": _program_folders_only}
"""Family -> the function that writes one set of it."""
