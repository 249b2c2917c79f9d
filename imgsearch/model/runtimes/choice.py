"""What a checkpoint would run in on this computer: NumPy or torch. No torch."""

from __future__ import annotations

from pathlib import Path

from imgsearch.model.checkpoints.config import parse_sizes, published_sizes
from imgsearch.model.checkpoints.identity import check_arguments, config_of, default_dtype, resolve_device
from imgsearch.model.checkpoints.known import KnownModel
from imgsearch.model.checkpoints.resolve import find_source
from imgsearch.model.runtime_profile import RuntimeName, RuntimeProfile
from imgsearch.model.runtimes.costs import profile_of
from imgsearch.model.runtimes.numpy.opening import read_without_torch


def profile_for(name: str | Path, device: str, dtype: str, image_size: int | None) -> RuntimeProfile:
    """What `imgsearch.model.profile_for` returns: what a search with this model would run in.

    Cost: the config and the headers of the weight files; a LAVIS ``.pth`` is opened with torch the first time."""
    check_arguments(device, dtype, image_size)
    place = resolve_device(device)
    kind = default_dtype(place) if dtype == "auto" else dtype
    source = find_source(name)
    readable = read_without_torch(source, place, kind, image_size)
    if readable is not None:
        return profile_of(readable[1], "numpy", place, kind)
    sizes = parse_sizes(config_of(source))
    if sizes is not None and image_size is not None:
        sizes = sizes.at(image_size)
    return profile_of(sizes, "torch", place, kind)


def published_profile(model: KnownModel) -> RuntimeProfile:
    """That of one of the authors' models, which need not be on this computer, on the device that is chosen by itself.
    LAVIS's own files are read with torch."""
    place = resolve_device("auto")
    kind = default_dtype(place)
    lavis = bool(model.files)
    runtime: RuntimeName = "numpy" if (place, kind) == ("cpu", "float32") and not lavis else "torch"
    return profile_of(published_sizes(model.image_size, clip=lavis), runtime, place, kind)
