"""A re-rank within a time budget, where one picture takes seconds: a large model on a CPU.

The candidates whose features are kept come first, each a fraction of a second; then those that must be decoded and
encoded, as many as the time is expected to suffice for. A candidate that was not reached keeps the place that the first
search gave it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from imgsearch.model.runtime_profile import RuntimeProfile
from imgsearch.search.features.stored import ImageSource
from imgsearch.search.rerank import Match, Matched, failure_sentences


def match_in_time(
    profile: RuntimeProfile,
    match: Callable[[Sequence[ImageSource]], tuple[list[Match | None], list[str]]],
    sources: Sequence[ImageSource],
    kept: Sequence[bool],
    deadline: float,
) -> Matched:
    """As `imgsearch.search.inference.direct.match_candidates`, one candidate after the other until ``deadline``, a
    time.perf_counter(). ``match`` gives a match for each candidate and the reasons for those without; ``kept`` says
    whose features lie on disk. No match at all, [], where even the first would come too late; with kept features the
    first is matched in any case."""
    found: list[Match | None] = [None] * len(sources)
    reasons: list[str] = []
    unread = 0
    order = sorted(range(len(sources)), key=lambda index: not kept[index])
    for count, index in enumerate(order):
        if _too_late(profile, kept[index], deadline, first=not count):
            unread += 1
            continue
        (found[index],), failed = match([sources[index]])
        reasons += failed
    matched = any(one is not None for one in found)
    notes = failure_sentences(reasons)
    if unread and not all(kept):
        notes.append(_not_kept(profile, sum(not one for one in kept)))
    return (found if matched else []), notes, not unread


def _too_late(profile: RuntimeProfile, kept: bool, deadline: float, *, first: bool) -> bool:
    if kept:
        return not first and time.perf_counter() > deadline
    return time.perf_counter() + (profile.image_seconds or 0.0) > deadline


def _not_kept(profile: RuntimeProfile, count: int) -> str:
    seconds = profile.image_seconds
    each = "" if seconds is None else f", which takes about {seconds:.1f} s each here"
    pictures = "1 candidate" if count == 1 else f"{count} candidates"
    return f"{pictures} would have to be decoded and encoded again{each}; index --features all keeps what that gives"
