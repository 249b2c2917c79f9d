"""The runtime that opens a checkpoint here: to index, where stored vectors must all be of one arithmetic, and to
search, where a closer arithmetic may stand in. No torch is imported unless it is the one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from imgsearch.errors import ExtraMissing, ModelUnavailable, UsageError
from imgsearch.extras import has_extra
from imgsearch.model.checkpoints.identity import chosen_dtype, resolve_device
from imgsearch.model.checkpoints.resolve import find_source
from imgsearch.model.contract import Purpose
from imgsearch.model.cpu import has_bfloat16
from imgsearch.model.runtimes.choice import takes_openvino
from imgsearch.model.runtimes.numpy.opening import open_numpy
from imgsearch.model.runtimes.openvino.model import OpenVinoModel
from imgsearch.model.runtimes.openvino.opening import exported, make_export, open_openvino
from imgsearch.model.runtimes.openvino.package import openvino

Named = tuple[str | Path, str, str, int | None]
"""Name, device, dtype and image size, as `imgsearch.model.load_model` takes them."""


def open_to_index(named: Named, runtime: str, purpose: Purpose = "index") -> Any:
    """A model of exactly this arithmetic. Without torch it is computed in NumPy, where NumPy can. Raises what
    `load_model` raises; ModelUnavailable where int8, or the runtime that a person named, has no export here."""
    _check_int8(named, runtime)
    model = _by_openvino(named, runtime)
    if model is not None:
        return model
    if named[2].startswith("int8") or runtime == "openvino":
        raise _not_exported(named)
    if runtime == "numpy":
        return _by_numpy(named)
    from imgsearch.model import load_model

    try:
        return load_model(*named, purpose)
    except ExtraMissing:
        light = open_numpy(*named)
        if light is None:
            raise
        return light


def open_to_search(named: Named, runtime: str) -> Any:
    """A model for few texts and images: without torch where the device is the CPU and the checkpoint allows it. Raises
    as ``open_to_index``."""
    model = _by_openvino(named, runtime)
    if model is not None:
        return model
    if runtime == "openvino":
        raise _not_exported(named)
    light = None if runtime == "torch" else open_numpy(*named, stands_in=True)
    return open_to_index(named, runtime, "search") if light is None else light


def prepare(named: Named, runtime: str, places: Sequence[Path], told: Callable[[str], None]) -> None:
    """Export a model whose new library is to be made in int8, or by OpenVINO because a person named it, unless that was
    done before. int8 is calibrated on pictures of ``places``. Raises as `make_export` does."""
    name, device, dtype, image_size = named
    _check_int8(named, runtime)
    if not (dtype == "int8" or runtime == "openvino"):
        return
    place = resolve_device(device, dtype)
    kind = chosen_dtype(find_source(name), place) if dtype == "auto" else dtype
    if place != "cpu" or exported(find_source(name), place, kind, image_size) is not None:
        return
    from imgsearch.model.runtimes.openvino.calibration import pictures_in  # draws and decodes, which no search does

    openvino(f"{name} in {kind}")
    told(f"{name} is prepared for OpenVINO in {kind}, once; a full-size model takes minutes")
    there = [path for path in places if path.exists()]
    make_export(name, kind, image_size, pictures_in(there, kind), told)


def _check_int8(named: Named, runtime: str) -> None:
    if named[2].startswith("int8") and runtime in ("numpy", "torch"):
        raise UsageError(
            f"received the runtime {runtime} with int8, which OpenVINO alone computes",
            "leave the runtime out, or take another dtype, such as float32",
        )


def _by_numpy(named: Named) -> Any:
    light = open_numpy(*named)
    if light is None:
        raise UsageError(
            f"NumPy does not compute {named[0]} on {named[1]} in {named[2]}: only directories of safetensors, on the "
            "CPU, in float32",
            "leave the runtime out",
        )
    return light


def _by_openvino(named: Named, runtime: str) -> OpenVinoModel | None:
    name, device, dtype, _ = named
    if dtype == "auto" and runtime == "auto":
        place = resolve_device(device)
        if place != "cpu" or not has_bfloat16():
            return None
        dtype = chosen_dtype(find_source(name), place)
    return open_openvino(*named) if takes_openvino(runtime, dtype) else None


def _not_exported(named: Named) -> ModelUnavailable | UsageError:
    """Why OpenVINO does not compute a model here. Raises ExtraMissing where that is the reason."""
    name, device, dtype, image_size = named
    if not has_extra("openvino"):
        openvino(f"{name} in {dtype}")
    place = resolve_device(device, dtype)
    if place != "cpu":
        return UsageError(f"OpenVINO computes on the CPU here, received the device {place}", "--device cpu")
    if dtype == "bfloat16" and not has_bfloat16():
        return UsageError(
            "this processor has no instructions for bfloat16 (avx512_bf16, AMX), so OpenVINO does not compute in it",
            "--dtype float32 or int8; another runtime computes bfloat16 too, slower than float32",
        )
    of_size = f" --image-size {image_size}" if image_size else ""
    kind, _, digest = dtype.partition("-")
    lost = f" (the library's vectors are of the export {digest}; another one differs a little)" if digest else ""
    return ModelUnavailable(
        f"the model {name} is not exported for OpenVINO in {dtype} on this computer{lost}",
        f"copy the folder openvino that lies beside its weights where the library was made, or index anew with --dtype "
        f"{kind}"
        if digest
        else f"imgsearch models export {name} --dtype {'float32' if dtype == 'auto' else kind}{of_size}",
    )
