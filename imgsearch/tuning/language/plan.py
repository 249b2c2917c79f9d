"""What a run that tunes a generator would do, before anything is loaded."""

from __future__ import annotations

from imgsearch.generation.sources import find_generator, read_config
from imgsearch.model.memory import available_bytes
from imgsearch.tuning.language.request import LanguageRequest
from imgsearch.tuning.pictures.split import require_enough, sides
from imgsearch.wording import counted, describe_size

_TRAINED = {"lora": 0.01, "qformer": 0.03, "both": 0.04}
"""Of the whole, for the published sizes, as the upper end."""

_BESIDE = 12  # bytes beside each trained number: its gradient and Adam's two moments
_A_POSITION = 60  # numbers kept for the way back for each position and layer, in widths


def plan_of(request: LanguageRequest) -> str:
    """The plan in lines: what is learned from, what is trained, and the memory, to within a factor of two. Raises
    UsageError for too few pairs, and what finding the generator raises. Opens no picture, loads no weights."""
    pairs, options = request.pairs, request.options
    require_enough(len(pairs.good), len(pairs.bad))
    source = find_generator(request.generator, request.language_model)
    weights = sum(path.stat().st_size for path in source.weights)
    withheld, checked = sides(len(pairs.good))
    steps = options.steps_for(len(pairs.good) - withheld - checked)
    activations = 0
    if source.kind == "directory":
        text = read_config(source.path).get("text_config") or {}
        layers = int(text.get("num_hidden_layers") or text.get("num_layers") or 24)
        width = int(text.get("hidden_size") or text.get("d_model") or 2560)
        deep = 1 if options.recompute else layers
        activations = options.batch_size * 64 * deep * _A_POSITION * width * 4
    needed = weights + int(_BESIDE * _TRAINED[request.way] * weights / 4) + activations
    free = available_bytes()
    fits = "" if free is None else f" of {describe_size(free)} that are free"
    if free is not None and needed > free:
        fits += "; that does not fit: try --precision bfloat16, --batch-size 1, --recompute or --train lora"
    return "\n".join(
        [
            f"{request.source} ({pairs.kind}): {counted(len(pairs.good), 'picture')} with "
            f"{counted(pairs.captions, 'caption')}; {counted(len(pairs.bad), 'row')} left out",
            f"withheld to judge by: about {withheld:,}, never copies of what is learned from",
            f"{request.generator}, {request.way}: {steps:,} steps of {options.batch_size} pictures",
            f"memory: about {describe_size(needed)}{fits}",
            "nothing was changed: this was a dry run",
        ]
    )
