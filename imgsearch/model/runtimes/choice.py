"""What a checkpoint would run in on this computer: NumPy, OpenVINO or torch. No torch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from imgsearch.model.checkpoints.config import parse_sizes, published_sizes
from imgsearch.model.checkpoints.identity import (
    check_arguments,
    chosen_dtype,
    config_of,
    default_dtype,
    resolve_device,
)
from imgsearch.model.checkpoints.known import KnownModel
from imgsearch.model.checkpoints.resolve import find_source
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
    """Whether OpenVINO computes a model where it has been exported: int8 always, bfloat16 unless a person names another
    runtime, float32 where one names this one: torch and NumPy are as fast (`benchmarks/encode.py`)."""
    if runtime == "openvino" or dtype.startswith("int8"):
        return True
    return runtime == "auto" and dtype == "bfloat16"


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
