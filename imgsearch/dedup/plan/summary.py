"""The effect of a plan, in numbers and in words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from imgsearch.dedup.evidence.records import TIERS, Group
from imgsearch.wording import describe_size, one_line

TIER_WORDS = {
    "bytes": "the same file",
    "pixels": "the same pixels",
    "perceptual": "the same picture saved again",
    "near": "near copies",
    "part": "part of another file",
    "stack": "files that belong together",
    "burst": "other shots",
    "semantic": "the same scene",
}
"""A tier's words behind a number or in a list."""

_REASONS = 4  # reasons for staying that are listed, the most frequent; the others are counted together
_NAMED = (
    (re.compile(r"it was compared with .* alone"), "compared with another copy alone"),
    (re.compile(r"it belongs to .*, which stays"), "it belongs to a file that stays"),
    (re.compile(r"what belongs to it belongs to .* too"), "what belongs to it belongs to another picture too"),
    (
        re.compile(r".* beside it has no equal beside the kept file"),
        "what lies beside it has no equal beside the kept file",
    ),
)
"""Reasons that name a file, so that no two are equal, and the words under which they are counted."""


@dataclass(frozen=True, slots=True)
class PlanSummary:
    """The effect of a plan, in numbers. ``freed_bytes`` counts only files with one name: another name on disk (a hard
    link) keeps the space in use."""

    groups: int
    files: int  # in the groups, keepers included
    moved: int
    moved_bytes: int
    freed_bytes: int
    moved_by_tier: dict[str, int]  # tiers with at least one file, strongest first
    shown_by_tier: dict[str, int]  # members that stay where they are
    companions: int = 0  # files that move along
    companion_bytes: int = 0  # of these, counted nowhere else
    stay_by_reason: dict[str, int] = field(default_factory=dict)  # copies that stay, by `brief_reason`, most first
    stay_by_tier: dict[str, int] = field(default_factory=dict)  # the same files, by tier; part of ``shown_by_tier``

    def lines(self) -> Iterator[str]:
        """The summary for a person, one fact a line."""
        yield f"{several(self.groups, 'group')} of {several(self.files, 'file')}"
        if not self.moved:
            yield "nothing to move"
        else:
            words = ", ".join(_counted(count, tier) for tier, count in self.moved_by_tier.items())
            yield f"{several(self.moved, 'file')} to move: {words}; {describe_size(self.moved_bytes)}"
        if self.companions:
            verbs = "belongs to them goes" if self.companions == 1 else "belong to them go"
            yield f"{several(self.companions, 'file')} that {verbs} along, {describe_size(self.companion_bytes)}"
        if self.freed_bytes != self.moved_bytes:
            yield f"{describe_size(self.freed_bytes)} would be freed; the other files have another name on the disk"
        if self.stay_by_reason:
            staying = sum(self.stay_by_reason.values())
            yield f"{staying:,} {'stays' if staying == 1 else 'stay'}: {_most_frequent(self.stay_by_reason)}"
        shown = {tier: count - self.stay_by_tier.get(tier, 0) for tier, count in self.shown_by_tier.items()}
        words = ", ".join(f"{TIER_WORDS[tier]} ({count:,})" for tier, count in shown.items() if count)
        if words:
            yield f"only shown, not moved: {words}"


class PlanTally:
    """Counts the effects of groups, one after the other."""

    def __init__(self) -> None:
        self._moved: Counter[str] = Counter()
        self._shown: Counter[str] = Counter()
        self._staying: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()

    def take(self, group: Group) -> None:
        """Count one more group."""
        counts = self._counts
        counts["groups"] += 1
        counts["files"] += 1 + len(group.members)
        for member in group.members:
            (self._moved if member.move else self._shown)[member.evidence.tier] += 1
            if member.move:
                counts["moved_bytes"] += member.copy.size_bytes
                counts["freed_bytes"] += member.copy.size_bytes if member.copy.links == 1 else 0
                counts["companions"] += len(member.companions)
                counts["companion_bytes"] += sum(one.size_bytes for one in member.companions)
            elif member.stays:
                self._staying[member.evidence.tier] += 1
                self._reasons[brief_reason(member.stays)] += 1

    def summary(self) -> PlanSummary:
        """The counts so far."""
        counts, moved = self._counts, self._moved
        return PlanSummary(
            counts["groups"],
            counts["files"],
            moved.total(),
            counts["moved_bytes"],
            counts["freed_bytes"],
            _in_order(moved),
            _in_order(self._shown),
            counts["companions"],
            counts["companion_bytes"],
            dict(sorted(self._reasons.items(), key=lambda one: (-one[1], one[0]))),
            _in_order(self._staying),
        )


def brief_reason(stays: str) -> str:
    """The kind of a reason (`Member.stays`): without the names of files and without the part behind a colon."""
    for pattern, words in _NAMED:
        if pattern.fullmatch(stays):
            return words
    return stays.split(": ", 1)[0]


def several(number: int, noun: str) -> str:
    """ "1 file", "1,200 files"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def tier_words(tiers: Iterable[str]) -> str:
    """ "the same file, the same pixels"."""
    return ", ".join(TIER_WORDS[tier] for tier in tiers)


def _counted(count: int, tier: str) -> str:
    return "1 near copy" if (count, tier) == (1, "near") else f"{count:,} {TIER_WORDS[tier]}"


def _most_frequent(reasons: Mapping[str, int]) -> str:
    named = list(reasons.items())[:_REASONS]
    rest = sum(reasons.values()) - sum(count for _, count in named)
    told = [f"{one_line(reason)} ({count:,})" for reason, count in named]
    return ", ".join(told + ([f"other reasons ({rest:,})"] if rest else []))


def _in_order(counts: Counter[str]) -> dict[str, int]:
    return {tier: counts[tier] for tier in TIERS if counts[tier]}
