"""The recipe of the shipped model, from nothing to a checkpoint directory; each stage is kept and not done twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch

from imgsearch.model import load_model
from imgsearch.model.tokenizer import TextTokenizer
from imgsearch.tuning.build import Sizes, new_model, new_tokenizer, save_checkpoint_directory
from imgsearch.tuning.corpus import draw_corpus, read_corpus, read_sheets
from imgsearch.tuning.loop import LoopSettings, Trainer
from imgsearch.tuning.naming import NamingSettings, train_naming
from imgsearch.tuning.pairs import ScenePairs


@dataclass(frozen=True, slots=True)
class Recipe:
    """Chunks are of 1,000 scenes and of 500 sheets."""

    sizes: Sizes = field(default_factory=Sizes)
    scene_chunks: int = 60
    sheet_chunks: int = 30
    naming_scene_chunks: int = 20  # of the scenes, how many the naming stage sees
    naming: NamingSettings = field(default_factory=NamingSettings)
    loop: LoopSettings = field(default_factory=lambda: LoopSettings(steps=2150, batch_size=80, matching_pairs=48))
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
    draw_corpus(
        folder / "scenes", seed=recipe.picture_seed, chunks=recipe.scene_chunks, image_size=side, workers=workers
    )
    draw_corpus(
        folder / "sheets",
        seed=recipe.picture_seed,
        chunks=recipe.sheet_chunks,
        image_size=side,
        workers=workers,
        sheets=True,
    )
    corpus = read_corpus(folder / "scenes", recipe.scene_chunks)
    model = new_model(recipe.sizes, recipe.weight_seed).to(torch.device(device))
    named = folder / "named.pt"
    if start is not None:
        weights = load_model(start, device="cpu", dtype="float32").network.state_dict()
        model.load_state_dict(weights)
    elif named.exists():
        model.load_state_dict(torch.load(named, map_location=device, weights_only=True))
    else:
        sheets = read_sheets(folder / "sheets", recipe.sheet_chunks)
        train_naming(model, sheets, read_corpus(folder / "scenes", recipe.naming_scene_chunks), recipe.naming, log)
        unfinished = named.with_suffix(".tmp")
        torch.save(model.state_dict(), unfinished)
        unfinished.replace(named)
    tokenizer = TextTokenizer(new_tokenizer(), folder)
    Trainer(model, tokenizer, ScenePairs(corpus), recipe.loop, folder / "loop").run(log)
    save_checkpoint_directory(model.cpu(), new_tokenizer(), folder / "model")
    return folder / "model"
