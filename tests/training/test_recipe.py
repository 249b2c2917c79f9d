"""The shipped model's recipe, carried from nothing to a checkpoint at a tiny size."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny import TINY

from imgsearch.model import load_model
from imgsearch.training import corpus
from imgsearch.training.loop_settings import LoopSettings
from imgsearch.training.naming import NamingSettings
from imgsearch.training.recipe import Recipe, train_mini

CONTENTS = ("scenes", "moved", "varied", "sheets")
NAMING = NamingSettings(steps=2, sheet_steps=0, mixed_steps=1, batch_size=4)
LOOP = LoopSettings(steps=2, batch_size=6, matching_pairs=3)
RANKING = LoopSettings(steps=2, batch_size=6, matching_pairs=3, pool=12)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pictures drawn already, a handful a chunk."""
    for name, count in (("FAMILIES", 2), ("SINGLES", 3), ("SHEETS", 4), ("MOVED", 2), ("VARIED", 2)):
        monkeypatch.setattr(corpus, f"CHUNK_{name}", count)
    monkeypatch.setattr(corpus, "CHUNK_IMAGES", 2 * corpus.FAMILY_SIZE + 3)
    for content in CONTENTS:
        (tmp_path / content).mkdir()
        getattr(corpus, f"_draw_{content}")((tmp_path / content, 7, 0, 32))
    return tmp_path


def test_recipe_goes_from_nothing_to_a_checkpoint_and_takes_nothing_up_twice(folder: Path) -> None:
    recipe = Recipe(
        TINY,
        1,
        1,
        1,
        1,
        1,
        naming=NAMING,
        polish=NAMING,
        loop=LOOP,
        finish=LOOP,
        ranking=RANKING,
        sharpen=NAMING,
        follow=RANKING,
    )
    lines: list[str] = []
    written = train_mini(recipe, folder, device="cpu", workers=1, log=lines.append)
    model = load_model(str(written), device="cpu")
    assert (model.query_tokens, model.dims) == (4, 16)

    def sorted_like(first, second):
        return ((name, second[name]) for name in first if name in second)

    def seeing(state: dict[str, torch.Tensor]) -> torch.Tensor:
        return torch.cat([value.reshape(-1) for name, value in state.items() if name.startswith("vision_model.")])

    polished, sharpened = (torch.load(folder / f"{name}.pt", weights_only=True) for name in ("polished", "sharpened"))
    for name in ("ranking", "follow"):  # the ViT is frozen while the rest learns
        trained = torch.load(folder / name / "state.pt", weights_only=True)["weights"]
        assert trained and not any(part.startswith("vision_model.") for part in trained)
    assert not torch.equal(seeing(polished), seeing(sharpened))
    assert torch.equal(seeing(sharpened).half(), seeing(dict(sorted_like(sharpened, model.slots()))).half())
    assert any(line.startswith("naming") for line in lines)
    lines.clear()
    train_mini(recipe, folder, device="cpu", workers=1, log=lines.append)
    assert lines == []
