"""Which weights are 16-bit numbers stored as float32: they are, exactly, in half of the memory. No torch.

LAVIS computes its frozen ViTs in float16, so many files hold float16 values in four bytes each. A few numbers of a
tensor tell what it cannot be; whoever keeps it in 16 bits checks them all (`imgsearch.model.runtimes.torch.weights`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import IO

import numpy as np

from imgsearch.errors import ImgsearchError
from imgsearch.model.checkpoints.config import Blip2Sizes, expected_shapes
from imgsearch.model.checkpoints.pickled import read_pickled
from imgsearch.model.checkpoints.resolve import ResolvedCheckpoint
from imgsearch.model.checkpoints.tensor_files import FloatTensor, float_tensors, read_floats
from imgsearch.records import Float32

_PLACES, _RUN = 3, 1024
"""A tensor is sampled at its beginning, middle and end. Of float32 values as training leaves them one in 8,192 is a
float16, so that 3,072 numbers never pass by chance."""

_IN_QFORMER = r"(?:qformer|Qformer\.bert)\.encoder\.layer\.\d+\."
_IN_VIT = r"(?:vision_model\.encoder\.layers|(?:visual_encoder\.)?(?:blocks|transformer\.resblocks))\.(\d+)\."
_MATRIX = re.compile(rf"(?:{_IN_QFORMER}|{_IN_VIT}).*weight")
"""The matrices of a layer, in a directory's names and in LAVIS's: what is kept in 16 bits where it can be."""

_TEXTS = re.compile(
    rf"embeddings\.(?:word|position)_embeddings\.weight|(?:text_projection|itm_head)\.|{_IN_QFORMER}(?:intermediate|output)\."
)


_IMAGES = re.compile(
    rf"query_tokens|vision_projection\.|{_IN_QFORMER}(?:intermediate_query|output_query|crossattention)\."
)


def part_of(name: str) -> str:
    """The part of a model that needs a tensor, by its name in transformers' Blip2ForImageTextRetrieval: "vision" (the
    ViT), "images" (the Q-Former, where there is an image), "texts" (where there is a text), "shared"."""
    if name.startswith("vision_model."):
        return "vision"
    if _TEXTS.match(name):
        return "texts"
    return "images" if _IMAGES.match(name) else "shared"


def narrow_kind(tensor: FloatTensor, file: IO[bytes] | None = None) -> str | None:
    """ "bfloat16" or "float16" where a tensor of float32 seems to hold such values alone, or is stored so; else None.
    ``file`` is its file where that is open already. Cost: three short reads."""
    if tensor.kind in ("F16", "BF16"):
        return "float16" if tensor.kind == "F16" else "bfloat16"
    if tensor.kind != "F32":
        return None
    count = math.prod(tensor.shape)
    firsts = [0] if count <= _PLACES * _RUN else [0, count // 2, count - _RUN]
    run = count if len(firsts) == 1 else _RUN
    if file is None:
        with tensor.path.open("rb", buffering=0) as opened:
            return _kind_of([read_floats(tensor, first, run, opened) for first in firsts])
    return _kind_of([read_floats(tensor, first, run, file) for first in firsts])


def _kind_of(samples: Iterable[Float32]) -> str | None:
    values = np.concatenate(list(samples))
    bits = values.view(np.uint32)
    if not (bits & np.uint32(0xFFFF)).any():
        return "bfloat16"
    with np.errstate(over="ignore", invalid="ignore"):
        again = values.astype(np.float16).astype(np.float32)
    return "float16" if np.array_equal(again.view(np.uint32), bits) else None


def image_bytes(source: ResolvedCheckpoint, sizes: Blip2Sizes) -> int:
    """Bytes of memory that the weights which images need take in float32 on the CPU, as torch keeps them: 2 bytes a
    number for matrices that hold 16-bit floats. Cost: a few KB of each matrix; 0.1 s for a full-size model whose file
    is in the system's cache."""
    wanted = sum(math.prod(shape) for name, shape in expected_shapes(sizes) if part_of(name) != "texts")
    try:
        narrow = sum(math.prod(tensor.shape) for tensor in _matrices(source, sizes) if narrow_kind(tensor) is not None)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ImgsearchError):
        narrow = 0
    return 4 * wanted - 2 * narrow


def _matrices(source: ResolvedCheckpoint, sizes: Blip2Sizes) -> Iterable[FloatTensor]:
    found: dict[str, FloatTensor] = {}
    for file in source.tensor_files:
        found |= float_tensors(file)
    if not source.tensor_files:
        for path in source.weights:
            found |= read_pickled(path) or {}
    for name, tensor in found.items():
        match = _MATRIX.fullmatch(name)
        if match is None or len(tensor.shape) != 2 or part_of(name) == "texts":
            continue
        if match[1] is None or int(match[1]) < sizes.vision.layers:  # LAVIS's files of the ViTs have one block more
            yield tensor
