"""The recipe of the shipped model, from nothing to a checkpoint directory; each stage is kept and not done twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch

from imgsearch.model import load_model
from imgsearch.model.tokenizer import TextTokenizer
from imgsearch.tuning.build import Sizes, new_model, new_tokenizer, save_checkpoint_directory
from imgsearch.tuning.corpus import draw_corpus, join, read_moved, read_scenes, read_sheets
from imgsearch.tuning.loop import LoopSettings, Trainer
from imgsearch.tuning.naming import NamingSettings, train_naming
from imgsearch.tuning.pairs import ScenePairs


@dataclass(frozen=True, slots=True)
class Recipe:
    """Chunks are of 1,000 scenes, of 500 moved scenes and of 500 sheets."""

    sizes: Sizes = field(default_factory=Sizes)
    scene_chunks: int = 40
    moved_chunks: int = 20
    sheet_chunks: int = 30
    naming_scene_chunks: int = 20  # of the scenes, how many the naming stage sees
    naming: NamingSettings = field(default_factory=NamingSettings)
    loop: LoopSettings = field(default_factory=lambda: LoopSettings(steps=2200, batch_size=80, matching_pairs=48))
    picture_seed: int = 7
    weight_seed: int = 0


def train_mini(
    recipe: Recipe, folder: Path, *, device: str, workers: int, log: Callable[[str], None], start: str | None = None
) -> Path:
    """Draw the pictures, teach the ViT to name patches, train ITC + ITM, write ``folder``/model; returns that path.
    With ``start``, a checkpoint of the recipe's sizes such as "mini", its ViT is kept and ITC + ITM go on from it.

    Takes up an interrupted run. The same recipe gives the same pictures and batches; weights agree to rounding on the
    same kind of device and number of threads."""
    side = recipe.sizes.image_size
    chunks = {"scenes": recipe.scene_chunks, "moved": recipe.moved_chunks, "sheets": recipe.sheet_chunks}
    for content, count in chunks.items():
        draw_corpus(folder / content, content, seed=recipe.picture_seed, chunks=count, image_size=side, workers=workers)
    moved = read_moved(folder / "moved", recipe.moved_chunks)
    corpus = join(read_scenes(folder / "scenes", recipe.scene_chunks), moved)
    model = new_model(recipe.sizes, recipe.weight_seed).to(torch.device(device))
    named = folder / "named.pt"
    if start is not None:
        weights = load_model(start, device="cpu", dtype="float32").network.state_dict()
        model.load_state_dict(weights)
    elif named.exists():
        model.load_state_dict(torch.load(named, map_location=device, weights_only=True))
    else:
        sheets = read_sheets(folder / "sheets", recipe.sheet_chunks)
        scenes = join(read_scenes(folder / "scenes", recipe.naming_scene_chunks), moved)
        train_naming(model, sheets, scenes, recipe.naming, log)
        unfinished = named.with_suffix(".tmp")
        torch.save(model.state_dict(), unfinished)
        unfinished.replace(named)
    tokenizer = TextTokenizer(new_tokenizer(), folder)
    Trainer(model, tokenizer, ScenePairs(corpus), recipe.loop, folder / "loop").run(log)
    save_checkpoint_directory(model.cpu(), new_tokenizer(), folder / "model")
    return folder / "model"
