"""Groups of pairs whose files are known beforehand, made as `grouping.Grouping` makes those of a library."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from imgsearch.dedup.evidence.records import ACTED_ON, Copy, Group, Pair
from imgsearch.dedup.groups.components import component_batches
from imgsearch.dedup.groups.keep import KeepRule
from imgsearch.dedup.groups.star_groups import GroupTerms, make_groups
from imgsearch.dedup.groups.worth import Judgement


def grouped(
    pairs: Iterable[Pair],
    copies: Callable[[Sequence[int]], Mapping[int, Sequence[Copy]]],
    rule: KeepRule,
    *,
    several: Iterable[int] = (),
    distinct: Callable[[Sequence[str]], Collection[frozenset[str]]] = lambda hashes: (),
    acted_on: Collection[str] = ACTED_ON,
    judgement: Judgement | None = None,
) -> Iterator[Group]:
    """``copies`` is asked for one batch of images at a time, ``distinct`` for the contents of their files."""
    for batch in component_batches(pairs, several):
        files = copies(batch.images)
        hashes = sorted({copy.facts.content_hash for held in files.values() for copy in held})
        terms = GroupTerms(rule, frozenset(distinct(hashes)), frozenset(acted_on), judgement)
        yield from make_groups(batch, files, terms)
