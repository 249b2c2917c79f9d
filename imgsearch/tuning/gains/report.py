"""The report of a run: one HTML file that needs nothing beside it."""

from __future__ import annotations

from html import escape
from pathlib import Path

import numpy as np

from imgsearch.tuning.gains.before_after import GENERAL, WITHHELD
from imgsearch.tuning.gains.page import figure, left_out, table, write_page
from imgsearch.tuning.gains.result import TuneResult
from imgsearch.tuning.gains.words import COLUMNS, SET_NAMES, conclusion, rows
from imgsearch.tuning.options import TuneRequest
from imgsearch.wording import counted, one_line

EXAMPLES = 12
"""Captions shown of those that got better, and of those that got worse."""


def write_report(result: TuneResult, request: TuneRequest, path: Path) -> None:
    """Write the report to ``path``: figures with intervals, the captions whose places changed most with the pictures
    that came first before and after, what was trained, and what was left out. About 10 kB an example."""
    title = f"Tuning {one_line(request.model)} on {one_line(request.source)}"
    body = [
        f"<h1>{escape(title)}</h1>",
        f"<p><strong>{escape(conclusion(*(result.differences[name] for name in (WITHHELD, GENERAL))))}</strong></p>",
        *_figures(result),
        *_examples(result),
        *_settings(result, request),
        *left_out(result.prepared.bad),
    ]
    write_page(path, title, body)


def _figures(result: TuneResult) -> list[str]:
    found = [
        "<h2>Before and after</h2><p>Per cent of captions whose picture, and of pictures whose caption, is among the "
        "first. A change is called better or worse only if its 95 % interval (bootstrap over pictures, paired) leaves "
        "0 out and a sign test agrees; everything else may be chance. The step to stop at and how far the weights move "
        "were chosen by other pictures than these.</p>"
    ]
    for name, differences in result.differences.items():
        judged = result.sets[name]
        about = f"{counted(len(judged.rows), 'picture')}, {counted(len(judged.texts), 'caption')}"
        if name == GENERAL:
            about += f": {result.prepared.general_name}, to see what was forgotten"
        found.append(f"<h3>{escape(SET_NAMES[name].capitalize())}</h3><p>{escape(about)}</p>")
        for score, label in (("itm", "re-ranked by matching, as a search answers"), ("itc", "first search alone")):
            found.append(f"<p>{label}</p>{table(COLUMNS, rows(differences, score))}")
    return found


def _examples(result: TuneResult) -> list[str]:
    before, after = result.before[WITHHELD].texts, result.after[WITHHELD].texts
    change = after - before
    order = np.argsort(change, kind="stable")
    better = [int(text) for text in order if change[text] < 0][:EXAMPLES]
    worse = [int(text) for text in order[::-1] if change[text] > 0][:EXAMPLES]
    found = ["<h2>Examples that changed</h2>"]
    for title, texts in (("Their picture came further forward", better), ("Their picture fell back", worse)):
        found.append(
            f"<h3>{title} ({int((change < 0).sum() if texts is better else (change > 0).sum())} captions)</h3>"
        )
        found += [_example(result, text) for text in texts] or ["<p>none</p>"]
    return found


def _example(result: TuneResult, text: int) -> str:
    judged = result.sets[WITHHELD]
    before, after = result.before[WITHHELD], result.after[WITHHELD]
    own = int(judged.owners[text])
    shown = [(f"its picture: place {_place(before.texts[text])}, now {_place(after.texts[text])}", own)]
    for label, ranks in (("first before", before), ("first now", after)):
        if int(ranks.first[text]) != own:
            shown.append((label, int(ranks.first[text])))
    figures = "".join(figure(result.prepared, int(judged.rows[place]), label) for label, place in shown)
    return f"<h4>“{escape(one_line(judged.texts[text]))}”</h4><div>{figures}</div>"


def _place(rank: int) -> str:
    return f"{int(rank) + 1:,}"


def _settings(result: TuneResult, request: TuneRequest) -> list[str]:
    settings, prepared = result.settings, result.prepared
    facts = [
        f"{len(prepared.train):,} pictures were learned from, {len(prepared.checks):,} steered the run, "
        f"{len(prepared.withheld):,} were withheld; copies are never on two sides",
        f"{request.way}: {100 * result.share_trained:.1f} % of the model's numbers were trained",
        f"{result.steps:,} steps of {settings.batch_size} pictures, of which {100 * request.options.rehearsal:.0f} % "
        f"general ones to rehearse; the weights of step {result.best_step:,} were the best and are those of the model",
        f"answers to general pictures were held to the old model's; the weights moved {result.share_moved:.0%} of "
        f"the way, so that {len(prepared.general_checks):,} other general pictures lose at most "
        f"{request.options.forget:g} points of R@1",
        f"peak learning rate {settings.learning_rate:.2g}, "
        f"{'bfloat16' if settings.bfloat16 else 'float32'}, seed {settings.seed}",
    ]
    cells = [
        (part.name, "", f"{part.numbers:,}", f"{part.trained:,}" if part.trained else "frozen", "")
        for part in result.parts
    ]
    listed = "".join(f"<li>{escape(fact)}</li>" for fact in facts)
    return [f"<h2>What was done</h2><ul>{listed}</ul>", table(("part", "", "weights", "trained", ""), cells)]
