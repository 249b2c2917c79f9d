"""Loaded models as LAVIS's ``.pth``."""

from __future__ import annotations

from pathlib import Path

from imgsearch.model.checkpoints.config import ARCHITECTURES
from imgsearch.model.checkpoints.lavis_export import other_heads, write_retrieval
from imgsearch.model.runtimes.torch.blip2 import Blip2Model


def export_lavis(model: Blip2Model, path: Path) -> str:
    """Write a model as a LAVIS ``.pth`` with its ViT inside, and its vocabulary as ``vocab.txt`` beside it. Weights
    keep the model's dtype; read again, they are the same to the bit. Returns what `other_heads` says. Raises UsageError
    for another suffix and for a folder that has another vocabulary, OSError."""
    clip = ARCHITECTURES.get((model.config.get("architectures") or [""])[0], False)
    pieces = model.tokenizer.pieces.get_vocab(with_added_tokens=True)
    write_retrieval(path, model.slots().items(), pieces, clip=clip)
    vision, qformer = model.sizes.vision, model.sizes.qformer
    return other_heads((vision.width, vision.heads), (qformer.width, qformer.heads), clip=clip)
