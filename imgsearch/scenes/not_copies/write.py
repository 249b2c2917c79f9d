"""Writes all families to a folder, with the truth of every file."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from imgsearch.errors import StorageFull, UsageError
from imgsearch.scenes.not_copies.album import Draw, ImageSupply, MadeAlbum, NotCopy
from imgsearch.scenes.not_copies.families import (
    boards,
    containers,
    directories,
    drawings,
    flattening,
    forms,
    grain,
    keeping,
    programs,
    shots,
    stacks,
    textures,
)

FAMILIES: dict[str, Draw] = {
    name: draw
    for part in (
        containers,
        flattening,
        drawings,
        directories,
        shots,
        forms,
        boards,
        textures,
        stacks,
        keeping,
        programs,
        grain,
    )
    for name, draw in part.FAMILIES.items()
}
"""Family -> the function that writes one set of it, in the order of writing."""


def write_not_copies(
    folder: Path,
    seed: int,
    photographs: Sequence[Path] = (),
    sets: int = 3,
    *,
    families: Collection[str] = (),
    small: bool = False,
) -> list[NotCopy]:
    """Write ``sets`` of every family (or of the named ones) below ``folder``/family/set.

    The files of a set look alike and are not copies of each other; true copies of them stand beside them. Images are
    taken from ``photographs`` as long as these last, each once, else drawn. The same arguments write the same files.
    ``small``: images of more than 600 pixels at half their size, and fewer copies, for a test that has little time.
    Returns a row for every file that is an image. Raises UsageError if ``folder`` is not empty, a family is
    unknown or a photograph cannot be read, StorageFull if the folder cannot be written. About 0.1 s a file."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} exists and is not an empty folder", "name a new folder")
    if unknown := sorted(set(families) - set(FAMILIES)):
        raise UsageError(f"there is no family {unknown[0]!r}", f"the families are {', '.join(FAMILIES)}")
    pictures = ImageSupply(photographs, seed)
    rows: list[NotCopy] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(sets):
            for family in [name for name in FAMILIES if not families or name in families]:
                album = MadeAlbum(folder, family, number, seed, pictures, small=small)
                FAMILIES[family](album)
                rows += album.rows
    except OSError as exc:
        raise StorageFull(f"{folder} cannot be written: {exc}", "choose another folder or free space") from exc
    return rows
