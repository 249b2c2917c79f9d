"""Whether a checkpoint can be read without torch, and if so, the model. No torch."""

from __future__ import annotations

from pathlib import Path

from imgsearch.model.checkpoints.config import Blip2Sizes, expected_shapes, read_sizes
from imgsearch.model.checkpoints.identity import check_arguments, chosen_dtype, make_id, resolve_device
from imgsearch.model.checkpoints.resolve import ResolvedCheckpoint, find_source
from imgsearch.model.checkpoints.soundness import mend_of
from imgsearch.model.runtimes.numpy.model import NumpyModel
from imgsearch.model.runtimes.numpy.weights import Weights
from imgsearch.model.tokenizer import read_tokenizer, require_own_vocabulary


def open_numpy(
    name: str | Path, device: str, dtype: str, image_size: int | None, *, stands_in: bool = False
) -> NumpyModel | None:
    """The model that `load_model` would give, without torch; None where torch is needed: a GPU, another dtype than
    float32, a LAVIS ``.pth``, a ``.bin``, an architecture or a storage dtype that is not read here, or a checkpoint
    with something wrong, of which `load_model` then tells. ``stands_in``: other dtypes on a CPU too.

    Raises as `load_model` does on bad arguments, unknown names and missing files. Cost: the headers of the weight
    files; nothing else is read."""
    check_arguments(device, dtype, image_size)
    place = resolve_device(device, dtype)
    if place != "cpu" or not (stands_in or dtype in ("auto", "float32")):
        return None
    source = find_source(name)
    kind = chosen_dtype(source, place) if dtype == "auto" else dtype
    if kind != "float32" and not stands_in:
        return None
    readable = read_without_torch(source, place, "float32", image_size)
    if readable is None:
        return None
    weights, sizes = readable
    tokenizer = read_tokenizer(source.path)
    require_own_vocabulary(tokenizer, sizes.qformer.vocabulary, mend_of(source))
    model_id = make_id(source, kind, sizes.tokens, sizes.dims, sizes.vision.image)
    return NumpyModel(weights, sizes, tokenizer, model_id)


def read_without_torch(
    source: ResolvedCheckpoint, device: str, dtype: str, image_size: int | None
) -> tuple[Weights, Blip2Sizes] | None:
    """The weights of a checkpoint, none read yet, and its sizes at ``image_size``; None where NumPy does not do."""
    if device != "cpu" or dtype != "float32" or source.kind != "directory" or not source.tensor_files:
        return None
    sizes = read_sizes(source.config)
    if sizes is None:
        return None
    try:
        weights = Weights(source.tensor_files)
    except (ValueError, KeyError, TypeError, AttributeError):  # a header that is damaged
        return None
    if not expected_shapes_hold(sizes, weights):
        return None
    if image_size is not None and image_size != sizes.vision.image:
        if image_size < sizes.vision.patch or image_size % sizes.vision.patch:
            return None
        sizes = sizes.at(image_size)
    return weights, sizes


def expected_shapes_hold(sizes: Blip2Sizes, weights: Weights) -> bool:
    """Whether every tensor is there, in the shape that the config asks for."""
    found = weights.shapes
    return all(found.get(name) == shape for name, shape in expected_shapes(sizes))
