"""`imgsearch tune --task captions`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from imgsearch.cli.output.progress import phases
from imgsearch.cli.output.terminal import shown
from imgsearch.cli.tuning.reading import general_pairs, name_of, pairs_named, tell_bad_rows
from imgsearch.extras import needs_extra

if TYPE_CHECKING:
    from imgsearch.tuning.language.result import LanguageResult

_RETRIEVAL_DEFAULT = "blip2"  # of --model, which no generator has as a name
_DEFAULT = "blip2-opt-2.7b"
_SETS = {"withheld": "pictures withheld", "general": "general pictures, to see what was forgotten"}
_FIGURES = {"loss": "cross entropy a token (less is better)", "words": "words that agree, F1"}


def tune_captions(arguments: argparse.Namespace) -> int:
    """Train the part of a generator that ``--train`` names. Returns the exit code."""
    from imgsearch.tuning.language.request import LanguageOptions, LanguageRequest

    pairs = pairs_named(arguments)
    options = LanguageOptions(
        steps=arguments.steps or 0,
        batch_size=arguments.batch_size or LanguageOptions().batch_size,
        learning_rate=arguments.learning_rate or 0.0,
        rehearsal=LanguageOptions().rehearsal if arguments.rehearsal is None else arguments.rehearsal,
        forget=LanguageOptions().forget if arguments.forget is None else arguments.forget,
        recompute=arguments.recompute,
        precision=arguments.precision,
        seed=arguments.seed,
    )
    request = LanguageRequest(
        pairs,
        name_of(arguments),
        _DEFAULT if arguments.model == _RETRIEVAL_DEFAULT else arguments.model,
        arguments.train,
        arguments.output,
        general_pairs(arguments),
        arguments.device,
        options,
        arguments.language_model,
    )
    if arguments.dry_run:
        from imgsearch.tuning.language.plan import plan_of

        tell_bad_rows(pairs.bad)
        print(plan_of(request))
        return 0
    with needs_extra("tuning", "train" if arguments.train == "qformer" else "tune"):
        from imgsearch.tuning.language.run import tune_language
    with phases(arguments) as progress:
        result = tune_language(request, progress)
    tell_bad_rows(result.prepared.bad)
    _tell(result)
    return 3 if result.prepared.bad else 0


def _tell(result: LanguageResult) -> None:
    for name, gains in result.gains.items():
        print(f"{_SETS[name]}:")
        for gain in gains:
            change = f"{gain.low:+.3f} to {gain.high:+.3f}"
            print(f"  {_FIGURES[gain.figure]}: {gain.before:.3f}, now {gain.after:.3f} ({change}): {gain.verdict}")
    print(f"{100 * result.share_trained:.1f} % of the weights were trained")
    print(f"report: {shown(str(result.report))}")
    folder = shown(str(result.model))
    print(f"the generator is in {folder}; next: imgsearch caption --generator {folder} PICTURE")
