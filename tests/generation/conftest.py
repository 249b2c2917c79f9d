"""The two small generators that salesforce-lavis 1.0.2 was recorded with, and what it said."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))

GOLDEN = Path(__file__).parents[1] / "golden" / "generation"


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Small layers on busy cores: two threads waited for each other for 20 times as long as one took."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def golden() -> Path:
    return GOLDEN


@pytest.fixture(scope="session")
def about() -> Any:
    return json.loads((GOLDEN / "about.json").read_text())


@pytest.fixture(scope="session")
def said() -> Any:
    """Arrays by name: ids, scores, image embeddings, logits, losses."""
    with np.load(GOLDEN / "lavis_answers.npz") as file:
        return {name: file[name] for name in file}


@pytest.fixture(scope="session")
def images(about: Any) -> list[Image.Image]:
    pictures = []
    for name in about["images"]:
        with Image.open(GOLDEN / "images" / name) as picture:
            pictures.append(picture.convert("RGB"))
    return pictures


@pytest.fixture(scope="session")
def opt(about: Any) -> Any:
    return _load(about, "opt")


@pytest.fixture(scope="session")
def t5(about: Any) -> Any:
    return _load(about, "t5")


@pytest.fixture(scope="session")
def generators(opt: Any, t5: Any) -> dict[str, Any]:
    return {"opt": opt, "t5": t5}


def _load(about: Any, kind: str) -> Any:
    from imgsearch.generation import load_generator

    path = GOLDEN / about["checkpoints"][kind]["pth"]
    return load_generator(path, language_model=GOLDEN / kind, device="cpu", dtype="float32")
