"""The headers of safetensors files: which tensors lie where. Each is read once, when a checkpoint is resolved.

Format (safetensors' own documentation): 8 bytes of header length, little-endian; a JSON header, name -> dtype, shape,
begin and end within the data; the data, row-major, little-endian.
"""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from imgsearch.errors import CheckpointInvalid, ModelUnavailable
from imgsearch.records import Float32

_LONGEST_HEADER = 100_000_000
FLOAT_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
# NumPy has no bfloat16: its bits are the upper half of a float32's.
_STORED: dict[str, np.dtype[Any]] = {kind: np.dtype(f"<f{size}") for kind, size in FLOAT_BYTES.items()}
_STORED["BF16"] = np.dtype("<u2")

Stamp = tuple[int, int, int]
"""What tells a file from one that took its place or was written over: inode, bytes, time in ns."""


@dataclass(frozen=True, slots=True)
class TensorFile:
    """A safetensors file as its header describes it. ``entries``: name -> dtype, shape, data_offsets; offsets count
    from ``data_start``."""

    path: Path
    stamp: Stamp
    data_start: int
    entries: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class FloatTensor:
    """Where a tensor of floats lies: ``kind`` "F64", "F32", "F16" or "BF16", ``offset`` in bytes from the file's
    beginning."""

    path: Path
    kind: str
    shape: tuple[int, ...]
    offset: int


def read_tensor_file(path: Path, mend: str) -> TensorFile:
    """Read a header; raises CheckpointInvalid, with the hint ``mend``, for a file that is cut short or is something
    else. 1 ms for a thousand tensors."""
    with path.open("rb") as file:
        stamp = stamp_of(os.fstat(file.fileno()))
        size = stamp[1]
        try:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > min(size, _LONGEST_HEADER):
                raise ValueError("header longer than the file")
            entries = {name: entry for name, entry in json.loads(file.read(length)).items() if name != "__metadata__"}
            end = 8 + length + max((entry["data_offsets"][1] for entry in entries.values()), default=0)
            if not all(isinstance(side, int) for entry in entries.values() for side in entry["shape"]):
                raise ValueError("a shape is not made of numbers")
        except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, struct.error) as exc:
            raise CheckpointInvalid(f"{path} is not a whole safetensors file ({size:,} bytes)", mend) from exc
    if size < end:
        raise CheckpointInvalid(f"{path} is cut short: {size:,} bytes of {end:,}", mend)
    return TensorFile(path, stamp, 8 + length, entries)


def float_tensors(file: TensorFile) -> dict[str, FloatTensor]:
    """The tensors of floats by name; those of another dtype (older checkpoints hold position ids) are left out. Raises
    ValueError, KeyError or TypeError for a damaged header."""
    found = {}
    for name, entry in file.entries.items():
        kind, shape, (begin, end) = entry["dtype"], tuple(map(int, entry["shape"])), entry["data_offsets"]
        if kind not in FLOAT_BYTES:
            continue
        if end - begin != math.prod(shape) * FLOAT_BYTES[kind]:
            raise ValueError(f"tensor {name} of {file.path} is {kind} {list(shape)} in {end - begin} bytes")
        found[name] = FloatTensor(file.path, kind, shape, file.data_start + begin)
    return found


def read_floats(
    tensor: FloatTensor, first: int = 0, count: int | None = None, file: IO[bytes] | None = None
) -> Float32:
    """A tensor, float32 in its own shape, or ``count`` of its values from the ``first`` on: [count]. ``file`` is its
    file where that is open already. Raises CheckpointInvalid for numbers of another kind, and ModelUnavailable where it
    has become shorter."""
    if file is None:
        with tensor.path.open("rb", buffering=0) as opened:
            return read_floats(tensor, first, count, opened)
    stored = _STORED.get(tensor.kind)
    if stored is None:
        raise CheckpointInvalid(
            f"{tensor.path} holds {tensor.kind or 'whole numbers'} where floating-point weights were expected",
            "get the weights that were not packed into few bits",
        )
    wanted = math.prod(tensor.shape) if count is None else count
    file.seek(tensor.offset + first * stored.itemsize)
    values = np.fromfile(file, stored, wanted)
    if len(values) != wanted:
        raise ModelUnavailable(f"{tensor.path} was cut short while it was read", "run the same command again")
    if tensor.kind == "BF16":
        values = (values.astype(np.uint32) << np.uint32(16)).view(np.float32)
    plain: Float32 = values.astype(np.float32, copy=False)
    return plain.reshape(tensor.shape) if count is None else plain


def stamp_of(status: os.stat_result) -> Stamp:
    """The stamp of a file."""
    return status.st_ino, status.st_size, status.st_mtime_ns
