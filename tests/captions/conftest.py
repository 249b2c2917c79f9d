"""The small OPT that LAVIS was recorded with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

GOLDEN = Path(__file__).parents[1] / "golden" / "generation"
OPT = GOLDEN / "blip2_caption_opt_tiny.pth"


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Small layers on busy cores: two threads waited for each other for 20 times as long as one took."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def opt() -> Any:
    from imgsearch.generation import load_generator

    return load_generator(OPT, language_model=GOLDEN / "opt", device="cpu", dtype="float32")


@pytest.fixture(scope="session")
def opt_directory(opt: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a directory, which needs no second name."""
    folder = tmp_path_factory.mktemp("opt") / "generator"
    opt.network.save_pretrained(folder)
    for name in ("vocab.json", "merges.txt"):
        (folder / name).write_bytes((GOLDEN / "opt" / name).read_bytes())
    return folder
