"""Features that stay where the model computes, as int8: a re-rank then reads and copies nothing.

Reading, widening and copying the features of 128 pictures took 350 ms of a query on an H200, the matching head 15 ms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from imgsearch.model.contract import DEFAULT_MAX_TOKENS
from imgsearch.records import Float32

_STEPS = 127
_SHARE, _MOST_BYTES = 0.5, 36_000_000_000
"""Of a device's free memory, and at most: 100,000 pictures of the full-size model."""


@dataclass(frozen=True, slots=True)
class Held:
    """Features of one image: ``steps`` int8 [N, W] times ``scales`` float32 [N], on the device or in RAM."""

    steps: torch.Tensor
    scales: torch.Tensor

    @property
    def size_bytes(self) -> int:
        """Memory that it takes."""
        return self.steps.nbytes + self.scales.nbytes

    def in_ram(self) -> Held:
        """A copy in RAM, pinned where the device copies from it."""
        pinned = self.steps.device.type == "cuda"
        parts = [part.cpu() for part in (self.steps, self.scales)]
        return Held(*(part.pin_memory() if pinned else part for part in parts))


class HeldFeatures:
    """What `imgsearch.model.runtimes.torch.blip2.Blip2Model` does with held features."""

    _device: torch.device
    _dtype: torch.dtype

    @property
    def held_bytes(self) -> int:
        """Device memory that held features may take; 0 on a CPU, whose RAM is the next floor anyway."""
        if self._device.type != "cuda":
            return 0
        return min(_MOST_BYTES, int(_SHARE * torch.cuda.mem_get_info(self._device)[0]))

    def hold(self, steps: Any, scales: Any) -> Held:
        """int8 [N, W] and float32 [N], as `QuantisedFeatures` has them -> the same on the device."""
        return Held(self._sent(steps), self._sent(scales))

    def bring(self, held: Held) -> Held:
        """Held features, on the device again."""
        return Held(*(part.to(self._device, non_blocking=True) for part in (held.steps, held.scales)))

    @torch.inference_mode()
    def match_held(self, texts: Sequence[str], held: Sequence[Held], max_tokens: int = DEFAULT_MAX_TOKENS) -> Any:
        """`match_both` of text i with held image i -> float32 [K, 2] on the CPU, from the very numbers that
        `QuantisedFeatures.restored` gives. Pairs of one text that stand together are read as one text."""
        if len(texts) != len(held):
            raise ValueError(f"received {len(texts)} texts and {len(held)} images, expected pairs")
        found = [
            self._match_group(list(texts[first:stop]), held[first:stop], max_tokens)
            for first, stop in _groups(texts, self._pairs_at_once())
        ]
        return torch.cat(found).cpu() if found else torch.empty((0, 2))

    @torch.inference_mode()
    def quantise(self, features: torch.Tensor) -> tuple[Any, Float32]:
        """Features [B, N, W] -> int8 [B, N, W] and float32 [B, N] on the CPU, computed where they are: the numbers that
        `QuantisedFeatures.of` gives, with a quarter of the bytes to copy."""
        values = features.float()
        scales = values.abs().amax(dim=2) / _STEPS
        safe = torch.where(scales > 0, scales, torch.ones_like(scales))
        steps = (values / safe[..., None]).round().to(torch.int8)
        return steps.cpu().numpy(), scales.cpu().numpy()

    def _match_group(self, texts: list[str], held: Sequence[Held], max_tokens: int) -> torch.Tensor:
        here = [self.bring(one) for one in held]
        steps = torch.stack([one.steps for one in here])  # [K, N, W]
        scales = torch.stack([one.scales for one in here])  # [K, N]
        return self.match_on_device(texts, (steps.float() * scales[..., None]).to(self._dtype), max_tokens)

    def match_on_device(self, texts: Sequence[str], features: torch.Tensor, max_tokens: int) -> torch.Tensor:
        """K texts and features [K, N, W] on the device -> float32 [K, 2] there."""
        raise NotImplementedError

    def _pairs_at_once(self) -> int:
        raise NotImplementedError

    def _sent(self, array: Any) -> torch.Tensor:
        # A copy: an array that lies in a file's bytes must not become a tensor that looks writable.
        part = torch.from_numpy(np.array(array, order="C"))
        if self._device.type == "cuda":  # from pinned memory the copy runs beside what the device still computes
            part = part.pin_memory()
        return part.to(self._device, non_blocking=True)


def _groups(texts: Sequence[str], most: int) -> list[tuple[int, int]]:
    """Rows that are matched together: at most ``most``, and a long run of one text by itself, which is then read
    once."""
    groups, first = [], 0
    while first < len(texts):
        stop = min(first + most, len(texts))
        run = next((row for row in range(first, stop) if texts[row] != texts[first]), stop)
        stop = run if run - first >= _RUN else stop
        groups.append((first, stop))
        first = stop
    return groups


_RUN = 48
"""Pairs of one text from which a pass of its own is cheaper than padding it among others: a pass of 16 pairs takes 10
ms on an H200, of 128 15."""
