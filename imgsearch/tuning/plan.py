"""What a run would do and take, before anything is computed. Loads no weights and opens no picture."""

from __future__ import annotations

import math

from imgsearch.model import profile_for
from imgsearch.model.checkpoints.config import Blip2Sizes, expected_shapes, parse_sizes, published_sizes
from imgsearch.model.checkpoints.identity import config_of
from imgsearch.model.checkpoints.resolve import find_source
from imgsearch.model.checkpoints.soundness import tokenizer_of
from imgsearch.model.memory import available_bytes
from imgsearch.model.runtime_profile import RuntimeProfile
from imgsearch.training.loop_settings import LoopSettings
from imgsearch.tuning.lora_size import count_lora, pieces_to_learn
from imgsearch.tuning.options import TuneRequest, loop_settings
from imgsearch.tuning.pictures.prepare import GENERAL_CHECK, GENERAL_REHEARSAL, GENERAL_TEST
from imgsearch.tuning.pictures.split import require_enough, sides
from imgsearch.wording import counted, describe_size

_BACKWARD = 3
"""A training step's operations as a multiple of a forward pass's: forward, and twice as many back."""

_BESIDE_TRAINED = 12
"""Bytes beside each trained number: its gradient and Adam's two moments."""

_RUNNING = 450_000_000
"""Bytes of Python with torch before a model is loaded."""

_KEPT_WIDTHS = 16
"""Numbers kept for the way back, for each position and layer, in widths: inputs of matrix products and norms."""

_WORDS = 24  # word pieces of a caption, more or less


def plan_of(request: TuneRequest) -> str:
    """The plan in lines: what is learned from, what is trained, disk, memory, and time where the speed is known. Times
    are known to within a factor of two. Raises UsageError for too few pairs, and what finding the model raises."""
    pairs = request.pairs
    require_enough(len(pairs.good), len(pairs.bad))
    source = find_source(request.model)
    sizes = parse_sizes(config_of(source)) or published_sizes()
    withheld, checked = sides(len(pairs.good))
    drawn = GENERAL_TEST + GENERAL_CHECK + GENERAL_REHEARSAL
    general = len(request.general.good) if request.general else drawn
    settings = loop_settings(request, sizes.qformer.width, len(pairs.good) - withheld - checked, False)
    whole = sum(math.prod(shape) for _, shape in expected_shapes(sizes))
    trained = _trained(request, sizes, whole)
    pictures = len(pairs.good) + general
    profile = profile_for(request.model, request.device, "float32")
    lines = [
        f"{request.source} ({pairs.kind}): {counted(len(pairs.good), 'picture')} with "
        f"{counted(pairs.captions, 'caption')}; {counted(len(pairs.bad), 'row')} left out",
        f"withheld to judge by: about {withheld:,}, and {checked:,} to steer by, never copies of what is learned from",
        f"must stay known: {general:,} {'pairs of --general' if request.general else 'drawn scenes'}",
        f"{request.model}, {request.way}: {trained:,} of {whole:,} numbers are trained ({100 * trained / whole:.1f} %)",
        f"at most {settings.steps:,} steps of {settings.batch_size * settings.batches} pictures, "
        f"peak rate {settings.learning_rate:.2g}",
        f"disk: {describe_size(_disk(request, sizes, pictures, trained, whole))} in {request.folder}",
        _memory(settings, sizes, trained, whole, request.options.recompute),
        f"time: {_time(request, settings, profile, pictures, withheld)}",
        "nothing was changed: this was a dry run",
    ]
    return "\n".join(lines)


def _trained(request: TuneRequest, sizes: Blip2Sizes, whole: int) -> int:
    if request.way == "lora":
        captions = [caption for pair in request.pairs.good for caption in pair.captions]
        found = tokenizer_of(find_source(request.model)).encode(captions, sizes.qformer.positions)
        return count_lora(sizes, len(pieces_to_learn(found, sizes, whole)))
    return sum(
        math.prod(shape)
        for name, shape in expected_shapes(sizes)
        if request.way == "all" or not name.startswith("vision_model.")
    )


def _seeing(sizes: Blip2Sizes) -> int:
    return sum(math.prod(shape) for name, shape in expected_shapes(sizes) if name.startswith("vision_model."))


def _disk(request: TuneRequest, sizes: Blip2Sizes, pictures: int, trained: int, whole: int) -> int:
    pixels = pictures * 3 * sizes.vision.image**2
    features = min(request.options.budget_bytes, 2 * pictures * sizes.vision.positions * sizes.vision.width)
    state = trained * (4 + 8) + 4 * trained  # weights and moments; the best weights
    return pixels + (0 if request.way == "all" else features) + state + 4 * whole


def _memory(settings: LoopSettings, sizes: Blip2Sizes, trained: int, whole: int, recompute: bool) -> str:
    old = whole if settings.train_vision else whole - _seeing(sizes)
    needed = _RUNNING + 4 * (whole + old) + _BESIDE_TRAINED * trained + _activations(settings, sizes, recompute)
    free = available_bytes()
    text = f"memory: about {describe_size(needed)}"
    if free is None:
        return text
    fits = "" if needed <= free else "; that does not fit: try --batch-size, --recompute or --train lora"
    return f"{text} of {describe_size(free)} that are free{fits}"


def _activations(settings: LoopSettings, sizes: Blip2Sizes, recompute: bool) -> int:
    """Bytes kept between the layers of one batch."""
    qformer, vision = sizes.qformer, sizes.vision
    pairs = 3 * settings.matching_pairs
    positions = settings.batch_size * (sizes.tokens + _WORDS) + pairs * (sizes.tokens + _WORDS)
    layers = 1 if recompute else qformer.layers
    crossing = 1 if recompute else len(range(0, qformer.layers, qformer.cross_every))
    kept = positions * layers * _KEPT_WIDTHS * qformer.width
    kept += (settings.batch_size + pairs) * vision.positions * crossing * 2 * qformer.width
    kept += (settings.batch_size + pairs) * vision.positions * vision.width
    if settings.train_vision:
        depth = 1 if recompute else vision.layers
        kept += settings.batch_size * vision.positions * depth * _KEPT_WIDTHS * vision.width
    return 4 * kept


def _time(request: TuneRequest, settings: LoopSettings, profile: RuntimeProfile, pictures: int, withheld: int) -> str:
    seconds = profile.image_seconds
    if seconds is None:
        return f"not known for {profile.device}"
    a_gflop = seconds / profile.image_gflop
    pair, image = profile.pair_gflop, profile.image_gflop
    seen = settings.batch_size * settings.batches
    step = pair * (_BACKWARD + request.options.rehearsal) * (seen + 3 * settings.matching_pairs * settings.batches)
    if request.options.recompute:
        step *= 4 / 3
    if request.way == "all":
        step += image * (_BACKWARD + request.options.rehearsal) * seen
    once = image * pictures * (0 if request.way == "all" else 1)
    judged = 2 * 16 * pair * (3 * withheld + 3 * GENERAL_TEST)
    minutes = (once + settings.steps * step + judged) * a_gflop / 60
    amount = f"{minutes:,.0f} minutes" if minutes >= 1.5 else f"{60 * minutes:.0f} seconds"
    return f"about {amount} on {profile.device}, less if it stops early"
