"""From a source to a loaded `Blip2Model`, and back to a directory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from imgsearch.errors import CheckpointInvalid, NotEnoughMemory, UsageError
from imgsearch.model.checkpoints.config import Blip2Sizes, expected_shapes, parse_sizes, reads_text
from imgsearch.model.checkpoints.identity import check_arguments, chosen_dtype, make_id, resolve_device
from imgsearch.model.checkpoints.lavis import read_lavis
from imgsearch.model.checkpoints.lavis_vit import as_tensor, check_image_size, interpolate_positions
from imgsearch.model.checkpoints.resolve import ResolvedCheckpoint, find_source
from imgsearch.model.checkpoints.soundness import mend_of, tokenizer_of
from imgsearch.model.checkpoints.writing import write_json, write_processor
from imgsearch.model.contract import Purpose
from imgsearch.model.memory import available_bytes, check_memory
from imgsearch.model.runtimes.faithful import image_bytes
from imgsearch.model.runtimes.torch.blip2 import Blip2Model
from imgsearch.model.runtimes.torch.layers import ACTIVATIONS
from imgsearch.model.runtimes.torch.network import Blip2Network, empty_network
from imgsearch.model.runtimes.torch.weights import Filling, Later, Sources, directory_tensors
from imgsearch.model.tokenizer import TextTokenizer, require_own_vocabulary

_POSITIONS = "vision_model.embeddings.position_embedding"
_SMALLER = "close other programs, or take a smaller model (`imgsearch models` lists what each needs)"

_LATER: dict[Purpose, Later] = {
    "any": None,
    "index": frozenset({"texts"}),
    "search": frozenset({"vision", "images", "texts"}),
}


def load(name: str | Path, device: str, dtype: str, image_size: int | None, purpose: Purpose = "any") -> Blip2Model:
    """What `imgsearch.model.load_model` does."""
    check_arguments(device, dtype, image_size)
    if dtype.startswith("int8"):
        raise UsageError(f"received dtype {dtype}, which torch does not compute here", "leave the runtime to OpenVINO")
    place = torch.device(resolve_device(device))
    source = find_source(name)
    kind = getattr(torch, chosen_dtype(source, str(place)) if dtype == "auto" else dtype)
    config, sources = _open(source, image_size)
    sizes = _sizes(config, source)
    tokenizer = _tokenizer(source, sizes)
    try:
        network = _loaded(source, sizes, sources, place, kind, _LATER[purpose])
    except (MemoryError, torch.OutOfMemoryError) as exc:
        raise NotEnoughMemory(f"{source.name} does not fit into the memory of {place}", _SMALLER) from exc
    except RuntimeError as exc:
        if "allocate memory" in str(exc) or "not enough memory" in str(exc):
            raise NotEnoughMemory(f"{source.name} does not fit into the memory of {place}", _SMALLER) from exc
        raise
    dtype = str(kind).removeprefix("torch.")
    model_id = make_id(source, dtype, sizes.tokens, sizes.dims, sizes.vision.image)
    return Blip2Model(network, sizes, config, tokenizer, model_id)


def export(model: Blip2Model, folder: Path) -> None:
    """What `imgsearch.model.export_directory` does. Weights keep the model's dtype."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    # Copies: parts of a fused weight share its memory, which the format does not take.
    state = {name: slot.detach().cpu().clone() for name, slot in model.slots().items()}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    write_json(folder / "config.json", {**model.config, "dtype": model.dtype})
    model.tokenizer.pieces.save(str(folder / "tokenizer.json"))
    write_processor(folder, model.image_size)
    write_json(
        folder / "tokenizer_config.json",
        {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "bos_token": "[DEC]"},
    )


def _open(source: ResolvedCheckpoint, image_size: int | None) -> tuple[dict[str, Any], Sources]:
    """The config at ``image_size``, and the tensors, none read yet."""
    if source.kind == "lavis":
        lavis = read_lavis(source.path, image_size)
        return lavis.config, lavis.tensors()
    sizes = parse_sizes(source.config)
    if sizes is None or image_size is None or image_size == sizes.vision.image:
        return source.config, directory_tensors(source)
    check_image_size(image_size, sizes.vision.patch)
    vision = {**(source.config.get("vision_config") or {}), "image_size": image_size}
    return {**source.config, "vision_config": vision}, _resized(directory_tensors(source), sizes, image_size)


def _resized(tensors: Sources, sizes: Blip2Sizes, image_size: int) -> Iterator[tuple[str, Any]]:
    """The tensors for images of another size: the position table interpolated as LAVIS does."""
    native = (1, sizes.vision.positions, sizes.vision.width)
    for name, value in tensors:
        if name == _POSITIONS and tuple(value.shape) == native:
            grid = image_size // sizes.vision.patch
            yield name, interpolate_positions(as_tensor(value), grid, sizes.vision.aligned_corners)
        else:
            yield name, value


def _sizes(config: dict[str, Any], source: ResolvedCheckpoint) -> Blip2Sizes:
    """What a config describes. Raises CheckpointInvalid where it is nothing that is computed here."""
    sizes = parse_sizes(config)
    if sizes is None:
        reason = "its sizes are not whole numbers above 0 that fit together"
    elif not reads_text(config):
        reason = "its Q-Former reads no text (use_qformer_text_input)"
    else:
        unknown = {sizes.vision.activation, sizes.qformer.activation} - ACTIVATIONS.keys()
        if not unknown:
            return sizes
        reason = f"{', '.join(sorted(unknown))} is no activation that is known here ({', '.join(ACTIVATIONS)})"
    raise CheckpointInvalid(f"the config of {source.path} makes no sense: {reason}", mend_of(source))


def _loaded(
    source: ResolvedCheckpoint,
    sizes: Blip2Sizes,
    sources: Sources,
    place: torch.device,
    kind: torch.dtype,
    later: Later,
) -> Blip2Network:
    later = later if place.type == "cpu" else None
    if later is not None and kind == torch.float32:
        needed = image_bytes(source, sizes)
    else:
        needed = sum(math.prod(shape) for _, shape in expected_shapes(sizes)) * kind.itemsize
    free = torch.cuda.mem_get_info(place)[0] if place.type == "cuda" else available_bytes()
    check_memory(needed, free, "RAM" if place.type != "cuda" else f"memory on {place}", _SMALLER)
    network = empty_network(sizes, place, kind)
    Filling(network, sources, source, later).run()
    return network


def _tokenizer(source: ResolvedCheckpoint, sizes: Blip2Sizes) -> TextTokenizer:
    """Raises CheckpointInvalid for a vocabulary of another model."""
    lavis = source.kind == "lavis"
    tokenizer = tokenizer_of(source)
    mend = "put the vocab.txt that belongs to the checkpoint beside it" if lavis else mend_of(source)
    require_own_vocabulary(tokenizer, sizes.qformer.vocabulary, mend, lavis=lavis)
    return tokenizer
