"""From a generator's source to a loaded `Blip2Generator`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from transformers import Blip2Config, Blip2ForConditionalGeneration, GenerationConfig

from imgsearch.errors import CheckpointInvalid, ImgsearchError, NotEnoughMemory
from imgsearch.generation.blip2 import Blip2Generator
from imgsearch.generation.lavis import language_tensors, read_generator
from imgsearch.generation.sources import GeneratorSource, find_generator, read_config
from imgsearch.generation.tokenizer import Marks, PromptTokenizer, read_pieces
from imgsearch.model.checkpoint import resize_positions
from imgsearch.model.fingerprint import fingerprint_of
from imgsearch.model.identity import check_arguments, default_dtype, resolve_device
from imgsearch.model.lavis import read_state
from imgsearch.model.memory import available_bytes, check_memory
from imgsearch.model.soundness import mend_of

_SMALLER = "close other programs, take --dtype bfloat16 (half the memory), or a smaller generator"
_LINE_END = "\n"  # what ends a text of BLIP-2's OPT (Blip2OPT.eos_token_id)

Tensors = Iterable[tuple[str, torch.Tensor]]

# Weights that transformers gives one tensor under several names; a file need hold one of each row.
_OPT_TIED = ("language_model.model.decoder.embed_tokens.weight", "language_model.lm_head.weight")
_T5_TIED = tuple(f"language_model.{name}.weight" for name in ("shared", "encoder.embed_tokens", "decoder.embed_tokens"))


def load(
    name: str | Path, language_model: str | Path | None, device: str, dtype: str, image_size: int | None = None
) -> Blip2Generator:
    """What `imgsearch.generation.load_generator` does."""
    check_arguments(device, dtype, image_size)
    place = torch.device(resolve_device(device))
    kind = getattr(torch, default_dtype(str(place)) if dtype == "auto" else dtype)
    source = find_generator(name, language_model)
    try:
        network, tokenizer = _open(source, place, kind, image_size)
    except (MemoryError, torch.OutOfMemoryError) as exc:
        raise NotEnoughMemory(f"{source.name} does not fit into the memory of {place}", _SMALLER) from exc
    except RuntimeError as exc:
        if "allocate memory" in str(exc) or "not enough memory" in str(exc):
            raise NotEnoughMemory(f"{source.name} does not fit into the memory of {place}", _SMALLER) from exc
        raise
    return Blip2Generator(network, tokenizer, source.name, lambda: fingerprint_of(source.weights, source.companions))


def _open(
    source: GeneratorSource, place: torch.device, kind: torch.dtype, image_size: int | None
) -> tuple[Any, PromptTokenizer]:
    if source.kind == "directory":
        config = read_config(source.path)
        folder = source.path
        if config.get("num_query_tokens") is None:  # revisions from before 2024-11 do not say
            config["num_query_tokens"] = _query_tokens(source)
    else:
        assert source.language is not None
        folder = source.language
        lavis = read_generator(source.path, folder, image_size)
        config = lavis.config
    pieces = read_pieces(folder)
    network = _empty_network(config, source)
    tokenizer = PromptTokenizer(pieces, _marks(network.config.text_config, pieces, source, folder), folder)
    _settle(network, tokenizer, source)
    if source.kind == "directory":
        _fill(network, _file_tensors(source.weights, source), place, kind, source)
        if image_size is not None:
            resize_positions(network, image_size)
    else:
        language = replace(source, weights=source.language_weights)
        words = language_tensors(_file_tensors(language.weights, language), config["text_config"]["model_type"])
        _fill(network, _chain(words, lavis.tensors()), place, kind, source)
    return network, tokenizer


def _chain(*parts: Tensors) -> Iterator[tuple[str, torch.Tensor]]:
    for part in parts:
        yield from part


def _query_tokens(source: GeneratorSource) -> int:
    for name, value in _file_tensors(source.weights, source):
        if name == "query_tokens":
            return int(value.shape[1])
    raise CheckpointInvalid(f"{source.path} holds no query_tokens; it is not a whole BLIP-2", mend_of(source))


def _empty_network(config: dict[str, Any], source: GeneratorSource) -> Any:
    """The network without memory behind its weights, in eval mode, with scaled-dot-product attention."""
    text = dict(config.get("text_config") or {})
    if text.get("model_type") not in ("opt", "t5"):
        raise CheckpointInvalid(
            f"{source.path} has a language model of type {text.get('model_type')!r}; opt or t5 was expected",
            "BLIP-2 was published with OPT and Flan-T5",
        )
    for name in ("dtype", "torch_dtype", "architectures", "_name_or_path", "transformers_version"):
        text.pop(name, None)
    try:
        parsed = Blip2Config.from_dict({**config, "text_config": text})
        _mend_t5(parsed.text_config, text)
        parsed._attn_implementation = "sdpa"
        with torch.device("meta"):
            network = Blip2ForConditionalGeneration(parsed)
    except ImgsearchError:
        raise
    except Exception as exc:
        reason = str(exc).strip().splitlines()[0] if str(exc).strip() else type(exc).__name__
        raise CheckpointInvalid(f"the config of {source.path} makes no sense: {reason}", mend_of(source)) from exc
    # LAVIS's last norm has an epsilon of its own; converted directories keep it in the config.
    epsilon = getattr(parsed.vision_config, "post_layer_norm_eps", None)
    if epsilon is not None:
        network.vision_model.post_layernorm.eps = float(epsilon)
    return network.eval().requires_grad_(False)


def _mend_t5(parsed: Any, text: dict[str, Any]) -> None:
    """transformers 5 reads a T5's config anew; what the file says of these two is what its weights were trained by."""
    if parsed.model_type != "t5":
        return
    if "dense_act_fn" in text:
        parsed.dense_act_fn = text["dense_act_fn"]
    # Flan-T5's head is not its embedding, and its outputs are not scaled; only T5 1.0's are.
    parsed.scale_decoder_outputs = text.get("scale_decoder_outputs", text.get("tie_word_embeddings") is not False)


def _marks(text: Any, pieces: Any, source: GeneratorSource, folder: Path) -> Marks:
    """The ids around texts. Of OPT the end is what the config says, and of LAVIS's files the end of a line."""
    if text.model_type == "t5":
        end = _ids(text.eos_token_id) or (1,)
        return Marks(end=end, pad=_number(text.pad_token_id, 0), after=end[:1])
    start = _number(text.bos_token_id, 2)
    end = _ids(text.eos_token_id)
    if source.kind == "lavis" or not end:
        line_end = pieces.encode(_LINE_END, add_special_tokens=False).ids
        if len(line_end) != 1:
            raise CheckpointInvalid(
                f"the tokenizer in {folder} has no end of line of its own, with which BLIP-2's OPT ends its texts",
                "use the tokenizer that belongs to the language model",
            )
        end = (line_end[0],)
    return Marks(end=end, pad=_number(text.pad_token_id, 1), before=(start,))


def _ids(value: Any) -> tuple[int, ...]:
    if value is None:
        return ()
    return tuple(int(number) for number in value) if isinstance(value, (list, tuple)) else (int(value),)


def _number(value: Any, otherwise: int) -> int:
    return otherwise if value is None else int(value)


def _settle(network: Any, tokenizer: PromptTokenizer, source: GeneratorSource) -> None:
    """Ids that belong together: the tokenizer's, the embedding's rows, the picture's placeholder."""
    config, marks = network.config, tokenizer.marks
    text = config.text_config
    rows = int(text.vocab_size)
    highest = max(tokenizer.size - 1, marks.pad, *marks.end, *marks.before, *marks.after)
    if highest >= rows:
        raise CheckpointInvalid(
            f"the tokenizer in {tokenizer.origin} has ids up to {highest:,}, and the language model has {rows:,} word "
            "vectors: it is another model's",
            mend_of(source),
        )
    if config.image_token_index is None or not 0 <= config.image_token_index < rows:
        # Revisions from before 2024-11 have none. Its word vector is never read: any id that no text has will do.
        config.image_token_index = tokenizer.size if tokenizer.size < rows else marks.pad
    text.eos_token_id = list(marks.end) if len(marks.end) > 1 else marks.end[0]
    text.pad_token_id = marks.pad
    # Nothing of a repository's own generation settings (sampling, lengths) may change what is asked for here.
    network.language_model.generation_config = GenerationConfig()


def _fill(network: Any, tensors: Tensors, place: torch.device, kind: torch.dtype, source: GeneratorSource) -> None:
    """Give every parameter its values, cast and moved one by one."""
    wanted = dict(network.state_dict())
    tied = _tied_rows(network.config.text_config)
    copies = {name for row in tied for name in row[1:]}
    needed = sum(value.numel() * _dtype_of(name, kind).itemsize for name, value in wanted.items() if name not in copies)
    free = torch.cuda.mem_get_info(place)[0] if place.type == "cuda" else available_bytes()
    check_memory(needed, free, "RAM" if place.type != "cuda" else f"memory on {place}", _SMALLER)
    state: dict[str, torch.Tensor] = {}
    for name, value in tensors:
        if name not in wanted:
            continue
        if value.shape != wanted[name].shape:
            raise CheckpointInvalid(
                f"in {source.path} {name} is {list(value.shape)}, expected {list(wanted[name].shape)}", mend_of(source)
            )
        if name in copies and any(first in state for first in _first_names(name, tied)):
            continue
        # A copy, never the mapped file: whoever overwrites the file would pull the weights from under us.
        state[name] = value.to(place, _dtype_of(name, kind), copy=True).contiguous()
    _tie(state, tied, network.config.text_config.model_type == "t5")
    missing = sorted(set(wanted) - set(state))
    if missing:
        raise CheckpointInvalid(
            f"{source.path} lacks {len(missing)} of {len(wanted)} weights ({missing[0]})", mend_of(source)
        )
    # assign, not copy: copying would write T5's head and its embedding into one tensor, since transformers ties them.
    network.load_state_dict(state, assign=True)
    for row in tied:
        first = network.get_parameter(row[0])
        for name in row[1:]:
            owner, _, attribute = name.rpartition(".")
            setattr(network.get_submodule(owner), attribute, first)


def _tied_rows(text: Any) -> list[tuple[str, ...]]:
    if text.model_type == "t5":
        return [_T5_TIED]
    return [_OPT_TIED] if text.tie_word_embeddings else []


def _first_names(name: str, tied: Iterable[tuple[str, ...]]) -> list[str]:
    return [row[0] for row in tied if name in row[1:]]


def _tie(state: dict[str, torch.Tensor], tied: Iterable[tuple[str, ...]], t5: bool) -> None:
    """Give every name of a tied row the row's one tensor; the first name's where the file has it."""
    for row in tied:
        found = next((state[name] for name in row if name in state), None)
        if found is not None:
            state.update(dict.fromkeys(row, found))
    head, embedding = "language_model.lm_head.weight", _T5_TIED[0]
    if t5 and head not in state and embedding in state:  # T5 1.0, whose head is its embedding
        state[head] = state[embedding]


def _dtype_of(name: str, kind: torch.dtype) -> torch.dtype:
    """transformers' own exceptions: float16 leaves the Q-Former, its queries and T5's ``wo`` in float32."""
    if kind == torch.float16 and (name == "query_tokens" or name.startswith("qformer.") or ".wo." in name):
        return torch.float32
    return kind


def _file_tensors(paths: Iterable[Path], source: GeneratorSource) -> Iterator[tuple[str, torch.Tensor]]:
    for path in paths:
        if path.suffix != ".safetensors":
            yield from read_state(path).items()
            continue
        try:
            with safe_open(path, framework="pt", device="cpu") as file:
                for name in file.keys():  # noqa: SIM118 - not a mapping
                    yield name, file.get_tensor(name)
        except (SafetensorError, OSError) as exc:
            raise CheckpointInvalid(f"{path} cannot be read: {exc}", mend_of(source)) from exc
