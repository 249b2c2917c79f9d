"""One tuning run for captions, from pairs to a generator that plain transformers loads."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from imgsearch.errors import UsageError
from imgsearch.files import write_whole
from imgsearch.generation import load_generator
from imgsearch.generation.blip2 import Blip2Generator
from imgsearch.generation.loss import training_loss
from imgsearch.progress import Progress
from imgsearch.training.generator.run import StageRun
from imgsearch.tuning.claim import claim
from imgsearch.tuning.gains.before_after import GENERAL, WITHHELD
from imgsearch.tuning.interpolation import Tried, WeightLine, as_rows
from imgsearch.tuning.language.batches import CaptionBatches, ImageStates
from imgsearch.tuning.language.gains import Written, compare_captions, judge_captions
from imgsearch.tuning.language.keeping import own_captions, settle, way_of
from imgsearch.tuning.language.parts import Trained, choose_language_parts, keep_in_eval, language_parts
from imgsearch.tuning.language.report import write_language_report
from imgsearch.tuning.language.request import LanguageRequest
from imgsearch.tuning.language.result import LanguageResult
from imgsearch.tuning.language.saving import save_generator
from imgsearch.tuning.language.words import add_words, unknown_words
from imgsearch.tuning.lineage import write_lineage
from imgsearch.tuning.parts import table
from imgsearch.tuning.pictures.prepare import Prepared, pairs_digest, prepare

MODEL, REPORT, RUN, STATE = "model", "report.html", "run.json", "state.pt"
JUDGED = 64
"""Pictures of a set that captions are written for, before and after."""


@dataclass(frozen=True, slots=True)
class _Steps:
    """What `StageRun` reads."""

    steps: int
    learning_rate: float
    warmup_steps: int
    falling: float
    weight_decay: float
    seed: int


class _Held(nn.Module):
    """The trained parameters alone, so that a state on disk does not hold the whole generator."""

    def __init__(self, trained: Trained) -> None:
        super().__init__()
        self.held = nn.ParameterList(trained.parameters.values())


def tune_language(request: LanguageRequest, progress: Progress) -> LanguageResult:
    """Train, measure before and after, and write the generator. A run that was stopped goes on where it was, given the
    same request, to the same weights (on a CPU bit by bit). Raises UsageError for too few pairs, float16 and a folder
    with another run, ExtraMissing without peft, StorageFull, and what `load_generator` raises."""
    started, folder = time.monotonic(), request.folder
    generator = _load(request)
    _claim(request, generator)
    log = _logger(folder / "log.txt", progress)
    side, seed = generator.image_size, request.options.seed
    prepared = prepare(request.pairs, request.general, folder, side, seed, progress)
    generator, words, new_rows = _with_words(generator, prepared, seed, log)
    torch.manual_seed(seed)
    trained = choose_language_parts(generator.network, request.way, new_rows)
    parts = tuple(language_parts(generator.network))
    for line in table(list(parts)).splitlines():
        log(line)
    seen = ImageStates(generator.network, prepared.pictures.pixels, folder / "seen.npy", log)
    sets = {WITHHELD: prepared.withheld[:JUDGED], GENERAL: prepared.general[:JUDGED]}

    def judged() -> dict[str, Written]:
        captions = prepared.pictures.captions
        return {name: judge_captions(generator, seen, rows, captions) for name, rows in sets.items() if len(rows)}

    before = _kept(folder / "before.json", judged)
    start = {name: one.detach().clone() for name, one in trained.parameters.items()}
    steps = _train(request, generator, trained, seen, prepared, log)
    generator.network.eval()
    tried = _settle(request, generator, way_of(trained.parameters, start), seen, prepared, log)
    trained.merge()
    save_generator(generator, folder / MODEL, _companions(request))
    after = judged()
    gains = {name: compare_captions(before[name], after[name], seed) for name in before}
    took = time.monotonic() - started
    result = LanguageResult(
        folder / MODEL, folder / REPORT, parts, prepared, sets, before, after, gains, words, steps, tried, took
    )
    write_lineage(result.model, _lineage(request, generator, result))
    write_language_report(result, request)
    return result


def _settle(
    request: LanguageRequest,
    generator: Blip2Generator,
    line: WeightLine,
    seen: ImageStates,
    prepared: Prepared,
    log: Callable[[str], None],
) -> tuple[Tried, ...]:
    """Move the weights as far from the old ones as the captions of general pictures allow."""
    own, general = prepared.checks[:JUDGED], prepared.general_checks[:JUDGED]

    def judge() -> tuple[Written, Written]:
        captions = prepared.pictures.captions
        return judge_captions(generator, seen, own, captions), judge_captions(generator, seen, general, captions)

    return settle(line, judge, request.options.forget, log) if len(own) and len(general) else ()


def _load(request: LanguageRequest) -> Blip2Generator:
    precision = request.options.precision
    if precision == "float16":
        raise UsageError(
            "received --precision float16, in which a generator's loss becomes NaN after some steps",
            "take bfloat16 or float32",
        )
    return load_generator(request.generator, request.language_model, request.device, precision)


def _with_words(
    generator: Blip2Generator, prepared: Prepared, seed: int, log: Callable[[str], None]
) -> tuple[Blip2Generator, tuple[str, ...], int]:
    """The generator with a tokenizer that knows all words of the captions to learn."""
    texts = [caption for row in prepared.train for caption in prepared.pictures.captions[row]]
    words = unknown_words(generator.tokenizer.pieces, texts)
    if not words:
        return generator, (), 0
    log(f"{len(words)} words are new to the tokenizer: {', '.join(words[:12])}{', ...' if len(words) > 12 else ''}")
    tokenizer, rows = add_words(generator.network, generator.tokenizer, words, seed)
    network, fingerprint = generator.network, generator.fingerprint
    return Blip2Generator(network, tokenizer, generator.name, lambda: fingerprint), tuple(words), rows


def _train(
    request: LanguageRequest,
    generator: Blip2Generator,
    trained: Trained,
    seen: ImageStates,
    prepared: Prepared,
    log: Callable[[str], None],
) -> int:
    options, network = request.options, generator.network
    settings = _steps(request, generator, len(prepared.train))
    known = own_captions(generator, seen, prepared.rehearsal, request.folder / "own-captions.json", log)
    keep_in_eval(network, options.recompute)
    batches = CaptionBatches(prepared.pictures, prepared.train, known, options.rehearsal)
    parameters = list(trained.parameters.values())
    run = StageRun(request.folder / STATE, settings, {"trained": _Held(trained)}, [(parameters, 1.0)])

    def step() -> tuple[torch.Tensor, dict[str, float]]:
        rows, texts = batches.batch(run.rng, options.batch_size)
        with arithmetic(generator):
            projected = seen.projected(rows)
            loss = training_loss(network, generator.tokenizer, projected, [("", text) for text in texts])
        return loss, {}

    run.run(step, log)
    return run.step


def arithmetic(generator: Blip2Generator) -> Any:
    """The context in which a batch is computed: what is trained is float32, the rest as it was loaded."""
    if generator.dtype == "float32":
        return contextlib.nullcontext()
    return torch.autocast(torch.device(generator.device).type, getattr(torch, generator.dtype))


def _steps(request: LanguageRequest, generator: Blip2Generator, pictures: int) -> _Steps:
    options = request.options
    steps = options.steps_for(pictures)
    rate = options.learning_rate or learning_rate(request.way, generator.network)
    return _Steps(steps, rate, max(1, steps // 20), 0.5, 0.0, options.seed)


def learning_rate(way: str, network: Any) -> float:
    """The peak rate: 1e-5 for the published Q-Former, as its authors fine-tune it, and ten times as much for LoRA on a
    language model of 2,560; narrow ones take more."""
    if way == "qformer":
        return float(1e-5 * (768 / network.config.qformer_config.hidden_size) ** 2)
    return float(1e-4 * 2560 / network.language_projection.out_features)


def _claim(request: LanguageRequest, generator: Blip2Generator) -> None:
    """Write down whose run the folder is, or check that it is this one's. Raises UsageError."""
    wanted = {
        "task": "captions",
        "base": generator.fingerprint,
        "way": request.way,
        "pairs": pairs_digest(request.pairs.good),
        "general": pairs_digest(request.general.good) if request.general else "",
        "options": asdict(request.options),
    }
    claim(request.folder, RUN, wanted)


def _kept(path: Path, measure: Callable[[], dict[str, Written]]) -> dict[str, Written]:
    """What was measured before the first step; a run that goes on reads it."""
    if path.exists():
        found = json.loads(path.read_text(encoding="utf-8"))
        return {
            name: Written(np.array(one["losses"]), np.array(one["agreement"]), one["texts"])
            for name, one in found.items()
        }
    measured = measure()
    rows = {
        name: {"losses": one.losses.tolist(), "agreement": one.agreement.tolist(), "texts": one.texts}
        for name, one in measured.items()
    }
    write_whole(path, json.dumps(rows).encode())
    return measured


def _companions(request: LanguageRequest) -> Path:
    """The folder that has the files beside the weights."""
    from imgsearch.generation.sources import find_generator

    source = find_generator(request.generator, request.language_model)
    return source.language or source.path


def _lineage(request: LanguageRequest, generator: Blip2Generator, result: LanguageResult) -> dict[str, Any]:
    prepared = result.prepared
    return {
        "kind": "captions",
        "base": request.generator,
        "base_fingerprint": generator.fingerprint,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "pairs": {
            "source": request.source,
            "digest": pairs_digest(request.pairs.good),
            "pictures": len(prepared.train) + len(prepared.checks) + len(prepared.withheld),
            "withheld": len(prepared.withheld),
            "captions": request.pairs.captions,
            "left_out": len(prepared.bad),
        },
        "train": request.way,
        "share_trained": round(result.share_trained, 5),
        "new_words": list(result.new_words),
        "settings": asdict(request.options),
        "steps": result.steps,
        "moved": as_rows(result.tried),
        "seconds": round(result.seconds, 1),
        "general": prepared.general_name,
        "gains": {
            name: [asdict(one) | {"verdict": one.verdict} for one in found] for name, found in result.gains.items()
        },
    }


def _logger(path: Path, progress: Progress) -> Callable[[str], None]:
    def log(line: str) -> None:
        progress.say(line)
        with path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    return log
