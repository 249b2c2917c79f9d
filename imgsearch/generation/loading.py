"""From a generator's source to a loaded `Blip2Generator`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from transformers import Blip2ForConditionalGeneration, GenerationConfig

from imgsearch.errors import CheckpointInvalid, NotEnoughMemory
from imgsearch.generation.blip2 import Blip2Generator
from imgsearch.generation.lavis import language_tensors, read_generator
from imgsearch.generation.quantising import check_quantize
from imgsearch.generation.sources import GeneratorSource, find_generator, read_config
from imgsearch.generation.tokenizer import Marks, PromptTokenizer, read_pieces
from imgsearch.generation.weights import Tensors, WeightTarget, fill
from imgsearch.model.checkpoints.fingerprint import fingerprint_of
from imgsearch.model.checkpoints.identity import check_arguments, default_dtype, resolve_device
from imgsearch.model.checkpoints.lavis import read_state
from imgsearch.model.checkpoints.soundness import mend_of
from imgsearch.model.runtimes.torch.transformers_form import empty_network, resize_positions

_SMALLER = "close other programs, take --dtype bfloat16 (half the memory), or a smaller generator"
_LINE_END = "\n"  # what ends a text of BLIP-2's OPT (Blip2OPT.eos_token_id)


def load(
    name: str | Path,
    language_model: str | Path | None,
    device: str,
    dtype: str,
    image_size: int | None = None,
    quantize: str | None = None,
) -> Blip2Generator:
    """What `imgsearch.generation.load_generator` does."""
    check_arguments(device, dtype, image_size)
    check_quantize(quantize)
    place = torch.device(resolve_device(device))
    kind = getattr(torch, default_dtype(str(place)) if dtype == "auto" or dtype.startswith("int8") else dtype)
    source = find_generator(name, language_model)
    try:
        network, tokenizer = _open(source, WeightTarget(place, kind, quantize), image_size)
    except (MemoryError, torch.OutOfMemoryError) as exc:
        raise NotEnoughMemory(f"{source.name} does not fit into the memory of {place}", _SMALLER) from exc
    except RuntimeError as exc:
        if "allocate memory" in str(exc) or "not enough memory" in str(exc):
            raise NotEnoughMemory(f"{source.name} does not fit into the memory of {place}", _SMALLER) from exc
        raise
    return Blip2Generator(network, tokenizer, source.name, lambda: fingerprint_of(source.weights, source.companions))


def _open(source: GeneratorSource, target: WeightTarget, image_size: int | None) -> tuple[Any, PromptTokenizer]:
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
    text = network.config.text_config
    if "eos_token_id" not in config["text_config"]:
        text.eos_token_id = None  # transformers' default is not what BLIP-2's texts end with
    tokenizer = PromptTokenizer(pieces, _marks(text, pieces, source, folder), folder)
    _settle(network, tokenizer, source)
    if source.kind == "directory":
        fill(network, _file_tensors(source.weights, source), target, source)
        if image_size is not None:
            resize_positions(network, image_size)
    else:
        language = replace(source, weights=source.language_weights)
        words = language_tensors(_file_tensors(language.weights, language), config["text_config"]["model_type"])
        fill(network, _chain(words, lavis.tensors()), target, source)
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
    return empty_network(
        Blip2ForConditionalGeneration,
        {**config, "text_config": text},
        str(source.path),
        mend_of(source),
        lambda parsed: _mend_t5(parsed.text_config, text),
    )


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
    if text.model_type == "opt" and text.word_embed_proj_dim != text.hidden_size:
        raise CheckpointInvalid(
            f"{tokenizer.origin} holds an OPT whose word vectors have {text.word_embed_proj_dim} numbers and whose "
            f"layers have {text.hidden_size}: what a picture gives has no place among its words",
            "BLIP-2 was published with OPT of 2.7 and 6.7 billion parameters",
        )
    if text.model_type == "t5" and text.decoder_start_token_id is None:
        text.decoder_start_token_id = marks.pad
    text.eos_token_id = list(marks.end) if len(marks.end) > 1 else marks.end[0]
    text.pad_token_id = marks.pad
    # Nothing of a repository's own generation settings (sampling, lengths) may change what is asked for here.
    network.language_model.generation_config = GenerationConfig()


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
