"""The report of a run that tunes captions: one HTML file that needs nothing beside it."""

from __future__ import annotations

from html import escape

import numpy as np

from imgsearch.tuning.gains.before_after import GENERAL, WITHHELD
from imgsearch.tuning.gains.page import figure, left_out, table, write_page
from imgsearch.tuning.gains.words import COLUMNS, SET_NAMES
from imgsearch.tuning.language.request import LanguageRequest
from imgsearch.tuning.language.result import LanguageResult
from imgsearch.wording import counted, one_line

EXAMPLES = 12
"""Pictures shown of those whose captions got better, and of those whose captions got worse."""

_FIGURES = {"loss": "cross entropy of an id, less is better", "words": "words that agree, F1"}


def write_language_report(result: LanguageResult, request: LanguageRequest) -> None:
    """Write the report to ``result.report``: figures with intervals, pictures whose captions changed most with what was
    written before and after, what was trained, and what was left out. About 10 kB an example."""
    title = f"Tuning the captions of {one_line(request.generator)} on {one_line(request.source)}"
    body = [
        f"<h1>{escape(title)}</h1>",
        *_figures(result),
        *_examples(result, WITHHELD),
        *_examples(result, GENERAL),
        *_settings(result, request),
        *left_out(result.prepared.bad),
    ]
    write_page(result.report, title, body)


def _figures(result: LanguageResult) -> list[str]:
    found = [
        "<h2>Before and after</h2><p>A change is called better or worse only if its 95 % interval (bootstrap over "
        "pictures, paired) leaves 0 out; everything else may be chance. How far the weights move was chosen by other "
        "pictures than these.</p>"
    ]
    for name, gains in result.gains.items():
        cells = [
            (
                _FIGURES[one.figure],
                "",
                f"{one.before:.3f}",
                f"{one.after:.3f}",
                f"{one.after - one.before:+.3f}",
                f"{one.low:+.3f} to {one.high:+.3f}",
                one.verdict,
            )
            for one in gains
        ]
        about = counted(len(result.sets[name]), "picture")
        if name == GENERAL:
            about += f": {result.prepared.general_name}, to see what was forgotten"
        found.append(f"<h3>{escape(SET_NAMES[name].capitalize())}</h3><p>{escape(about)}</p>{table(COLUMNS, cells)}")
    return found


def _examples(result: LanguageResult, name: str) -> list[str]:
    if name not in result.before:
        return []
    change = result.after[name].agreement - result.before[name].agreement
    order = np.argsort(-change, kind="stable").tolist()
    better = [row for row in order if change[row] > 0][:EXAMPLES]
    worse = [row for row in order[::-1] if change[row] < 0][:EXAMPLES]
    found = [f"<h2>Captions that changed: {escape(SET_NAMES[name])}</h2>"]
    for title, rows, count in (
        ("More of their words agree", better, int((change > 0).sum())),
        ("Fewer of their words agree", worse, int((change < 0).sum())),
    ):
        found.append(f"<h3>{title} ({counted(count, 'picture')})</h3>")
        found += [_example(result, name, row) for row in rows] or ["<p>none</p>"]
    return found


def _example(result: LanguageResult, name: str, row: int) -> str:
    place = int(result.sets[name][row])
    told = (
        ("before", result.before[name].texts[row]),
        ("now", result.after[name].texts[row]),
        ("in your pairs" if name == WITHHELD else "in the pairs", "; ".join(result.prepared.pictures.captions[place])),
    )
    listed = "".join(f"<li>{escape(label)}: “{escape(one_line(text))}”</li>" for label, text in told)
    return f"<div>{figure(result.prepared, place, '')}<ul>{listed}</ul></div>"


def _settings(result: LanguageResult, request: LanguageRequest) -> list[str]:
    prepared, options = result.prepared, request.options
    facts = [
        f"{len(prepared.train):,} pictures were learned from, {len(prepared.withheld):,} withheld; copies are never on "
        "both sides",
        f"{request.way}: {100 * result.share_trained:.1f} % of the generator's numbers were trained",
        f"{result.steps:,} steps of {options.batch_size} pictures, of which {100 * options.rehearsal:.0f} % general "
        "ones with the captions that the generator wrote of them before",
        f"the weights moved {result.share_moved:.0%} of the way, so that other general pictures lose at most "
        f"{options.forget:g} points of their words",
    ]
    if result.new_words:
        facts.append(f"words new to the tokenizer: {', '.join(map(one_line, result.new_words))}")
    cells = [
        (part.name, "", f"{part.numbers:,}", f"{part.trained:,}" if part.trained else "frozen", "")
        for part in result.parts
    ]
    listed = "".join(f"<li>{escape(fact)}</li>" for fact in facts)
    return [f"<h2>What was done</h2><ul>{listed}</ul>", table(("part", "", "weights", "trained", ""), cells)]
