"""The demo of a first run: scenes that the program draws itself, and a library of them, in a folder of their own."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from imgsearch.errors import StorageFull, UsageError
from imgsearch.progress import StageProgress

COUNT, SEED = 120, 2026
"""Scenes: 0.1 s each to draw on one busy core, and two screens of them."""

_AT_ONCE = 12


def demo_folders(library: Path) -> tuple[Path, Path]:
    """Where the demo of a server for ``library`` has its library and its pictures: a folder beside the library, laid
    out as `imgsearch demo` does."""
    home = library.absolute().parent / "imgsearch-demo"
    return home / "library", home / "pictures"


def draw_demo(folder: Path, told: StageProgress, count: int = COUNT) -> Path:
    """Draw the scenes, unless they are there; the folder of the pictures. They are drawn beside ``folder`` and moved
    there when they are whole. Raises StorageFull, UsageError where something else lies there."""
    from imgsearch.scenes.dataset import make_set
    from imgsearch.scenes.draw import DEFAULT_SIZE, draw_scene

    if (folder / "images").is_dir():
        return folder / "images"
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} holds something other than the demo", "move it away")
    part = folder.with_name(f".{folder.name}-{os.getpid()}")
    try:
        (part / "images").mkdir(parents=True)
        rows = make_set(count, SEED, twins=True)
        for number, row in enumerate(rows):
            if number % _AT_ONCE == 0:
                told("drawing", number, count)
            draw_scene(row.scene, DEFAULT_SIZE)[0].save(part / "images" / f"{number:06d}.png")
        part.rename(folder)
    except OSError as exc:
        raise StorageFull(f"{folder} cannot be written: {exc.strerror}", "free space, or make it writable") from exc
    finally:
        shutil.rmtree(part, ignore_errors=True)
    told("drawing", count, count)
    return folder / "images"
