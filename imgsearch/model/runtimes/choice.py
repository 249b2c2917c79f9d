"""What a checkpoint would run in on this computer: NumPy, OpenVINO or torch. No torch."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

from imgsearch.model.checkpoints.config import expected_shapes, parse_sizes, published_sizes
from imgsearch.model.checkpoints.identity import (
    check_arguments,
    chosen_dtype,
    config_of,
    default_dtype,
    resolve_device,
)
from imgsearch.model.checkpoints.known import KnownModel
from imgsearch.model.checkpoints.resolve import ResolvedCheckpoint, find_source
from imgsearch.model.cpu import known_rates, verdict
from imgsearch.model.runtime_profile import RuntimeName, RuntimeProfile
from imgsearch.model.runtimes.costs import profile_of
from imgsearch.model.runtimes.numpy.opening import read_without_torch
from imgsearch.model.runtimes.openvino.opening import exported


def profile_for(
    name: str | Path, device: str, dtype: str, image_size: int | None, runtime: str = "auto"
) -> RuntimeProfile:
    """What `imgsearch.model.profile_for` returns: what a search with this model would run in.

    Cost: the config and the headers of the weight files; a LAVIS ``.pth`` is opened with torch the first time."""
    check_arguments(device, dtype, image_size)
    place = resolve_device(device, dtype)
    source = find_source(name)
    kind = chosen_dtype(source, place) if dtype == "auto" else dtype
    sizes = parse_sizes(config_of(source))
    if sizes is not None and image_size is not None:
        sizes = sizes.at(image_size)
    if takes_openvino(runtime, kind):
        found = exported(source, place, kind, image_size)
        if found is not None:
            rate = found[1].gflop_per_second
            return replace(profile_of(sizes, "openvino", place, found[1].dtype), gflop_per_second=rate)
    if runtime != "torch":
        readable = read_without_torch(source, place, kind, image_size)
        if readable is not None:
            return profile_of(readable[1], "numpy", place, kind)
    return profile_of(sizes, "openvino" if kind.startswith("int8") else "torch", place, kind)


def takes_openvino(runtime: str, dtype: str) -> bool:
    """Whether OpenVINO computes a model where it has been exported: int8 and bfloat16 unless a person names another
    runtime, float32 where one names this one: torch and NumPy are as fast (`benchmarks/encode.py`)."""
    return runtime == "openvino" or (runtime == "auto" and (dtype == "bfloat16" or dtype.startswith("int8")))


def index_bytes(model: KnownModel, profile: RuntimeProfile | None, source: ResolvedCheckpoint | None) -> int:
    """Bytes of memory that an `imgsearch index` with a known model takes on the CPU: as measured with weights that only
    float32 holds, less what its own save where ``source`` is on this computer, or 16-bit floats as arithmetic do. Cost:
    `image_bytes`."""
    from imgsearch.model.runtimes.faithful import image_bytes, part_of  # which no search needs

    if profile is None or not profile.on_cpu or model.ships:  # the small one's figure is its own
        return model.memory_bytes
    sizes = parse_sizes(config_of(source)) if source is not None else None
    sizes = sizes or published_sizes(model.image_size, clip=bool(model.files))
    numbers = sum(math.prod(shape) for name, shape in expected_shapes(sizes) if part_of(name) != "texts")
    if profile.dtype in ("bfloat16", "float16"):
        return model.memory_bytes - 2 * numbers
    if profile.dtype == "float32" and source is not None:
        return model.memory_bytes - 4 * numbers + image_bytes(source, sizes)
    return model.memory_bytes


def published_profile(model: KnownModel) -> RuntimeProfile:
    """That of one of the authors' models, which need not be on this computer, on the device that is chosen by itself.
    LAVIS's own files are read with torch."""
    place = resolve_device("auto")
    kind = default_dtype(place)
    if place == "cpu" and verdict(known_rates()):
        kind = "bfloat16"
    lavis = bool(model.files)
    runtime: RuntimeName = "numpy" if (place, kind) == ("cpu", "float32") and not lavis else "torch"
    return profile_of(published_sizes(model.image_size, clip=lavis), runtime, place, kind)
