"""A folder with one copy in it: what is quick to look through."""

from __future__ import annotations

from pathlib import Path


def write_twice(folder: Path, picture: Path) -> Path:
    """``picture`` twice in a new folder, as a.png and b.png."""
    folder.mkdir(parents=True)
    for name in ("a.png", "b.png"):
        (folder / name).write_bytes(picture.read_bytes())
    return folder
