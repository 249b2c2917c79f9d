"""From files into a network's memory, tensor by tensor, with no second copy of the whole.

Numbers are read, not mapped: pages of a mapped file count as memory while they stay (a load peaked at twice the
weights), and whoever overwrites the file would pull the weights from under us.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

import torch

from imgsearch.errors import CheckpointInvalid, ModelUnavailable
from imgsearch.model.checkpoints.lavis import read_state
from imgsearch.model.checkpoints.pickled import read_pickled
from imgsearch.model.checkpoints.resolve import ResolvedCheckpoint
from imgsearch.model.checkpoints.soundness import mend_of
from imgsearch.model.checkpoints.tensor_files import FLOAT_BYTES, FloatTensor, Stamp, float_tensors, stamp_of
from imgsearch.model.runtimes.faithful import narrow_kind, part_of
from imgsearch.model.runtimes.torch.layers import Linear
from imgsearch.model.runtimes.torch.network import Blip2Network

_DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
_STAGING_BYTES = 1 << 25
"""Numbers on their way to another dtype or device: large enough that a copy's own cost is lost in it."""

_CHECKED = 1 << 20
"""Numbers that are narrowed and compared at once: 4 MB, which stay in a core's cache."""

Sources = Iterable[tuple[str, Any]]
"""Names with what they hold: torch.Tensor, or FloatTensor where it still lies in its file."""

Later = frozenset[str] | None


class Filling:
    """Gives every slot of a network its numbers, in the slot's dtype on its device; what no slot asks for is passed
    over. Memory: ``_STAGING_BYTES`` beside the slots."""

    def __init__(self, network: Blip2Network, sources: Sources, source: ResolvedCheckpoint, later: Later) -> None:
        """Look at every tensor; take what does not lie in a file as it is. ``later``: parts of a model (`part_of`) that
        are read when they are first needed; unless it is None, matrices that hold 16-bit floats stay 16 bits wide in a
        network of float32 (`Linear`). Raises CheckpointInvalid where a tensor is missing or has another shape."""
        self._network, self._source, self._later = network, source, later
        self._stamps = {path: stamp_of(path.stat()) for path in source.weights}
        self._stamps |= {file.path: file.stamp for file in source.tensor_files}
        self._waiting: dict[str, dict[str, FloatTensor]] = {}
        slots = network.slots()
        missing = dict.fromkeys(slots)
        with _told(source):
            for name, value in sources:
                slot = slots.get(name)
                if slot is None:
                    continue
                if tuple(value.shape) != tuple(slot.shape):
                    raise CheckpointInvalid(
                        f"in {source.path} {name} is {list(value.shape)}, expected {list(slot.shape)}", mend_of(source)
                    )
                if isinstance(value, FloatTensor):
                    self._waiting.setdefault(part_of(name), {})[name] = value
                else:
                    slot.copy_(value)
                missing.pop(name, None)
        if missing:
            raise CheckpointInvalid(
                f"{source.path} lacks {len(missing)} of {len(slots)} weights ({min(missing)})", mend_of(source)
            )

    def run(self) -> None:
        """Read what is not for later, and leave word with the network of the rest. Raises CheckpointInvalid, and
        ModelUnavailable where a file has changed since its header was read."""
        for part in sorted(self._waiting.keys() - (self._later or frozenset())):
            self.read(part)
        for part in self._waiting:
            self._network.wait_for(part, self.read)

    def read(self, part: str) -> None:
        """Read a part. Raises as ``run``."""
        waiting = self._waiting[part]
        slots = self._network.slots()
        narrow = self._later is not None and self._network.query_tokens.dtype == torch.float32
        owners = self._network.owners() if narrow else {}
        with _told(self._source), _Reader(self._stamps) as reader:
            for name, stored in waiting.items():
                owner = owners.get(name)
                if owner is None:
                    reader.copy(stored, slots[name])
                else:
                    reader.copy_lean(stored, *owner)
        del self._waiting[part]


@contextmanager
def _told(source: ResolvedCheckpoint) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise CheckpointInvalid(f"{source.path} cannot be read: {exc}", mend_of(source)) from exc


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

    def copy_lean(self, stored: FloatTensor, owner: Linear, first: int) -> None:
        """Read a tensor into the weight of ``owner``, from its number ``first`` on: in 16 bits if every number, and all
        that is there already, survives it."""
        found = narrow_kind(stored, self._open(stored.path))
        kind = None if found is None else getattr(torch, found)
        if owner.weight.dtype == torch.float32 and kind is not None and not owner.has_numbers:
            owner.keep_as(kind)
        elif owner.weight.dtype != kind:
            owner.keep_as(torch.float32)
        owner.has_numbers = True
        count = math.prod(stored.shape)
        if owner.weight.dtype.itemsize == 4 or owner.weight.dtype == _DTYPES[stored.kind]:
            self.copy(stored, owner.weight.view(-1)[first : first + count])
            return
        for place, numbers in self._parts(stored, count):
            target = owner.weight.view(-1)[first + place : first + place + len(numbers)]
            target.copy_(numbers)
            same = target.dtype == numbers.dtype or torch.equal(
                target.to(numbers.dtype).view(torch.int32), numbers.view(torch.int32)
            )
            if not same:
                owner.keep_as(torch.float32)
                owner.weight.view(-1)[first + place : first + place + len(numbers)].copy_(numbers)

    def _parts(self, stored: FloatTensor, count: int) -> Iterator[tuple[int, torch.Tensor]]:
        """The numbers of a tensor of float32, a piece at a time, each with its place."""
        file, staging = self._open(stored.path), self._staging_for(torch.device("cpu"))
        file.seek(stored.offset)
        for place in range(0, count, _CHECKED):
            numbers = staging[: 4 * min(_CHECKED, count - place)]
            _read(file, numbers, stored.path)
            yield place, numbers.view(torch.float32)

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
