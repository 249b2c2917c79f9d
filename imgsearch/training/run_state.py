"""The state of a training run on disk: weights, optimiser, random states and step in one file that is replaced whole,
and the best weights so far in another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from imgsearch.errors import StorageFull, UsageError
from imgsearch.files import drafted

STATE = "state.pt"


@dataclass(frozen=True, slots=True)
class StepScore:
    """What the weights after ``step`` steps were worth, higher is better."""

    step: int
    score: float


@dataclass(slots=True)
class RunHistory:
    """The judgements of a run, in order."""

    judgements: list[StepScore] = field(default_factory=list)

    @property
    def best(self) -> StepScore | None:
        """The highest score, the earliest of equal ones."""
        return max(self.judgements, key=lambda one: (one.score, -one.step), default=None)

    def stale(self, patience: int) -> bool:
        """Whether the last ``patience`` judgements brought nothing better. Never where ``patience`` is 0."""
        if not patience or self.best is None:
            return False
        return sum(one.step > self.best.step for one in self.judgements) >= patience


class TrainingFolder:
    """Where a run keeps its state. Every file appears whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, state: dict[str, Any]) -> None:
        """Replace the state. Raises StorageFull."""
        self._write(self.folder / STATE, state)

    def load(self, settings: Mapping[str, Any], device: torch.device) -> dict[str, Any] | None:
        """The state as it was saved; None where there is none. Raises UsageError if it is of a run with other settings
        or cannot be read."""
        path = self.folder / STATE
        if not path.exists():
            return None
        again = "give the same settings to go on, or another folder to begin"
        try:
            state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        except Exception as exc:
            raise UsageError(f"{path} cannot be read: {exc}", "name another folder to begin anew") from exc
        if state["settings"] != settings:
            raise UsageError(f"{path} is of a run with other settings", again)
        return state

    def keep_best(self, step: int, weights: Mapping[str, torch.Tensor]) -> None:
        """Keep the weights after ``step`` steps as the best so far; earlier ones go when the state has been saved."""
        self._write(self._best(step), dict(weights))

    def best(self, step: int, device: torch.device) -> dict[str, torch.Tensor]:
        """The weights that were kept after ``step`` steps."""
        found: dict[str, torch.Tensor] = torch.load(self._best(step), map_location=device, weights_only=True)
        return found

    def forget_others(self, step: int) -> None:
        """Delete kept weights of other steps: those of before, and those that a killed run had after its last state."""
        for path in self._kept():
            if path != self._best(step):
                path.unlink(missing_ok=True)

    def _best(self, step: int) -> Path:
        return self.folder / f"best-{step:08d}.pt"

    def _kept(self) -> Iterator[Path]:
        return iter(sorted(self.folder.glob("best-*.pt")))

    def _write(self, path: Path, value: dict[str, Any]) -> None:
        try:
            with drafted(path) as draft:
                torch.save(value, draft)
        except (OSError, RuntimeError) as exc:  # torch's own writer raises the latter
            reason = exc.strerror if isinstance(exc, OSError) else str(exc).splitlines()[0]
            raise StorageFull(f"{path} cannot be written: {reason}", "free space and run it again") from exc
