"""A library of drawn scenes for a benchmark: drawn into files, indexed by `imgsearch index`, opened like any other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from imgsearch.cli.main import main as imgsearch
from imgsearch.scenes.draw import draw_scene
from imgsearch.scenes.graph import Scene
from imgsearch.search.engine import Searcher
from imgsearch.settings import Settings, load_settings


def draw_library(scenes: Sequence[Scene], folder: Path, model: str) -> Settings:
    """Draw and index ``scenes`` below ``folder``, with the ViT features kept; -> settings that open the library."""
    pictures, library = folder / "pictures", folder / "library"
    pictures.mkdir()
    for number, scene in enumerate(scenes):
        draw_scene(scene)[0].save(pictures / f"{number:06d}.png")
    index = ["index", str(pictures), "--library", str(library), "--model", model, "--features", "all", "--quiet"]
    if imgsearch(index):
        raise SystemExit("indexing failed")
    return load_settings({"library": library, "model": model})


def scene_numbers(searcher: Searcher, count: int) -> dict[int, int]:
    """Image id -> which of the ``count`` scenes it shows."""
    return {key: int(path.stem) for key, path in searcher.store.paths(range(1, count + 1)).items()}
