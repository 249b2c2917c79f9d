"""From pixels and text to vectors and match scores.

Importing this loads no torch; `load_model` does. See `imgsearch.model.contract` for what a model answers.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from imgsearch.extras import needs_extra
from imgsearch.records import ModelId

if TYPE_CHECKING:
    from imgsearch.model.checkpoints.known import KnownModel
    from imgsearch.model.contract import Purpose
    from imgsearch.model.runtime_profile import RuntimeProfile
    from imgsearch.model.runtimes.numpy.model import NumpyModel
    from imgsearch.model.runtimes.openvino.model import OpenVinoModel
    from imgsearch.model.runtimes.torch.blip2 import Blip2Model

__all__ = [
    "check_model",
    "export_directory",
    "int8_of",
    "known_models",
    "load_model",
    "model_id_of",
    "open_numpy",
    "open_openvino",
    "profile_for",
    "same_vectors",
    "shipped_calibration",
]


def load_model(
    name: str | Path,
    device: str = "auto",
    dtype: str = "auto",
    image_size: int | None = None,
    purpose: Purpose = "any",
) -> Blip2Model:
    """Load a BLIP-2: "mini", "blip2", "blip2-coco", "blip2-vitl", a Hugging Face id that is in the local cache, a
    directory, or a LAVIS ``.pth``. Never downloads, never takes another model in its place.

    ``device`` "auto" is CUDA where there is one, else the CPU; ``dtype`` "auto" is bfloat16 on CUDA, float32 elsewhere.
    With ``image_size`` (pixels) the ViT's position table is interpolated where it differs.

    ``purpose`` saves memory and time on a CPU, with the same answers to the bit: "index" reads what texts alone need
    when the first text comes, "search" also the ViT and the rest of what images need when the first image comes; both
    keep matrices whose numbers are 16-bit floats in 16 bits, and widen each when it is used.

    Raises UsageError (a bad argument), ModelUnavailable (unknown name, weights not here or half downloaded),
    CheckpointInvalid (another architecture, damaged, unsafe), NotEnoughMemory, and ExtraMissing without torch.
    """
    # With other work on the cores (decode workers) OpenMP's busy waiting made encoding 4 to 7 times slower: 160 against
    # 21 to 62 images/s on 2 shared cores. OpenMP reads this when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    with needs_extra(f"the model {name} (device {device}, dtype {dtype})", "torch"):
        from imgsearch.model.runtimes.torch.checkpoint import load

    return load(name, device, dtype, image_size, purpose)


def open_numpy(
    name: str | Path,
    device: str = "auto",
    dtype: str = "auto",
    image_size: int | None = None,
    *,
    stands_in: bool = False,
) -> NumpyModel | None:
    """The same model with the same answers (to 1e-5), computed in NumPy without importing torch; None where only
    `load_model` can give it: a GPU, another dtype than float32, a LAVIS ``.pth``, anything unknown. Raises as
    `load_model` does on bad arguments, unknown names and missing files.

    With ``stands_in`` it is given for bfloat16, float16 and int8 on a CPU too: it computes in float32, closer to what
    these round, and passes for a model of that arithmetic. For searches, never for vectors that are stored: a vector is
    off by at most 4e-3 and a matching logit by 0.05, for int8 by what its export's check says."""
    from imgsearch.model.runtimes.numpy.opening import open_numpy as opened

    return opened(name, device, dtype, image_size, stands_in=stands_in)


def open_openvino(
    name: str | Path, device: str = "auto", dtype: str = "auto", image_size: int | None = None
) -> OpenVinoModel | None:
    """The model with its ViT and image branch on OpenVINO: ``dtype`` "float32", "bfloat16", or "int8", which is the
    newest export's, or "int8-" and the digest of one. None where it has not been exported
    (`imgsearch models export`), OpenVINO is not installed, the device is another than the CPU, or the processor has no
    bfloat16. Raises as `load_model` does on bad arguments, unknown names and missing files."""
    from imgsearch.model.runtimes.openvino.opening import open_openvino as opened

    return opened(name, device, dtype, image_size)


def model_id_of(name: str | Path, device: str = "auto", dtype: str = "auto", image_size: int | None = None) -> ModelId:
    """The `ModelId` that `load_model` would give, without loading weights. Raises as `load_model` does."""
    from imgsearch.model.checkpoints.identity import identify

    return identify(name, device, dtype, image_size)


def int8_of(name: str | Path, image_size: int | None = None) -> str:
    """The dtype that stands for a model's newest int8 export here: "int8-" and the digest of its numbers. Raises
    ModelUnavailable where there is none, ExtraMissing without OpenVINO."""
    from imgsearch.model.runtimes.openvino.opening import int8_of as found

    return found(name, image_size)


def profile_for(
    name: str | Path,
    device: str = "auto",
    dtype: str = "auto",
    image_size: int | None = None,
    runtime: str = "auto",
) -> RuntimeProfile:
    """What would answer a search with this model here, what it costs, and the defaults that follow. Loads no weights.
    Raises as `load_model` does on bad arguments, unknown names and missing files."""
    from imgsearch.model.runtimes.choice import profile_for as chosen

    return chosen(name, device, dtype, image_size, runtime)


def check_model(name: str | Path) -> None:
    """Raise what `load_model` would for a checkpoint that is not whole, or whose tokenizer is another model's; see
    `imgsearch.model.checkpoints.soundness`."""
    from imgsearch.model.checkpoints.soundness import check_checkpoint

    check_checkpoint(name)


def same_vectors(one: ModelId, other: ModelId) -> bool:
    """Whether vectors of the two may be compared: all is equal but the name and the arithmetic's dtype."""
    return (one.fingerprint, one.recipe, one.query_tokens, one.dims) == (
        other.fingerprint,
        other.recipe,
        other.query_tokens,
        other.dims,
    )


def shipped_calibration(model: ModelId) -> str | None:
    """What lies in ``calibration.json`` beside a model's weights: the rule that says which of its hits are confident,
    as `imgsearch.search.calibration` writes it. None where there is none, or it is of other weights."""
    from imgsearch.model.checkpoints.resolve import read_calibration

    return read_calibration(model)


def known_models() -> list[KnownModel]:
    """The models that have a short name."""
    from imgsearch.model.checkpoints.known import KNOWN

    return list(KNOWN.values())


def export_directory(model: Blip2Model, folder: Path) -> None:
    """Write a loaded model as an ordinary Hugging Face directory, which `load_model` reads to the same answers."""
    from imgsearch.model.runtimes.torch.checkpoint import export

    export(model, folder)
