"""How far a model moves: weights on the line between those before and after tuning (Wortsman et al. 2022, WiSE-FT).

Nothing is trained for it. The farthest point is taken at which general pictures of a set of their own are still found;
the pictures that a run is judged by have no part in that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

POINTS = (1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3)
"""Shares of the way that are tried, the whole way first. Below a third little of what was learned is left. The last
tenth is worth most: at 0.95 captions of the shifted world agreed in 0.64 of their words where they did in 0.56 at 0.9,
and matching by LoRA found 83 instead of 81.5 % among the first ten."""

_ROUNDING = 1e-9  # shares of pictures are no exact numbers
ANY_LOSS = 100.0
"""Points that may be lost: with so many nothing is measured, and the whole way is gone."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What weights are worth: ``own``, higher is better; ``general``, figures none of which may fall by more than is
    allowed."""

    own: float
    general: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Tried:
    """A share of the way from the old weights to the new ones, 0..1, and what the weights there are worth."""

    share: float
    figures: Figures


class WeightLine:
    """The weights between old and new ones: ``moved`` has each parameter by name, with what it was and what it became.
    The parameters are the new ones at first, and those of a point after `go`."""

    def __init__(self, moved: Mapping[str, tuple[nn.Parameter, torch.Tensor, torch.Tensor]]) -> None:
        self._moved = moved

    @classmethod
    def between(cls, old: nn.Module, network: nn.Module) -> WeightLine:
        """From the weights of ``old`` to those of ``network``, which moves; what both share stays. Memory: the weights
        that differ, once."""
        before = dict(old.named_parameters())
        return cls(
            {
                name: (one, before[name], one.detach().clone())
                for name, one in network.named_parameters()
                if one is not before[name] and not torch.equal(one, before[name])
            }
        )

    @torch.no_grad()
    def go(self, share: float) -> None:
        """Take the weights at ``share`` of the way; at 1 the new ones, to the bit."""
        for one, before, after in self._moved.values():
            one.copy_(after if share == 1 else torch.lerp(before, after, share))


def choose_point(
    line: WeightLine, measure: Callable[[], Figures], allowed: float, log: Callable[[str], None]
) -> tuple[Tried, ...]:
    """Give the network the weights of the farthest of `POINTS` at which no general figure is more than ``allowed``
    under that of the old weights, or of the nearest point where none is. Returns what was tried, the old weights first
    and the chosen point last. Cost: ``measure`` once for each."""
    found = []
    for share in (0.0, *POINTS):
        line.go(share)
        found.append(Tried(share, measure()))
        lost = max_lost(found[0].figures, found[-1].figures)
        if share:
            log(f"{share:.0%} of the way: own pictures {found[-1].figures.own:.4f}, general ones lost {lost:.4f}")
            if lost <= allowed + _ROUNDING:
                break
    return tuple(found)


def max_lost(before: Figures, after: Figures) -> float:
    """By how much the general figure that fell most has fallen; below 0 where all rose."""
    return max(old - new for old, new in zip(before.general, after.general, strict=True))


def as_rows(tried: tuple[Tried, ...]) -> list[Mapping[str, object]]:
    """For the file beside the weights."""
    return [{"share": one.share, "own": one.figures.own, "general": list(one.figures.general)} for one in tried]
