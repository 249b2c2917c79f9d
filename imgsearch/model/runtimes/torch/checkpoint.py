"""From a source to a loaded `Blip2Model`, and back to a directory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from transformers import Blip2Config, Blip2ForImageTextRetrieval

from imgsearch.errors import CheckpointInvalid, ImgsearchError, NotEnoughMemory
from imgsearch.media.preprocess import PIXEL_MEAN, PIXEL_STD
from imgsearch.model.checkpoints.identity import check_arguments, default_dtype, make_id, resolve_device
from imgsearch.model.checkpoints.lavis import read_lavis, read_state
from imgsearch.model.checkpoints.lavis_vit import as_tensor, check_image_size, interpolate_positions
from imgsearch.model.checkpoints.resolve import ResolvedCheckpoint, find_source
from imgsearch.model.checkpoints.soundness import mend_of
from imgsearch.model.memory import available_bytes, check_memory
from imgsearch.model.runtimes.torch.blip2 import Blip2Model
from imgsearch.model.tokenizer import TextTokenizer, read_tokenizer, read_vocabulary, require_own_vocabulary

_POSITIONS = "vision_model.embeddings.position_embedding"
_SMALLER = "close other programs, or take a smaller model (`imgsearch models` lists what each needs)"

Tensors = Iterable[tuple[str, torch.Tensor]]


def load(name: str | Path, device: str, dtype: str, image_size: int | None) -> Blip2Model:
    """What `imgsearch.model.load_model` does."""
    check_arguments(device, dtype, image_size)
    place = torch.device(resolve_device(device))
    kind = getattr(torch, default_dtype(str(place)) if dtype == "auto" else dtype)
    source = find_source(name)
    try:
        network, tokenizer = _open(source, place, kind, image_size)
    except (MemoryError, torch.OutOfMemoryError) as exc:
        raise NotEnoughMemory(f"{source.name} does not fit into the memory of {place}", _SMALLER) from exc
    except RuntimeError as exc:
        if "allocate memory" in str(exc) or "not enough memory" in str(exc):
            raise NotEnoughMemory(f"{source.name} does not fit into the memory of {place}", _SMALLER) from exc
        raise
    _check_vocabulary(tokenizer, network, source)
    config = network.config
    model_id = make_id(
        source,
        str(kind).removeprefix("torch."),
        config.num_query_tokens,
        config.image_text_hidden_size,
        config.vision_config.image_size,
    )
    return Blip2Model(network, tokenizer, model_id)


def export(model: Blip2Model, folder: Path) -> None:
    """What `imgsearch.model.export_directory` does. Weights keep the model's dtype."""
    folder.mkdir(parents=True, exist_ok=True)
    network = model.network
    state = {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads(network.config.to_json_string(use_diff=False))
    _write_json(folder / "config.json", {**config, "architectures": ["Blip2ForImageTextRetrieval"]})
    model.tokenizer.pieces.save(str(folder / "tokenizer.json"))
    side = {"height": model.image_size, "width": model.image_size}
    _write_json(
        folder / "preprocessor_config.json",
        {
            "image_processor_type": "BlipImageProcessor",
            "size": side,
            "resample": 3,
            "image_mean": list(PIXEL_MEAN),
            "image_std": list(PIXEL_STD),
        },
    )
    _write_json(
        folder / "tokenizer_config.json",
        {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "bos_token": "[DEC]"},
    )


def _open(
    source: ResolvedCheckpoint, place: torch.device, kind: torch.dtype, image_size: int | None
) -> tuple[Any, TextTokenizer]:
    if source.kind == "lavis":
        lavis = read_lavis(source.path, image_size)
        network = empty_network(Blip2ForImageTextRetrieval, lavis.config, source)
        _fill(network, lavis.tensors(), place, kind, source)
        return network, read_vocabulary(source.companions[0])
    network = empty_network(Blip2ForImageTextRetrieval, source.config, source)
    _fill(network, _directory_tensors(source), place, kind, source)
    if image_size is not None:
        resize_positions(network, image_size)
    return network, read_tokenizer(source.path)


def empty_network(
    architecture: Any, config: dict[str, Any], source: ResolvedCheckpoint, mend: Callable[[Any], None] | None = None
) -> Any:
    """A network of ``architecture`` (one of transformers' BLIP-2 classes) without memory behind its weights, in eval
    mode, with scaled-dot-product attention. ``mend`` may change the parsed config first. Raises CheckpointInvalid."""
    try:
        parsed = Blip2Config.from_dict(config)
        if mend is not None:
            mend(parsed)
        parsed._attn_implementation = "sdpa"
        with torch.device("meta"):
            network = architecture(parsed)
    except ImgsearchError:
        raise
    except Exception as exc:
        reason = str(exc).strip().splitlines()[0] if str(exc).strip() else type(exc).__name__
        raise CheckpointInvalid(f"the config of {source.path} makes no sense: {reason}", mend_of(source)) from exc
    # LAVIS's last norm has an epsilon of its own; our converted directories keep it in the config.
    epsilon = getattr(parsed.vision_config, "post_layer_norm_eps", None)
    if epsilon is not None:
        network.vision_model.post_layernorm.eps = float(epsilon)
    return network.eval().requires_grad_(False)


def _fill(network: Any, tensors: Tensors, place: torch.device, kind: torch.dtype, source: ResolvedCheckpoint) -> None:
    """Give every parameter its values, cast and moved one by one."""
    wanted = dict(network.state_dict())
    needed = sum(value.numel() for value in wanted.values()) * kind.itemsize
    free = torch.cuda.mem_get_info(place)[0] if place.type == "cuda" else available_bytes()
    check_memory(needed, free, "RAM" if place.type != "cuda" else f"memory on {place}", _SMALLER)
    state = {}
    for name, stored in tensors:
        if name not in wanted:
            continue
        value = as_tensor(stored)
        if value.shape != wanted[name].shape:
            raise CheckpointInvalid(
                f"in {source.path} {name} is {list(value.shape)}, expected {list(wanted[name].shape)}",
                mend_of(source),
            )
        # A copy, never the mapped file: whoever overwrites the file would pull the weights from under us.
        state[name] = value.to(place, kind, copy=True).contiguous()
    missing = sorted(set(wanted) - set(state))
    if missing:
        raise CheckpointInvalid(
            f"{source.path} lacks {len(missing)} of {len(wanted)} weights ({missing[0]})", mend_of(source)
        )
    network.load_state_dict(state, assign=True)
    positions = network.config.qformer_config.max_position_embeddings
    network.embeddings.position_ids = torch.arange(positions, device=place).expand((1, -1))


def _directory_tensors(source: ResolvedCheckpoint) -> Iterator[tuple[str, torch.Tensor]]:
    for path in source.weights:
        if path.suffix != ".safetensors":
            yield from read_state(path).items()
            continue
        try:
            with safe_open(path, framework="pt", device="cpu") as file:
                for name in file.keys():  # noqa: SIM118 - not a mapping
                    yield name, file.get_tensor(name)
        except (SafetensorError, OSError) as exc:
            raise CheckpointInvalid(f"{path} cannot be read: {exc}", mend_of(source)) from exc


def resize_positions(network: Any, image_size: int) -> None:
    """Use a loaded network at another image size: its position table interpolated as LAVIS does."""
    vision = network.config.vision_config
    if vision.image_size == image_size:
        return
    check_image_size(image_size, vision.patch_size)
    table = network.get_parameter(_POSITIONS)
    resized = interpolate_positions(table, image_size // vision.patch_size).to(table.dtype)
    embeddings = network.vision_model.embeddings
    embeddings.position_embedding = torch.nn.Parameter(resized, requires_grad=False)
    embeddings.image_size = vision.image_size = image_size
    embeddings.num_patches = (image_size // vision.patch_size) ** 2
    embeddings.num_positions = embeddings.num_patches + 1


def _check_vocabulary(tokenizer: TextTokenizer, network: Any, source: ResolvedCheckpoint) -> None:
    """Raise CheckpointInvalid for a vocabulary of another model."""
    rows = network.config.qformer_config.vocab_size
    mend = "put the vocab.txt that belongs to the checkpoint beside it" if source.kind == "lavis" else mend_of(source)
    require_own_vocabulary(tokenizer, rows, mend, lavis=source.kind == "lavis")


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
