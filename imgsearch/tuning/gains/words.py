"""What a run gained, in sentences and tables: for the terminal and for the report. Nothing is called better or worse
whose interval holds no change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgsearch.tuning.gains.measure import Difference


SET_NAMES = {"withheld": "your withheld pictures", "general": "general pictures"}
COLUMNS = ("", "", "before", "after", "change", "95 % interval", "")


def rows(differences: Iterable[Difference], score: str = "itm") -> list[tuple[str, ...]]:
    """Cells as `COLUMNS` names them, for the figures of one score."""
    return [
        (
            one.way,
            f"R@{one.at}",
            f"{one.before:.1f}",
            f"{one.after:.1f}",
            f"{one.change:+.1f}",
            f"{one.low:+.1f} to {one.high:+.1f}",
            one.verdict,
        )
        for one in differences
        if one.score == score
    ]


def in_columns(cells: Sequence[Sequence[str]]) -> list[str]:
    """Lines of equal columns, numbers to the right."""
    wide = [max(len(row[place]) for row in cells) for place in range(len(cells[0]))]
    return [
        "  ".join(
            cell.ljust(width) if place in (0, 1, len(row) - 1) else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, wide, strict=True))
        ).rstrip()
        for row in cells
    ]


def verdict_on(name: str, differences: Sequence[Difference]) -> str:
    """One sentence on a set: what R@1 says, both ways, re-ranked as a search is."""
    firsts = [one for one in differences if one.score == "itm" and one.at == 1]
    parts = [f"{one.way} {described(one)}" for one in firsts]
    return f"{SET_NAMES[name]}, the right one first: {'; '.join(parts)}"


def described(one: Difference) -> str:
    """ "4.0 % to 62.0 %, better by 58.0 points (48.1 to 67.0)", or that nothing is certain."""
    return figures_in_words(one.before, one.after, one.low, one.high, one.verdict)


def figures_in_words(before: float, after: float, low: float, high: float, verdict: str) -> str:
    """The same of plain numbers, as they stand beside a tuned model's weights."""
    spoken = f"{before:.1f} % to {after:.1f} %"
    if verdict == "no certain difference":
        return f"{spoken}, no certain difference ({low:+.1f} to {high:+.1f} points)"
    ends = sorted((abs(low), abs(high)))
    return f"{spoken}, {verdict} by {abs(after - before):.1f} points ({ends[0]:.1f} to {ends[1]:.1f})"


def conclusion(withheld: Sequence[Difference], general: Sequence[Difference]) -> str:
    """What follows for a person, in one sentence."""
    own = {one.verdict for one in withheld if one.score == "itm" and one.at == 1}
    rest = {one.verdict for one in general if one.score == "itm" and one.at == 1}
    if "worse" in own:
        gained = "The tuned model finds your withheld pictures worse than before: do not use it."
    elif "better" in own:
        gained = "The tuned model finds your withheld pictures better than before."
    else:
        gained = "No gain on your withheld pictures is certain."
    if "worse" in rest:
        return f"{gained} It lost some of what it knew."
    if "better" in rest:
        return f"{gained} General pictures are found better too."
    return f"{gained} No loss on general pictures is certain either."
