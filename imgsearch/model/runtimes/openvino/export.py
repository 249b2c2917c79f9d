"""A checkpoint's ViT and image branch as OpenVINO graphs, written once and compared with torch. Imports torch, and for
int8 NNCF."""

from __future__ import annotations

import contextlib
import hashlib
import io
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from imgsearch.errors import CheckpointInvalid, UsageError
from imgsearch.extras import needs_extra
from imgsearch.files import drafted, fsync_folder, replacing
from imgsearch.model.cpu import has_bfloat16
from imgsearch.model.runtimes.costs import profile_of
from imgsearch.model.runtimes.openvino.calibration import COMPARED_PICTURES
from imgsearch.model.runtimes.openvino.exports import ExportedPart, Exports
from imgsearch.model.runtimes.openvino.package import Graph, openvino, rest_precision
from imgsearch.model.runtimes.torch.blip2 import Blip2Model
from imgsearch.model.runtimes.torch.network import Blip2Network
from imgsearch.records import Float32, UInt8

LEAST_COSINE = {"float32": (0.999999, 0.99999), "bfloat16": (0.999, 0.99), "int8": (0.99, 0.9)}
"""Mean and least cosine of the tokens, below which an export is refused. Random weights give int8 0.9996 in the
mean."""

_DIGEST = 8


@dataclass(frozen=True, slots=True)
class CalibrationImages:
    """Pictures for int8, and for the comparison: uint8 [n, S, S, 3]; ``words`` says what they are."""

    pictures: UInt8
    words: str


class _Tokens(torch.nn.Module):
    """Features [B, N, W] -> vectors [B, T, D] of norm 1."""

    def __init__(self, network: Blip2Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        states = self.network.qformer.read_images(self.network.query_tokens, features)
        return F.normalize(self.network.vision_projection(states), dim=-1)


def check_processor(dtype: str) -> None:
    """Raise UsageError for bfloat16 on a processor without it."""
    if dtype == "bfloat16" and not has_bfloat16():
        raise UsageError(
            "this processor has no instructions for bfloat16 (avx512_bf16, AMX): OpenVINO would compute in float32",
            "take --dtype float32 or int8",
        )


def export_model(
    model: Blip2Model, exports: Exports, dtype: str, calibration: CalibrationImages, told: Callable[[str], None]
) -> ExportedPart:
    """Export a loaded float32 model's ``dtype`` ("float32", "bfloat16", "int8") into the folder of ``exports``, unless
    torch's answers say that it is off. Returns its part, whose dtype carries the digest of an int8.

    Raises UsageError for bfloat16 on a processor without it, CheckpointInvalid where the answers differ, ExtraMissing,
    StorageFull. Cost at full size on two cores: a minute; int8 some ten; the weights in memory twice."""
    check_processor(dtype)
    told("tracing the ViT")
    vision = _traced(model.parts.vision, (3, model.image_size, model.image_size))
    tokens = _traced(_Tokens(model.parts), (model.sizes.vision.positions, model.sizes.vision.width))
    if dtype == "int8":
        told(f"calibrating int8 on {calibration.words}")
        vision = _quantised(vision, model, calibration.pictures)
    told("comparing with torch")
    found = _compared(model, vision, tokens, dtype, calibration.pictures)
    told("writing it down")
    exports.folder.mkdir(parents=True, exist_ok=True)
    stem, dtype = _saved(vision, exports.folder, dtype)
    if not exports.folder.joinpath("tokens.bin").is_file():
        _save(tokens, exports.folder, "tokens")
    binary = exports.folder / f"{stem}.bin"
    words = calibration.words if dtype.startswith("int8") else ""
    part = ExportedPart(
        dtype, stem, binary.stat().st_size, found.cosine, found.rate, found.torch_rate, found.processor, words
    )
    return exports.with_part(part, model.config).parts[dtype]


def write_rest(model: Blip2Model, exports: Exports) -> None:
    """The weights beside the ViT's, for a checkpoint whose own file NumPy does not read."""
    from safetensors.torch import save

    state = {name: slot.clone() for name, slot in model.slots().items() if not name.startswith("vision_model.")}
    exports.folder.mkdir(parents=True, exist_ok=True)
    with replacing(exports.folder / "rest.safetensors") as file:
        file.write(save(state, metadata={"format": "pt"}))
    model.tokenizer.pieces.save(str(exports.folder / "tokenizer.json"))


def _traced(module: torch.nn.Module, shape: tuple[int, ...]) -> Any:
    """The graph of a module for batches of any size."""
    package = openvino("exporting a model")
    # With an example of one image every batch size stays free; with two the trace has two.
    example = torch.zeros(1, *shape)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer's, about lengths that do not vary
        return package.convert_model(module, example_input=example, input=[package.PartialShape([-1, *shape])])


def _quantised(graph: Any, model: Blip2Model, pictures: UInt8) -> Any:
    with needs_extra("exporting int8", "openvino"):
        import nncf
    import logging

    logging.getLogger("nncf").setLevel(logging.ERROR)
    samples = [model.preprocess_arrays(one[None]).numpy() for one in pictures]
    with contextlib.redirect_stdout(io.StringIO()):  # where nncf draws bars, which would stand before a result as JSON
        return nncf.quantize(
            graph,
            nncf.Dataset(samples),
            subset_size=len(samples),
            model_type=nncf.ModelType.TRANSFORMER,  # with SmoothQuant; without it the error was four times as large
            preset=nncf.QuantizationPreset.MIXED,
        )


@dataclass(frozen=True, slots=True)
class _Comparison:
    cosine: tuple[float, float]
    rate: float
    torch_rate: float
    processor: str


def _compared(model: Blip2Model, vision: Any, tokens: Any, dtype: str, pictures: UInt8) -> _Comparison:
    """Raises CheckpointInvalid where the answers are further off than `LEAST_COSINE`."""
    from imgsearch.model.cpu import processor

    precision = rest_precision(dtype)
    see, read = (
        Graph(vision, precision),
        Graph(tokens, rest_precision("bfloat16" if dtype == "bfloat16" else "float32")),
    )
    pixels = model.preprocess_arrays(pictures[:COMPARED_PICTURES])
    see(pixels.numpy())  # a first batch of a size is slower
    start = time.process_time()
    expected = model.encode_images(pixels)
    middle = time.process_time()
    features = see(pixels.numpy())
    end = time.process_time()
    cosines = _cosines(read(features), np.asarray(model.embed_features(expected)))
    least_mean, least = LEAST_COSINE[dtype]
    mean, lowest = float(cosines.mean()), float(cosines.min())
    if not (mean >= least_mean and lowest >= least):
        raise CheckpointInvalid(
            f"the {dtype} export of {model.model_id.name} is off: the cosine of its tokens to torch's is {mean:.5f} in "
            f"the mean and {lowest:.4f} at least, expected {least_mean} and {least}",
            "take --dtype float32; for int8 calibrate on other pictures (--pictures FOLDER)",
        )
    work = len(pixels) * profile_of(model.sizes, "openvino", "cpu", "float32").image_gflop
    rates = [work / max(seconds, 1e-3) for seconds in (end - middle, middle - start)]
    return _Comparison((mean, lowest), rates[0], rates[1], processor())


def _cosines(ours: Float32, theirs: Float32) -> Float32:
    """Of tokens [B, T, D] -> [B, T]."""
    lengths = np.linalg.norm(ours, axis=-1) * np.linalg.norm(theirs, axis=-1)
    cosines: Float32 = (ours * theirs).sum(-1) / lengths
    return cosines


def _saved(vision: Any, folder: Path, dtype: str) -> tuple[str, str]:
    """Writes the ViT down; returns its stem, and its dtype with an int8's digest."""
    if dtype != "int8":
        _save(vision, folder, "vision-float32")
        return "vision-float32", dtype
    draft = "vision-int8-new"
    _save(vision, folder, draft)
    digest = hashlib.sha256()
    with (folder / f"{draft}.bin").open("rb") as file:
        while block := file.read(1 << 22):
            digest.update(block)
    digest.update(rest_precision("int8").encode())
    dtype = f"int8-{digest.hexdigest()[:_DIGEST]}"
    for end in (".bin", ".xml"):
        (folder / f"{draft}{end}").replace(folder / f"vision-{dtype}{end}")
    fsync_folder(folder)
    return f"vision-{dtype}", dtype


def _save(graph: Any, folder: Path, stem: str) -> None:
    """As float32: unless told otherwise OpenVINO stores float16, and is off by 1e-4."""
    package = openvino("exporting a model")
    with drafted(folder / f"{stem}.xml") as draft:
        package.save_model(graph, draft, compress_to_fp16=False)
        draft.with_suffix(".bin").replace(folder / f"{stem}.bin")
