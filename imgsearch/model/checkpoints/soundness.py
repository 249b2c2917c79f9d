"""Whether a checkpoint is whole and its parts belong together, as far as that can be told without its weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from imgsearch.errors import CheckpointInvalid
from imgsearch.extras import needs_extra
from imgsearch.model.checkpoints.config import Blip2Sizes, expected_shapes, read_sizes
from imgsearch.model.checkpoints.resolve import ResolvedCheckpoint, find_source
from imgsearch.model.checkpoints.tensor_files import float_tensors
from imgsearch.model.tokenizer import TextTokenizer, read_tokenizer, read_vocabulary, require_own_vocabulary

Shapes = Mapping[str, tuple[int, ...]]


def check_checkpoint(name: str | Path) -> None:
    """Look at everything of a model that is quick to look at: its files, its config, its tokenizer and whether that is
    the model's own, and the shape of every tensor by the headers of the weight files.

    Raises what `imgsearch.model.load_model` raises. Cost: some tens of milliseconds; a LAVIS ``.pth`` is opened with
    torch. A library is made only for a model that passes."""
    source = find_source(name)
    if source.kind == "lavis":
        _check_lavis(source)
        return
    sizes = read_sizes(source.config)
    tokenizer = tokenizer_of(source)
    if sizes is None:  # something that only transformers knows; loading tells
        return
    require_own_vocabulary(tokenizer, sizes.qformer.vocabulary, mend_of(source))
    if source.tensor_files:
        _check_shapes(source, sizes)


def tokenizer_of(source: ResolvedCheckpoint) -> TextTokenizer:
    """A checkpoint's tokenizer; LAVIS's files have a vocabulary beside them. Raises CheckpointInvalid."""
    return read_vocabulary(source.companions[0]) if source.kind == "lavis" else read_tokenizer(source.path)


def mend_of(source: ResolvedCheckpoint) -> str:
    """What a person can do about a checkpoint with something wrong."""
    if source.pull_name:
        return f"`imgsearch models pull {source.pull_name}` fetches what is missing"
    return "the file is damaged or of another model: get it again"


def _check_lavis(source: ResolvedCheckpoint) -> None:
    with needs_extra(f"LAVIS's {source.path.name}", "torch"):
        from imgsearch.model.checkpoints.lavis import read_lavis

    tokenizer = tokenizer_of(source)
    rows = int(read_lavis(source.path, None).config["qformer_config"]["vocab_size"])
    require_own_vocabulary(tokenizer, rows, "put the vocab.txt that belongs to the checkpoint beside it", lavis=True)


def _check_shapes(source: ResolvedCheckpoint, sizes: Blip2Sizes) -> None:
    try:
        found: Shapes = {
            name: tensor.shape for file in source.tensor_files for name, tensor in float_tensors(file).items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise CheckpointInvalid(
            f"the header of the weights in {source.path} is damaged: {exc}", mend_of(source)
        ) from exc
    wanted = dict(expected_shapes(sizes))
    missing = [name for name in wanted if name not in found]
    if missing:
        raise CheckpointInvalid(
            f"{source.path} lacks {len(missing)} of {len(wanted)} weights ({missing[0]})", mend_of(source)
        )
    for name, shape in wanted.items():
        if found[name] != shape:
            raise CheckpointInvalid(
                f"in {source.path} {name} is {list(found[name])}, expected {list(shape)}", mend_of(source)
            )
