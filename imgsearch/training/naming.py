"""First stage of the small model: its ViT learns to name what every patch shows.

The real BLIP-2 starts with a ViT that already sees (EVA-CLIP, frozen). This one learns to see here. Per patch it learns
the kind, colour and size of the thing in it, how many of its kind there are, and how many things have their centre
there; from the class token the setting. The place is learned as the word that a caption would use ("left"). With rows
and columns as targets, eight classes each, a linear read-out of left against right was right for 74 % of the patches,
and no caption about places was learned from such features. The heads are dropped afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn
from transformers import Blip2ForImageTextRetrieval

from imgsearch.scenes.draw import SceneBox
from imgsearch.scenes.graph import Scene
from imgsearch.scenes.vocabulary import COLOURS, KINDS, MAX_COUNT, POSITIONS, SETTINGS, SIZES
from imgsearch.training.corpus import Corpus
from imgsearch.training.forms import normalise

_KIND = {name: number + 1 for number, name in enumerate(KINDS)}
_COLOUR = {name: number + 1 for number, name in enumerate(COLOURS)}
_SIZE = {name: number + 1 for number, name in enumerate(SIZES)}
_PLACE = {name: number for number, name in enumerate(POSITIONS)}
_SETTING = {name: number for number, name in enumerate(SETTINGS)}
_MAX_GROUPS = 2  # groups in a scene for captions; a sheet has more
_UNKNOWN = -100  # cross_entropy's ignore_index
_MIN_COVER = 0.3  # a patch belongs to the thing that covers most of it, if that covers at least this share


@dataclass(frozen=True, slots=True)
class NamingSettings:
    """How the naming stage runs. The first ``sheet_steps`` use sheets only, the next ``mixed_steps`` alternate sheets
    and scenes, the rest use scenes only. ``head_rate``: the heads' learning rate relative to the ViT's."""

    steps: int = 1700
    sheet_steps: int = 1000
    mixed_steps: int = 700
    batch_size: int = 64
    learning_rate: float = 1.0e-3
    head_rate: float = 1.0
    seed: int = 0


class NamingHeads(nn.Module):
    """Linear read-outs of patch tokens [B, P, W] and of the class token [B, W]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.kind = nn.Linear(width, 1 + len(KINDS))
        self.colour = nn.Linear(width, 1 + len(COLOURS))
        self.size = nn.Linear(width, 1 + len(SIZES))
        self.centres = nn.Linear(width, 1)
        self.setting = nn.Linear(width, len(SETTINGS))
        self.place = nn.Linear(width, len(POSITIONS))
        self.count = nn.Linear(width, MAX_COUNT)


def patch_targets(scene: Scene, boxes: list[SceneBox], grid: int) -> NDArray[np.int8]:
    """int8 [6, grid * grid]: kind, colour, size (0 = background), the number of centres, then place and count - 1 of
    the group. The last two are `_UNKNOWN` on the background and on sheets, whose things form no groups."""
    target = np.zeros((6, grid, grid), dtype=np.int8)
    target[4:] = _UNKNOWN
    best = np.full((grid, grid), _MIN_COVER)
    edges = np.arange(grid + 1) / grid
    for box in boxes:
        across = np.clip(np.minimum(edges[1:], box.x1) - np.maximum(edges[:-1], box.x0), 0, None) * grid
        down = np.clip(np.minimum(edges[1:], box.y1) - np.maximum(edges[:-1], box.y0), 0, None) * grid
        cover = down[:, None] * across[None, :]
        group = scene.groups[box.group]
        mine = cover > best
        best[mine] = cover[mine]
        target[0][mine] = _KIND[group.kind]
        target[1][mine] = _COLOUR[group.colour]
        target[2][mine] = _SIZE[group.size]
        if len(scene.groups) <= _MAX_GROUPS:
            target[4][mine] = _PLACE[group.position]
            target[5][mine] = group.count - 1
        row = min(grid - 1, int((box.y0 + box.y1) / 2 * grid))
        column = min(grid - 1, int((box.x0 + box.x1) / 2 * grid))
        target[3, row, column] += 1
    return target.reshape(6, -1)


def naming_loss(
    features: torch.Tensor, targets: torch.Tensor, settings: torch.Tensor, heads: NamingHeads
) -> tuple[torch.Tensor, dict[str, float]]:
    """The loss and its parts for ViT features [B, 1 + P, W], targets int64 [B, 6, P], settings int64 [B]."""
    patches = features[:, 1:]
    thing = targets[:, 0] > 0
    weight = torch.where(thing, 1.0, 0.25)

    def per_patch(head: nn.Linear, target: torch.Tensor) -> torch.Tensor:
        loss = F.cross_entropy(head(patches).transpose(1, 2), target, reduction="none")
        return (loss * weight).sum() / weight.sum()

    kind, colour, size = (
        per_patch(head, targets[:, number]) for number, head in enumerate((heads.kind, heads.colour, heads.size))
    )
    centres = F.mse_loss(heads.centres(patches).squeeze(-1), targets[:, 3].float())
    setting = F.cross_entropy(heads.setting(features[:, 0]), settings)
    place, count = (
        _known_cross_entropy(head(patches), targets[:, number]) for number, head in ((4, heads.place), (5, heads.count))
    )
    with torch.no_grad():
        right = (heads.kind(patches).argmax(-1) == targets[:, 0])[thing].float().mean().item()
        hue = (heads.colour(patches).argmax(-1) == targets[:, 1])[thing].float().mean().item()
    readings = {"kind": right, "colour": hue, "centres": centres.item(), "setting": setting.item()}
    readings["place"] = place.item()
    return kind + colour + 0.5 * size + 8 * centres + 0.5 * setting + 2 * place + count, readings


def _known_cross_entropy(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Mean over the patches with a known target, 0 if there is none. Logits [B, P, C], target int64 [B, P]."""
    known = (target != _UNKNOWN).sum().clamp(min=1)
    return F.cross_entropy(logits.transpose(1, 2), target, ignore_index=_UNKNOWN, reduction="sum") / known


def train_naming(
    model: Blip2ForImageTextRetrieval,
    sheets: Corpus,
    scenes: Corpus,
    settings: NamingSettings,
    log: Callable[[str], None],
) -> NamingHeads:
    """Train the ViT in place (one-cycle cosine rate, AdamW) and return the heads. Sheets full of things come first,
    because they teach five times as much an image, then scenes as captions describe them."""
    grid = model.config.vision_config.image_size // model.config.vision_config.patch_size
    vision = model.vision_model
    device = next(vision.parameters()).device
    torch.manual_seed(settings.seed)
    heads = NamingHeads(model.config.vision_config.hidden_size).to(device)
    sources = [_Labelled(sheets, grid), _Labelled(scenes, grid)]
    groups = [list(vision.parameters()), list(heads.parameters())]
    parameters = groups[0] + groups[1]
    rates = [settings.learning_rate, settings.head_rate * settings.learning_rate]
    optimiser = torch.optim.AdamW([{"params": group} for group in groups], weight_decay=0.03, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rates, total_steps=settings.steps + 1, pct_start=0.08)
    rng = np.random.default_rng(settings.seed)
    vision.requires_grad_(True)  # an earlier loop may have frozen it
    vision.train()
    for step in range(1, settings.steps + 1):
        source = _source_of(step, settings, sources)
        pixels, targets, places = source.batch(rng, settings.batch_size, device)
        loss, readings = naming_loss(vision(pixels).last_hidden_state, targets, places, heads)
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()
        if step % 50 < 2 or step == settings.steps:
            shown = " ".join(f"{name} {value:.3f}" for name, value in readings.items())
            log(f"naming {step}/{settings.steps} loss {loss.item():.3f} {shown}")
    return heads


def _source_of(step: int, settings: NamingSettings, sources: list[_Labelled]) -> _Labelled:
    """Sheets or scenes for this step, counted from 1."""
    if step <= settings.sheet_steps:
        return sources[0]
    return sources[step % 2] if step <= settings.sheet_steps + settings.mixed_steps else sources[1]


class _Labelled:
    """A corpus with its patch targets, which gives random batches."""

    def __init__(self, corpus: Corpus, grid: int) -> None:
        self._pixels = corpus.pixels
        pairs = zip(corpus.scenes, corpus.boxes, strict=True)
        self._targets = torch.from_numpy(np.stack([patch_targets(scene, boxes, grid) for scene, boxes in pairs]))
        self._settings = torch.tensor([_SETTING[scene.setting] for scene in corpus.scenes])

    def batch(
        self, rng: np.random.Generator, size: int, device: torch.device
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Pixels [B, 3, S, S], targets int64 [B, 6, P], settings int64 [B]."""
        rows = rng.integers(0, len(self._pixels), size)
        pixels = normalise(torch.from_numpy(self._pixels[rows]).to(device))
        return pixels, self._targets[rows].long().to(device), self._settings[rows].to(device)
