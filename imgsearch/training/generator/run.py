"""What every stage of training the small generator shares: its rate, and a state on disk that is taken up again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from imgsearch.errors import UsageError
from imgsearch.files import drafted

_LOG_EVERY = 25
_SAVE_EVERY = 100
_LEAST_RATE = 0.02  # of the learning rate, at the end of a stage


class StageRun:
    """The steps of one stage. Its state (weights, optimiser, step, random state) lives in ``path``.

    ``modules``: what is trained and what has to be kept, by name; ``parts``: the trained parameters with the share of
    the learning rate that each has. ``settings`` is a dataclass with ``steps``, ``learning_rate``, ``warmup_steps``,
    ``falling`` (the last share of the steps, over which the rate falls), ``weight_decay`` and ``seed``. Raises
    UsageError for a state of other settings; more steps may be asked for."""

    def __init__(
        self,
        path: Path,
        settings: Any,
        modules: Mapping[str, nn.Module],
        parts: Sequence[tuple[list[nn.Parameter], float]],
    ) -> None:
        self._path, self._settings, self._modules = path, settings, modules
        self._parameters = [parameter for parameters, _ in parts for parameter in parameters]
        groups: list[dict[str, Any]] = []
        for parameters, share in parts:
            for matrix in (True, False):
                some = [parameter for parameter in parameters if (parameter.ndim > 1) == matrix]
                if some:
                    decay = settings.weight_decay if matrix else 0.0
                    groups.append({"params": some, "weight_decay": decay, "share": share})
        self._optimiser = torch.optim.AdamW(groups, lr=settings.learning_rate, betas=(0.9, 0.98))
        self.rng = random.Random(settings.seed)
        self.step = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._resume()

    @property
    def done(self) -> bool:
        return bool(self.step >= self._settings.steps)

    def run(self, train_step: Callable[[], tuple[torch.Tensor, dict[str, float]]], log: Callable[[str], None]) -> None:
        """Train to the last step. ``train_step`` gives the loss of a new batch and what is to be logged beside it."""
        started, first = time.monotonic(), self.step
        readings: list[dict[str, float]] = []
        while not self.done:
            loss, reading = train_step()
            self._descend(loss)
            self.step += 1
            readings.append({"loss": loss.item(), **reading})
            if self.step % _LOG_EVERY == 0 or self.done:
                pace = (time.monotonic() - started) / (self.step - first)
                means = ", ".join(f"{name} {np.mean([one[name] for one in readings]):.4f}" for name in readings[0])
                left = pace * (self._settings.steps - self.step) / 60
                at = f"{self._path.stem} {self.step}/{self._settings.steps}"
                log(f"{at}: {means}, {pace:.2f} s/step, {left:.0f} min left")
                readings = []
            if self.step % _SAVE_EVERY == 0 or self.done:
                self.save()

    def _descend(self, loss: torch.Tensor) -> None:
        settings = self._settings
        warm = min(1.0, (self.step + 1) / max(1, settings.warmup_steps))
        left = (settings.steps - self.step) / max(1.0, settings.falling * settings.steps)
        rate = settings.learning_rate * warm * min(1.0, max(_LEAST_RATE, left))
        for group in self._optimiser.param_groups:
            group["lr"] = rate * group["share"]
        self._optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self._parameters, 1.0)
        self._optimiser.step()

    def save(self) -> None:
        state = {
            "settings": asdict(self._settings),
            "step": self.step,
            "modules": {name: module.state_dict() for name, module in self._modules.items()},
            "optimiser": self._optimiser.state_dict(),
            "random": self.rng.getstate(),
            "torch": torch.get_rng_state(),
        }
        with drafted(self._path) as draft:
            torch.save(state, draft)

    def _resume(self) -> None:
        if not self._path.exists():
            return
        state = torch.load(self._path, map_location="cpu", weights_only=True)
        if {**state["settings"], "steps": 0} != {**asdict(self._settings), "steps": 0}:
            raise UsageError(
                f"{self._path} is of a run with other settings",
                "give the same settings to go on, or another folder to begin",
            )
        for name, module in self._modules.items():
            module.load_state_dict(state["modules"][name])
        self._optimiser.load_state_dict(state["optimiser"])
        version, numbers, gauss = state["random"]
        self.rng.setstate((version, tuple(numbers), gauss))
        torch.set_rng_state(state["torch"])
        self.step = state["step"]
