"""Whether a checkpoint has been exported for OpenVINO, and if so, the model. No torch, but for `make_export`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from imgsearch.errors import CheckpointInvalid, ModelUnavailable
from imgsearch.extras import has_extra, needs_extra
from imgsearch.model.checkpoints.config import Blip2Sizes, expected_shapes, parse_sizes, read_sizes
from imgsearch.model.checkpoints.fingerprint import fingerprint_of
from imgsearch.model.checkpoints.identity import check_arguments, chosen_dtype, config_of, make_id, resolve_device
from imgsearch.model.checkpoints.resolve import ResolvedCheckpoint, find_source
from imgsearch.model.checkpoints.soundness import mend_of
from imgsearch.model.checkpoints.tensor_files import read_tensor_file
from imgsearch.model.cpu import has_bfloat16
from imgsearch.model.runtimes.numpy.opening import read_without_torch
from imgsearch.model.runtimes.numpy.weights import Weights
from imgsearch.model.runtimes.openvino.exports import ExportedPart, Exports, find_exports
from imgsearch.model.runtimes.openvino.model import OpenVinoModel
from imgsearch.model.tokenizer import read_tokenizer, require_own_vocabulary

if TYPE_CHECKING:
    from imgsearch.model.runtimes.openvino.calibration import Pictures


def open_openvino(
    name: str | Path, device: str = "auto", dtype: str = "auto", image_size: int | None = None
) -> OpenVinoModel | None:
    """What `imgsearch.model.open_openvino` returns."""
    check_arguments(device, dtype, image_size)
    source = find_source(name)
    found = exported(source, device, dtype, image_size)
    if found is None:
        return None
    exports, part = found
    opened = _weights(source, exports, image_size)
    if opened is None:
        return None
    weights, sizes = opened
    tokenizer = read_tokenizer(source.path if exports.rest is None else exports.folder)
    require_own_vocabulary(tokenizer, sizes.qformer.vocabulary, mend_of(source))
    model_id = make_id(source, part.dtype, sizes.tokens, sizes.dims, sizes.vision.image)
    return OpenVinoModel(weights, sizes, tokenizer, model_id, exports, part)


def exported(
    source: ResolvedCheckpoint, device: str, dtype: str, image_size: int | None
) -> tuple[Exports, ExportedPart] | None:
    """The export of a checkpoint for this dtype; None where there is none that runs here: another device, OpenVINO not
    installed, bfloat16 on a processor without it."""
    place = resolve_device(device, dtype)
    if place != "cpu" or not has_extra("openvino"):
        return None
    kind = chosen_dtype(source, place) if dtype == "auto" else dtype
    if kind == "bfloat16" and not has_bfloat16():
        return None
    exports = exports_of(source, image_size)
    part = exports.part(kind)
    return None if part is None else (exports, part)


def exports_of(source: ResolvedCheckpoint, image_size: int | None) -> Exports:
    """What is exported of a checkpoint. Cost: its fingerprint, which is remembered."""
    sizes = parse_sizes(config_of(source))
    native = sizes.vision.image if sizes is not None else 0
    return find_exports(source, fingerprint_of(source.weights, source.companions), image_size or native)


def make_export(
    name: str | Path,
    dtype: str,
    image_size: int | None,
    pictures: Pictures,
    told: Callable[[str], None] = lambda text: None,
) -> tuple[Exports, ExportedPart]:
    """Export a checkpoint in ``dtype`` ("float32", "bfloat16" or "int8"), whatever is there already. Raises what
    `imgsearch.model.load_model` and `imgsearch.model.runtimes.openvino.export.export_model` raise."""
    with needs_extra(f"exporting {name} for OpenVINO", "torch"):
        from imgsearch.model.runtimes.openvino.export import (
            CalibrationImages,
            check_processor,
            export_model,
            write_rest,
        )
        from imgsearch.model.runtimes.torch.checkpoint import load
    from imgsearch.model.runtimes.openvino.package import openvino

    openvino(f"exporting {name}")
    check_processor(dtype)
    source = find_source(name)
    told(f"loading {name} in float32")
    model = load(name, "cpu", "float32", image_size)
    exports = exports_of(source, image_size)
    part = export_model(model, exports, dtype, CalibrationImages(*pictures(model.image_size)), told)
    if read_without_torch(source, "cpu", "float32", image_size) is None:
        write_rest(model, exports)
    return exports_of(source, image_size), part


def int8_of(name: str | Path, image_size: int | None) -> str:
    """The dtype of a checkpoint's newest int8 export: "int8-" and its digest. Raises ModelUnavailable where there is
    none, ExtraMissing without OpenVINO."""
    part = exports_of(find_source(name), image_size).part("int8")
    if part is None:
        from imgsearch.model.runtimes.openvino.package import openvino

        openvino(f"the model {name} in int8")
        raise ModelUnavailable(
            f"the model {name} has not been exported in int8 on this computer",
            f"imgsearch models export {name} --dtype int8",
        )
    return part.dtype


def _weights(source: ResolvedCheckpoint, exports: Exports, image_size: int | None) -> tuple[Weights, Blip2Sizes] | None:
    """What NumPy reads beside the graphs: the checkpoint's own tensors, or those of the Q-Former that were written
    down."""
    if exports.rest is None:
        return read_without_torch(source, "cpu", "float32", image_size)
    sizes = read_sizes(exports.config)
    mend = f"remove {exports.folder}, and export again"
    if sizes is None:
        raise CheckpointInvalid(f"{exports.folder} describes no model that is known here", mend)
    weights = Weights([read_tensor_file(exports.rest, mend)])
    missing = [name for name, _ in expected_shapes(sizes) if name not in weights.shapes]
    if any(not name.startswith("vision_model.") for name in missing):
        raise CheckpointInvalid(f"{exports.rest} lacks weights", mend)
    return weights, sizes
