"""An answer as a table. What is shown beside a picture is what put it there."""

from __future__ import annotations

from collections.abc import Iterator

from imgsearch.cli.output.terminal import linked, shown
from imgsearch.records import Hit, Results

UNSURE = "-- below here nothing matches with confidence --"


def table_lines(results: Results) -> Iterator[str]:
    """A head, and a line for each hit. ``score`` is that of the re-ranked ones, ``ITC`` (or another score of the first
    search) that of the others; a column that would be empty is left out."""
    hits = results.hits
    reread = any(hit.score is not None for hit in hits)
    by_vectors = any(hit.score is None and hit.itc for hit in hits)  # filters alone give no score
    first = "likeness" if results.order == "likeness" else "ITC"
    head = "rank" + ("    score" if reread else "") + (f"{first:>9}" if by_vectors else "")
    yield head + "  picture"
    unsure = False
    ranked = [hit.rank for hit in hits] == sorted(hit.rank for hit in hits)
    for hit in hits:
        if hit.confident is False and not hit.words and not unsure and ranked:
            yield " " * len(head) + "  " + UNSURE
            unsure = True
        why = f"  ({shown(hit.words)})" if hit.words else ""
        yield f"{hit.rank:4d}{_score(hit) if reread else ''}{_itc(hit) if by_vectors else ''}  {linked(hit.path)}{why}"


def _score(hit: Hit) -> str:
    return f"{'-':>9}" if hit.score is None else f"{hit.score:9.3f}"


def _itc(hit: Hit) -> str:
    return f"{hit.itc:9.3f}" if hit.score is None else f"{'-':>9}"
