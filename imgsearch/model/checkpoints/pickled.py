"""The headers of torch's ``.pth`` files: which tensors lie where. Needs no torch and runs nothing from the file.

Format (torch 1.6 and later): a zip whose records are stored uncompressed. ``data.pkl`` is the object, pickled, with a
persistent id for each storage, ("storage", type, key, place, numbers); ``data/KEY`` holds its numbers. Only what makes
up a state dict is understood; everything else is left to torch.load, which tells what is wrong with it.
"""

from __future__ import annotations

import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imgsearch.model.checkpoints.tensor_files import FLOAT_BYTES, FloatTensor

_KINDS = {"FloatStorage": "F32", "HalfStorage": "F16", "BFloat16Storage": "BF16", "DoubleStorage": "F64"}
_OTHER_BYTES = {"LongStorage": 8, "IntStorage": 4, "ShortStorage": 2, "CharStorage": 1, "ByteStorage": 1}
_OTHER_BYTES |= {"BoolStorage": 1}
_LOCAL_HEADER = 30  # bytes of a zip record's own header, before its name and extra field
_LONGEST_PICKLE = 100_000_000
_OWN = "query_tokens"  # a name that every BLIP-2 has


def read_pickled(path: Path) -> dict[str, FloatTensor] | None:
    """The state dict of a ``.pth``, {"model": state} or bare; tensors of whole numbers have the kind "". None where
    torch.load must read it: the older format, code besides tensors, tensors that are not stored row by row, or damage.
    Cost: 10 ms for a thousand tensors; the numbers are not read."""
    try:
        with zipfile.ZipFile(path) as archive, path.open("rb") as file:
            records = {record.filename: record for record in archive.infolist()}
            (pickled,) = [name for name in records if name.endswith("/data.pkl")]
            prefix = pickled.removesuffix("data.pkl")
            if records[pickled].file_size > _LONGEST_PICKLE or not _little_endian(archive, prefix, records):
                return None
            loaded = _Reader(archive.open(pickled)).load()
            found = {name: value for name, value in state_of(loaded).items() if isinstance(value, _Tensor)}
            return {name: _placed(file, path, records, prefix, value) for name, value in found.items()} or None
    except Exception:  # noqa: BLE001 - whatever is wrong, torch.load says it better
        return None


def state_of(loaded: Mapping[Any, Any]) -> dict[str, Any]:
    """The state dict in what a file held: bare, LAVIS's {"model": state}, or Lightning's {"state_dict": state}. What
    wrapped the model when it was saved ("module.", "model.") is taken from before BLIP-2's names."""
    inside = (loaded[key] for key in ("model", "state_dict") if isinstance(loaded.get(key), Mapping))
    state = {str(name): value for name, value in next(inside, loaded).items()}
    wrap = next((name.removesuffix(_OWN) for name in state if name.endswith(_OWN)), "")
    return {name[len(wrap) :]: value for name, value in state.items() if name.startswith(wrap)}


def read_trained_size(path: Path) -> int | None:
    """The image size, pixels, of the configuration that LAVIS's runner writes beside a state dict
    ({"model", "optimizer", "config", "scaler", "epoch"}); None where the file has none."""
    try:
        with zipfile.ZipFile(path) as archive:
            (pickled,) = [name for name in archive.namelist() if name.endswith("/data.pkl")]
            size = _Reader(archive.open(pickled)).load()["config"]["model"]["image_size"]
            return size if type(size) is int and size > 0 else None
    except Exception:  # noqa: BLE001 - as in read_pickled
        return None


@dataclass(frozen=True, slots=True)
class _Storage:
    kind: str
    item_bytes: int
    key: str


@dataclass(frozen=True, slots=True)
class _Tensor:
    storage: _Storage
    first: int
    shape: tuple[int, ...]


class _Reader(pickle.Unpickler):
    """Knows the names that a state dict is made of, and no other."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return lambda data, *_: data
        if module == "torch" and (name in _KINDS or name in _OTHER_BYTES):
            return name
        raise pickle.UnpicklingError(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> _Storage:
        _, kind, key, _, _ = pid
        known = _KINDS.get(kind, "")
        return _Storage(known, FLOAT_BYTES[known] if known else _OTHER_BYTES[kind], str(key))


def _rebuild(storage: _Storage, first: int, shape: Any, strides: Any, *_: Any) -> _Tensor:
    expected, step = [], 1
    for side in reversed(shape):
        expected.append(step)
        step *= side
    for side, stride, wanted in zip(shape, strides, reversed(expected), strict=True):
        if side > 1 and stride != wanted:
            raise pickle.UnpicklingError("not row by row")
    return _Tensor(storage, int(first), tuple(int(side) for side in shape))


def _little_endian(archive: zipfile.ZipFile, prefix: str, records: Mapping[str, zipfile.ZipInfo]) -> bool:
    return prefix + "byteorder" not in records or archive.read(prefix + "byteorder") == b"little"


def _placed(file: Any, path: Path, records: Mapping[str, zipfile.ZipInfo], prefix: str, tensor: _Tensor) -> FloatTensor:
    record = records[f"{prefix}data/{tensor.storage.key}"]
    file.seek(record.header_offset)
    header = file.read(_LOCAL_HEADER)
    name, extra = struct.unpack("<HH", header[26:30])
    numbers = 1
    for side in tensor.shape:
        numbers *= side
    begin = tensor.first * tensor.storage.item_bytes
    if record.compress_type != zipfile.ZIP_STORED or begin + numbers * tensor.storage.item_bytes > record.file_size:
        raise ValueError(f"{record.filename} is compressed or too short")
    start = record.header_offset + _LOCAL_HEADER + name + extra
    return FloatTensor(path, tensor.storage.kind, tensor.shape, start + begin)
