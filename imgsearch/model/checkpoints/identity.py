"""A model's `ModelId` without its weights, and the choice of device and dtype. torch is imported only where a question
needs it."""

from __future__ import annotations

import math
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imgsearch.errors import CheckpointInvalid, ExtraMissing, UsageError
from imgsearch.extras import has_extra, needs_extra
from imgsearch.media.preprocess import RECIPE
from imgsearch.model.checkpoints.config import expected_shapes, parse_sizes
from imgsearch.model.checkpoints.fingerprint import fingerprint_of, recall, remember
from imgsearch.model.checkpoints.resolve import ResolvedCheckpoint, find_source
from imgsearch.model.cpu import bfloat16_pays, has_bfloat16
from imgsearch.records import ModelId

DTYPES = ("float32", "bfloat16", "float16", "int8")

_INT8 = re.compile(r"int8(-[0-9a-f]{8})?")
"""int8 of one export, as a library names it, or of any."""

_LARGE = 100_000_000
"""Weights from which a model's time is that of its matrix products: the small model has 13 million, BLIP-2 with a ViT-L
474. A smaller one gains nothing from bfloat16, and needs no torch in float32."""


def identify(name: str | Path, device: str, dtype: str, image_size: int | None) -> ModelId:
    """What `imgsearch.model.model_id_of` returns."""
    check_arguments(device, dtype, image_size)
    place = resolve_device(device, dtype)
    source = find_source(name)
    dtype = chosen_dtype(source, place) if dtype == "auto" else dtype
    tokens, dims, size = config_shape(config_of(source), source.path, image_size)
    return make_id(source, dtype, tokens, dims, size)


def make_id(source: ResolvedCheckpoint, dtype: str, query_tokens: int, dims: int, image_size: int) -> ModelId:
    """The id of a source used at ``image_size``. Cost: hashes weights never seen before (seconds a GB)."""
    fingerprint = fingerprint_of(source.weights, source.companions)
    return ModelId(source.name, fingerprint, f"{RECIPE}-{image_size}", dtype, query_tokens, dims)


def check_arguments(device: str, dtype: str, image_size: int | None) -> None:
    """Raise UsageError on a device, dtype or image size that cannot be."""
    known = isinstance(device, str) and (device == "auto" or device.partition(":")[0] in ("cpu", "cuda", "mps"))
    if not known:
        raise UsageError(f"the device is {device!r:.60}, expected auto, cpu, cuda, cuda:N or mps", "try --device cpu")
    if not isinstance(dtype, str) or (dtype != "auto" and dtype not in DTYPES and not _INT8.fullmatch(dtype)):
        raise UsageError(f"the dtype is {dtype!r:.60}, expected auto, {', '.join(DTYPES)}", "try --dtype auto")
    if dtype.startswith("int8") and device not in ("auto", "cpu"):
        raise UsageError(f"received dtype {dtype} on {device}, but int8 runs on the CPU alone", "try --device cpu")
    if image_size is not None and (not isinstance(image_size, int) or image_size < 1):
        raise UsageError(
            f"the image size is {image_size!r:.60}, expected a positive whole number of pixels", "for example 224"
        )


def resolve_device(device: str, dtype: str = "auto") -> str:
    """ "auto" -> "cuda:0" where a CUDA device answers and torch is installed, else "cpu", as for int8; other names pass
    once they are known to be there. Raises UsageError, and ExtraMissing for another device than the CPU without
    torch."""
    if device == "cpu" or (device == "auto" and (dtype.startswith("int8") or not _nvidia_driver())):
        return "cpu"
    try:
        with needs_extra(f"the device {device}", "torch"):
            import torch
    except ExtraMissing:
        if device == "auto":
            return "cpu"
        raise
    if device == "auto":
        return "cuda:0" if torch.cuda.is_available() else "cpu"
    kind, _, number = device.partition(":")
    if kind == "mps":
        found = torch.backends.mps.is_available()
    else:
        found = torch.cuda.is_available() and (
            not number or (number.isdigit() and int(number) < torch.cuda.device_count())
        )
    if not found:
        raise UsageError(f"the device {device} is not there", "try --device cpu, or --device auto")
    return "cuda:0" if device == "cuda" else device


def default_dtype(device: str) -> str:
    """bfloat16 on CUDA, float32 elsewhere."""
    return "bfloat16" if device.startswith("cuda") else "float32"


def chosen_dtype(source: ResolvedCheckpoint, device: str) -> str:
    """What a checkpoint is computed in unless a person says: bfloat16 on CUDA, and on a CPU for a large model where the
    processor has the instructions and a probe found them faster (`imgsearch.model.cpu`; torch is imported for that,
    once on such a computer); else float32."""
    if device == "cpu" and has_bfloat16() and has_extra("torch") and _is_large(config_of(source)) and bfloat16_pays():
        return "bfloat16"
    return default_dtype(device)


def _is_large(config: Mapping[str, Any]) -> bool:
    sizes = parse_sizes(config)
    return sizes is None or sum(math.prod(shape) for _, shape in expected_shapes(sizes)) >= _LARGE


def _nvidia_driver() -> bool:
    # Asking torch costs its import, seconds on a cold start; without a driver the answer is known.
    if os.name == "posix":
        return Path("/proc/driver/nvidia").exists() or Path("/dev/nvidiactl").exists() or Path("/dev/dxg").exists()
    return shutil.which("nvidia-smi") is not None


def config_of(source: ResolvedCheckpoint) -> dict[str, Any]:
    """A source's Blip2Config as a dictionary. That of a LAVIS ``.pth`` is told by its tensors: torch opens it once, and
    it is remembered."""
    if source.kind == "directory":
        return source.config
    known = recall(source.path, "config")
    if isinstance(known, dict):
        return known
    with needs_extra(f"LAVIS's {source.path.name}", "torch"):
        from imgsearch.model.checkpoints.lavis import read_lavis

    config = read_lavis(source.path, None).config
    remember(source.path, "config", config)
    return config


def config_shape(config: dict[str, Any], origin: Path, image_size: int | None) -> tuple[int, int, int]:
    """(T, D, S) of a Blip2Config as a dictionary; what it leaves out is transformers' default."""
    vision = config.get("vision_config") or {}
    try:
        return (
            int(config.get("num_query_tokens", 32)),
            int(config.get("image_text_hidden_size", 256)),
            image_size or int(vision.get("image_size", 224)),
        )
    except (TypeError, ValueError, AttributeError) as exc:
        raise CheckpointInvalid(f"the config of {origin} makes no sense: {exc}", "fetch the checkpoint again") from exc
