"""From files into a network's memory, tensor by tensor, with no second copy of the whole.

Numbers are read, not mapped: pages of a mapped file count as memory while they stay (a load peaked at twice the
weights), and whoever overwrites the file would pull the weights from under us.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import torch

from imgsearch.errors import CheckpointInvalid, ModelUnavailable
from imgsearch.model.checkpoints.lavis import read_state
from imgsearch.model.checkpoints.pickled import read_pickled
from imgsearch.model.checkpoints.resolve import ResolvedCheckpoint
from imgsearch.model.checkpoints.soundness import mend_of
from imgsearch.model.checkpoints.tensor_files import FLOAT_BYTES, FloatTensor, Stamp, float_tensors, stamp_of

_DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
_STAGING_BYTES = 1 << 25
"""Numbers on their way to another dtype or device: large enough that a copy's own cost is lost in it."""

Sources = Iterable[tuple[str, Any]]
"""Names with what they hold: torch.Tensor, or FloatTensor where it still lies in its file."""


def fill(slots: Mapping[str, torch.Tensor], sources: Sources, source: ResolvedCheckpoint) -> None:
    """Give every slot its numbers, in the slot's dtype on its device; what no slot asks for is passed over.

    Raises CheckpointInvalid where one is missing or has another shape, ModelUnavailable where a file has changed since
    its header was read. Memory: ``_STAGING_BYTES`` beside the slots."""
    missing = dict.fromkeys(slots)
    try:
        with _Reader({file.path: file.stamp for file in source.tensor_files}) as reader:
            for name, value in sources:
                slot = slots.get(name)
                if slot is None:
                    continue
                if tuple(value.shape) != tuple(slot.shape):
                    raise CheckpointInvalid(
                        f"in {source.path} {name} is {list(value.shape)}, expected {list(slot.shape)}", mend_of(source)
                    )
                reader.copy(value, slot) if isinstance(value, FloatTensor) else slot.copy_(value)
                missing.pop(name, None)
    except OSError as exc:
        raise CheckpointInvalid(f"{source.path} cannot be read: {exc}", mend_of(source)) from exc
    if missing:
        raise CheckpointInvalid(
            f"{source.path} lacks {len(missing)} of {len(slots)} weights ({min(missing)})", mend_of(source)
        )


def directory_tensors(source: ResolvedCheckpoint) -> Iterator[tuple[str, Any]]:
    """What the weight files of a directory hold. Raises CheckpointInvalid."""
    if not source.tensor_files:
        for path in source.weights:
            yield from (read_pickled(path) or read_state(path)).items()
    for file in source.tensor_files:
        try:
            yield from float_tensors(file).items()
        except (ValueError, KeyError, TypeError, AttributeError) as exc:
            raise CheckpointInvalid(f"the header of {file.path} is damaged: {exc}", mend_of(source)) from exc


class _Reader(ExitStack):
    """The files of a checkpoint, each opened once."""

    def __init__(self, stamps: Mapping[Path, Stamp]) -> None:
        super().__init__()
        self._stamps = stamps
        self._files: dict[Path, IO[bytes]] = {}
        self._staging = torch.empty(0, dtype=torch.uint8)

    def copy(self, stored: FloatTensor, slot: torch.Tensor) -> None:
        """Read a tensor into ``slot``, which is of one piece."""
        file, kind = self._open(stored.path), _DTYPES[stored.kind]
        flat, size = slot.view(-1), FLOAT_BYTES[stored.kind]
        file.seek(stored.offset)
        if slot.device.type == "cpu" and slot.dtype == kind:
            _read(file, flat.view(torch.uint8), stored.path)
            return
        staging = self._staging_for(slot.device)
        step = len(staging) // size
        for first in range(0, len(flat), step):
            part = flat[first : first + step]
            numbers = staging[: len(part) * size]
            _read(file, numbers, stored.path)
            part.copy_(numbers.view(kind))

    def _open(self, path: Path) -> IO[bytes]:
        if path not in self._files:
            file = self._files[path] = self.enter_context(path.open("rb", buffering=0))
            if path in self._stamps and stamp_of(os.fstat(file.fileno())) != self._stamps[path]:
                raise ModelUnavailable(f"{path} has changed since it was opened", "run the same command again")
        return self._files[path]

    def _staging_for(self, device: torch.device) -> torch.Tensor:
        if not len(self._staging):
            pinned = device.type == "cuda"  # copied to the GPU without another copy on the way
            self._staging = torch.empty(_STAGING_BYTES, dtype=torch.uint8, pin_memory=pinned)
        return self._staging


def _read(file: IO[bytes], target: torch.Tensor, path: Path) -> None:
    """Fill ``target``, uint8 [n] on the CPU."""
    view = memoryview(target.numpy())  # type: ignore[arg-type]  # an array is one
    while view:
        count = file.readinto(view)  # type: ignore[attr-defined]  # a raw file has it
        if not count:
            raise ModelUnavailable(f"{path} was cut short while it was read", "run the same command again")
        view = view[count:]
