"""Evidence in words, as reports, tables and the page describe two images."""

from __future__ import annotations

import os
from collections.abc import Sequence

from imgsearch.dedup.evidence.records import Companion, Copy, Evidence
from imgsearch.wording import describe_size, one_line

TIER_TITLES = {
    "bytes": "Same file",
    "pixels": "Same pixels",
    "perceptual": "Same picture",
    "near": "Near copy",
    "part": "Part of it",
    "stack": "Belong together",
    "burst": "Other shot",
    "semantic": "Same scene",
}
"""Of a few letters each, by tier, in the order of ``TIERS``."""

_SAME = {
    "bytes": "the same file, byte for byte",
    "pixels": "the same pixels in another file",
    "perceptual": "the same picture, saved again",
    "near": "the same shot, altered",
    "part": "it shares its first picture, and lacks something that the other holds",
    "stack": "files that belong together",
    "burst": "another shot",
    "semantic": "another picture of the same scene",
}
_COMPANIONS = 3  # named
_TURNS = {
    2: "mirrored left to right",
    3: "turned upside down",
    4: "mirrored top to bottom",
    5: "mirrored and turned a quarter",
    6: "turned a quarter clockwise",
    7: "mirrored and turned a quarter",
    8: "turned a quarter counter-clockwise",
}
"""How the second image is brought to the first, by EXIF orientation (CIPA DC-008, 4.6.4 A)."""


def describe_evidence(evidence: Evidence) -> str:
    """One sentence without its full stop: "the same picture, saved again; mirrored left to right; pHash differs in 3 of
    64 bits; brightness differs by 4 % at most; 97 % sure". It mentions nothing that a tier does not measure."""
    return "; ".join([_SAME[evidence.tier], *_details(evidence)])


def describe_companions(companions: Sequence[Companion]) -> str:
    """ "goes along: IMG_1.xmp", "go along: IMG_1.aae, IMG_1.mov and 2 more"; "" if there are none."""
    if not companions:
        return ""
    names = [one_line(os.path.basename(one.path)) for one in companions[:_COMPANIONS]]  # noqa: PTH119  bytes-safe
    rest = len(companions) - len(names)
    verb = "goes along" if len(companions) == 1 else "go along"
    return f"{verb}: {', '.join(names)}" + (f" and {rest:,} more" if rest else "")


def describe_place(copy: Copy) -> str:
    """ "4000 x 3000 JPEG, 3.4 MB, 2019-05-03 10:00, Canon EOS R6": the facts by which a person chooses."""
    facts = copy.facts
    parts = [f"{facts.width} × {facts.height} {facts.format}", describe_size(copy.size_bytes)]
    if facts.taken_at:
        parts.append(facts.taken_at.replace("T", " "))
    if facts.camera:
        parts.append(one_line(facts.camera))
    if facts.latitude is not None:
        parts.append("has a place")
    if copy.links > 1:
        parts.append(f"{copy.links} names on disk, so that moving one frees nothing")
    return ", ".join(parts)


def _details(evidence: Evidence) -> list[str]:
    found = [evidence.why] if evidence.why else []
    if evidence.orientation != 1:
        found.append(_TURNS[evidence.orientation])
    if evidence.overlap is not None and evidence.overlap < 0.995:
        found.append(f"shows {_percent(evidence.overlap)} of it")
    if evidence.hamming is not None:
        found.append("pHash is equal" if evidence.hamming == 0 else f"pHash differs in {evidence.hamming} of 64 bits")
    if evidence.difference is not None:
        share = _percent(evidence.difference)
        found.append(f"brightness differs by {share} at most" if evidence.difference else "brightness is equal")
    if evidence.seconds is not None:
        found.append(f"taken {describe_span(evidence.seconds)} apart")
    if evidence.similarity is not None:
        found.append(f"likeness {evidence.similarity:.3f}")
    if evidence.score < 1:
        found.append(f"{_percent(evidence.score)} sure")
    return found


def describe_span(seconds: float) -> str:
    """ "0.4 s", "12 s", "5 min", "3 h", "2 days"."""
    seconds = abs(seconds)
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 9.95 and seconds != round(seconds) else f"{seconds:.0f} s"
    for length, unit in ((60, "min"), (3600, "h")):
        if seconds < {"min": 5400, "h": 172_800}[unit]:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds / 86400:,.0f} days"


def _percent(share: float) -> str:
    """Never 100 for less than all, never 0 for more than none."""
    if 0 < share < 0.005:
        return "under 1 %"
    return f"{99 if 0.99 < share < 1 else round(100 * share)} %"
