"""One tuning run for retrieval, from pairs to a model with a report."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from imgsearch.model import export_directory, load_model, model_id_of
from imgsearch.model.checkpoints.identity import chosen_dtype
from imgsearch.model.checkpoints.resolve import find_source
from imgsearch.model.runtimes.torch.blip2 import Blip2Model
from imgsearch.progress import Progress
from imgsearch.training.distillation import Guides, OldModel
from imgsearch.training.features import FeatureTable, keep_features
from imgsearch.training.forms import OwnForm
from imgsearch.training.loop import Trainer
from imgsearch.training.pairs import encode_ids
from imgsearch.tuning.claim import claim
from imgsearch.tuning.gains.before_after import (
    CHECKS,
    GENERAL_CHECKS,
    Judge,
    JudgedSet,
    checked_sets,
    judged_sets,
    measure_sets,
)
from imgsearch.tuning.gains.measure import compare
from imgsearch.tuning.gains.report import write_report
from imgsearch.tuning.gains.result import TuneResult
from imgsearch.tuning.interpolation import ANY_LOSS, Figures, Tried, WeightLine, as_rows, choose_point
from imgsearch.tuning.lineage import write_lineage
from imgsearch.tuning.lora_size import pieces_to_learn
from imgsearch.tuning.options import TuneRequest, loop_settings
from imgsearch.tuning.parts import Part, choose_trained, parts_of, table
from imgsearch.tuning.pictures.prepare import Prepared, pairs_digest, prepare
from imgsearch.tuning.pictures.source import TuningPairs

MODEL, REPORT, RUN = "model", "report.html", "run.json"


def tune(request: TuneRequest, progress: Progress) -> TuneResult:
    """Train, measure before and after, and write the model with its report. A run that was stopped goes on where it
    was, given the same request. Raises UsageError for too few pairs and for a folder with another run, StorageFull, and
    what `load_model` raises."""
    started, folder = time.monotonic(), request.folder
    model = load_model(request.model, device=request.device, dtype="float32")
    _claim(request, model)
    log = _logger(folder / "log.txt", progress)
    prepared = prepare(request.pairs, request.general, folder, model.image_size, request.options.seed, progress)
    torch.manual_seed(request.options.seed)
    form = OwnForm(model, recompute=request.options.recompute)
    sees = request.way == "all"
    old = OldModel(form.frozen_copy(with_vision=sees), sees)
    merge = choose_trained(model.parts, request.way, _pieces(request, model, prepared))
    parts = _tell_parts(model, log)
    settings = loop_settings(request, model.sizes.qformer.width, len(prepared.train), _in_bfloat16(request, model))
    source = _source(request, prepared)
    features = _features(request, form, source, log)
    judge, sets, checks = Judge(model, form, source, features), judged_sets(prepared), checked_sets(prepared)
    before = measure_sets(judge, sets, folder / "before.npz", log)
    guides = Guides(lambda: judge.score(checks[CHECKS]), old)
    trainer = Trainer(form, model.tokenizer, source, settings, folder, features, guides)
    trainer.run(log)
    if merge is not None:
        merge.merge()
    tried = _settle(request, judge, checks, old, log)
    export_directory(model, folder / MODEL)
    after = measure_sets(judge, sets, folder / "after.npz", log)
    gains = {name: compare(before[name], after[name], one.owners) for name, one in sets.items()}
    steps = trainer.step, trainer.best_step
    took = time.monotonic() - started
    model_folder, report = folder / MODEL, folder / REPORT
    result = TuneResult(
        model_folder, report, parts, prepared, sets, before, after, gains, settings, *steps, tried, took
    )
    write_lineage(result.model, _lineage(request, model, result))
    write_report(result, request, result.report)
    return result


def _pieces(request: TuneRequest, model: Blip2Model, prepared: Prepared) -> list[int]:
    """The word pieces whose vectors learn with LoRA: those of the captions to learn from."""
    if request.way != "lora":
        return []
    captions = [caption for row in prepared.train for caption in prepared.pictures.captions[row]]
    whole = sum(one.numel() for one in model.parts.parameters())
    return pieces_to_learn(encode_ids(model.tokenizer, captions), model.sizes, whole)


def _tell_parts(model: Blip2Model, log: Callable[[str], None]) -> tuple[Part, ...]:
    parts = tuple(parts_of(model.parts))
    for line in table(list(parts)).splitlines():
        log(line)
    return parts


def _settle(
    request: TuneRequest, judge: Judge, checks: dict[str, JudgedSet], old: OldModel, log: Callable[[str], None]
) -> tuple[Tried, ...]:
    """Move the weights as far from the old ones as general pictures allow."""

    def measure() -> Figures:
        return Figures(judge.score(checks[CHECKS]), (judge.score(checks[GENERAL_CHECKS]),))

    if request.options.forget >= ANY_LOSS or not all(len(one.rows) for one in checks.values()):
        return ()
    line = WeightLine.between(old.form.module, judge.model.parts)
    return choose_point(line, measure, request.options.forget / 100, log)


def _source(request: TuneRequest, prepared: Prepared) -> TuningPairs:
    share = request.options.rehearsal
    return TuningPairs(prepared.pictures, prepared.train, prepared.rehearsal, share, request.options.seed)


def _features(
    request: TuneRequest, form: OwnForm, source: TuningPairs, log: Callable[[str], None]
) -> FeatureTable | None:
    """The ViT's, kept in the run's folder; None where it learns too."""
    if request.way == "all":
        return None
    path = request.folder / "features.npy"
    return keep_features(form, source, path, log, budget_bytes=request.options.budget_bytes)


def _in_bfloat16(request: TuneRequest, model: Blip2Model) -> bool:
    precision = request.options.precision
    if precision != "auto":
        return precision == "bfloat16"
    if model.device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return chosen_dtype(find_source(request.model), "cpu") == "bfloat16"


def _claim(request: TuneRequest, model: Blip2Model) -> None:
    """Write down whose run the folder is, or check that it is this one's. Raises UsageError."""
    wanted = {
        "base": model.model_id.fingerprint,
        "way": request.way,
        "pairs": pairs_digest(request.pairs.good),
        "general": pairs_digest(request.general.good) if request.general else "",
        "options": asdict(request.options),
    }
    claim(request.folder, RUN, wanted)


def _lineage(request: TuneRequest, model: Blip2Model, result: TuneResult) -> dict[str, Any]:
    prepared = result.prepared
    return {
        "kind": "retrieval",
        "base": request.model,
        "base_fingerprint": model.model_id.fingerprint,
        "fingerprint": model_id_of(result.model, "cpu", "float32").fingerprint,
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
        "settings": asdict(result.settings) | {"rehearsal": request.options.rehearsal},
        "steps": result.steps,
        "best_step": result.best_step,
        "moved": as_rows(result.tried),
        "seconds": round(result.seconds, 1),
        "general": prepared.general_name,
        "gains": {
            name: [asdict(one) | {"verdict": one.verdict} for one in found]
            for name, found in result.differences.items()
        },
    }


def _logger(path: Path, progress: Progress) -> Callable[[str], None]:
    def log(line: str) -> None:
        progress.say(line)
        with path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    return log
