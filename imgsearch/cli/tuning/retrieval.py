"""`imgsearch tune --task retrieval`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from imgsearch.cli.output.progress import phases
from imgsearch.cli.output.terminal import shown
from imgsearch.cli.tuning.reading import general_pairs, name_of, pairs_named, tell_bad_rows
from imgsearch.extras import needs_extra

if TYPE_CHECKING:
    from imgsearch.tuning.gains.result import TuneResult


def tune_retrieval(arguments: argparse.Namespace) -> int:
    """Train the part of a retrieval model that ``--train`` names. Returns the exit code."""
    from imgsearch.tuning.options import TuneOptions, TuneRequest

    pairs = pairs_named(arguments)
    general = general_pairs(arguments)
    options = TuneOptions(
        steps=arguments.steps or 0,
        batch_size=arguments.batch_size or 0,
        learning_rate=arguments.learning_rate or 0.0,
        rehearsal=TuneOptions().rehearsal if arguments.rehearsal is None else arguments.rehearsal,
        batches=arguments.accumulate,
        recompute=arguments.recompute,
        precision=arguments.precision,
        patience=arguments.patience,
        forget=TuneOptions().forget if arguments.forget is None else arguments.forget,
        budget_bytes=round(arguments.features_gb * 1e9),
        seed=arguments.seed,
    )
    request = TuneRequest(
        pairs,
        name_of(arguments),
        arguments.model,
        arguments.train,
        arguments.output,
        general,
        arguments.device,
        options,
    )
    if arguments.dry_run:
        from imgsearch.tuning.plan import plan_of

        tell_bad_rows(pairs.bad)
        print(plan_of(request))
        return 0
    with needs_extra("tuning", "tune" if arguments.train == "lora" else "train"):
        from imgsearch.tuning.run import tune
    with phases(arguments) as progress:
        result = tune(request, progress)
    tell_bad_rows(result.prepared.bad)
    _tell(result)
    return 3 if result.prepared.bad else 0


def _tell(result: TuneResult) -> None:
    from imgsearch.tuning.gains.words import COLUMNS, SET_NAMES, conclusion, in_columns, rows

    for name, differences in result.differences.items():
        print(f"{SET_NAMES[name]} ({len(result.sets[name].rows):,}), per cent:")
        for line in in_columns([COLUMNS, *rows(differences)]):
            print(f"  {line}")
    print(conclusion(result.differences["withheld"], result.differences["general"]))
    print(f"report: {shown(str(result.report))}")
    print(
        f"the model is in {shown(str(result.model))}; next: imgsearch index --model {shown(str(result.model))} FOLDER"
    )
