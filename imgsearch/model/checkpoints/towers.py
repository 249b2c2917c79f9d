"""Which file beside a LAVIS checkpoint holds its ViT. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imgsearch.model.checkpoints.pickled import read_pickled

EVA_FILE, CLIP_FILE = "eva_vit_g.pth", "clip_vit_L.pth"
TOWER_PREFIX = "visual_encoder."
_ENCODER_KEYS = "Qformer.bert.encoder.layer.0.crossattention.self.key.weight"
_CLIP_MARK = "vitl"  # in the names of LAVIS's own files: blip2_pretrained_vitL.pth


def find_tower(path: Path, body: Mapping[str, Any] | None = None) -> Path | None:
    """The file beside ``path`` that its ViT is read from, EVA's or CLIP's; None where neither lies there. ``body`` is
    its state dict, looked up where it is not given and the choice depends on it.

    Beside a checkpoint that holds its own ViT, EVA's file counts too, as it always has for a library's fingerprint."""
    eva, clip = (path.parent / name for name in (EVA_FILE, CLIP_FILE))
    here = [file for file in (eva, clip) if file.is_file() and file != path]
    if clip not in here:
        return eva if eva in here else None
    body = body if body is not None else read_pickled(path) or {}
    if any(name.startswith(TOWER_PREFIX) for name in body):
        return eva if eva in here else None
    if len(here) == 1:
        return clip
    width = body[_ENCODER_KEYS].shape[1] if _ENCODER_KEYS in body else None
    fitting = [file for file in here if width is not None and _width(file) == width]
    if len(fitting) == 1:
        return fitting[0]
    return clip if _CLIP_MARK in path.name.lower() else eva


def is_clip(tower: Mapping[str, Any]) -> bool:
    """Whether a ViT's state dict has CLIP's names."""
    return "conv1.weight" in tower


def _width(tower: Path) -> int | None:
    state = read_pickled(tower) or {}
    for name in ("conv1.weight", "patch_embed.proj.weight"):
        if name in state:
            return int(state[name].shape[0])
    return None
