"""A model so small that it is tuned in a second, and pictures for it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint directory: 32 pixels, a ViT of one layer, a Q-Former of two."""
    from imgsearch.training.build import Sizes, new_model, new_tokenizer, save_checkpoint_directory

    sizes = Sizes(
        image_size=32,
        patch_size=8,
        vision_width=32,
        vision_layers=1,
        vision_heads=2,
        qformer_width=32,
        qformer_layers=2,
        qformer_heads=2,
        qformer_intermediate=64,
        query_tokens=4,
        dims=16,
    )
    folder = tmp_path_factory.mktemp("tiny")
    save_checkpoint_directory(new_model(sizes, 1), new_tokenizer(), folder)
    return folder


@pytest.fixture(scope="session")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pairs.jsonl: sixty pictures of noise, each of another kind, with two captions."""
    folder = tmp_path_factory.mktemp("colours")
    rng = np.random.default_rng(5)
    lines = []
    for number in range(60):
        coarse = rng.integers(0, 255, (6, 8, 3)).astype(np.uint8)
        Image.fromarray(coarse).resize((64, 48), Image.Resampling.NEAREST).save(folder / f"{number:02d}.png")
        captions = [f"a star {number}", f"picture {number} of a cat"]
        lines.append(json.dumps({"image": f"{number:02d}.png", "captions": captions}))
    (folder / "pairs.jsonl").write_text("\n".join(lines) + "\n")
    return folder
