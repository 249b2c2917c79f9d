"""Fine-tuning: load a checkpoint, train it on a person's pairs, save it as a directory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from imgsearch.model import export_directory, load_model
from imgsearch.training.forms import OwnForm
from imgsearch.training.loop import LoopSettings, Trainer
from imgsearch.training.pairs import FilePairs

# Fine-tuning changes little: BLIP-2's retrieval fine-tuning uses 1e-5 and does not make negatives harder.
_TUNE_DEFAULTS: dict[str, Any] = {
    "steps": 1000,
    "batch_size": 32,
    "learning_rate": 1e-5,
    "harden": False,
    "early_steps": 0,
}


def device_named(name: str) -> str:
    """ "auto" as "cuda" if there is one, else "cpu"; other names unchanged."""
    import torch

    if name != "auto":
        return name
    return "cuda" if torch.cuda.is_available() else "cpu"


def tune_checkpoint(
    name: str,
    pairs: Path,
    folder: Path,
    *,
    device: str,
    given: Mapping[str, Any],
    log: Callable[[str], None],
) -> Path:
    """Train checkpoint ``name`` on ``pairs`` in float32. ``given`` are LoopSettings by name. Returns ``folder``/model.
    Raises UsageError for pairs that cannot be read and for a run in ``folder`` with other settings, and whatever
    `load_model` raises."""
    model = load_model(name, device=device, dtype="float32")
    settings = LoopSettings(**{**_TUNE_DEFAULTS, **given})
    source = FilePairs(pairs, model.image_size)
    form = OwnForm(model)
    form.module.requires_grad_(True)
    Trainer(form, model.tokenizer, source, settings, folder).run(log)
    export_directory(model, folder / "model")
    return folder / "model"
