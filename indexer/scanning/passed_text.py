"""Reports the files that a walk left out, in one line for a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from imgsearch.media.walking.pass_rules import HIDDEN, PROGRAM
from imgsearch.media.walking.walk_counts import NO_IMAGE, UNREAD, PassedOver

_MOST_EXTENSIONS = 6
_MOST_PROGRAMS = 6
_MOST_REASONS = 8
_OF_KINDS = {
    NO_IMAGE: ("file that is no picture", "files that are no pictures"),
    UNREAD: ("picture of a format that is not supported", "pictures of formats that are not supported"),
}
"""Reasons told with the extensions; the words for one file and for several."""


def passed_line(passed: PassedOver) -> str:
    """ "Left out: 12 files that are no pictures (.mp4 8, .txt 4), 3 hidden files; folders: hidden (1)."; or nothing.
    The folders of programs have a line of their own."""
    by_reason: Counter[str] = Counter()
    for (reason, _), count in passed.files.items():
        by_reason[reason] += count
    files = [_files_text(passed, reason, count) for reason, count in _often(by_reason)]
    folders = Counter({why: count for why, count in passed.folders.items() if not why.startswith(PROGRAM)})
    parts = [", ".join(_cut(files, "more reasons"))] if files else []
    if folders:
        rows = [f"{why} ({count:,})" for why, count in _often(folders)]
        parts.append("folders: " + ", ".join(_cut(rows, "more reasons")))
    return f"Left out: {'; '.join(parts)}." if parts else ""


def left_line(passed: PassedOver, planned: bool = False) -> str:
    """Reports files of the library that are still on the disk and were taken out of it, or would be if that is only
    ``planned``; "" for none."""
    if not passed.left:
        return ""
    rows = [f"{why} ({count:,})" for why, count in _often(passed.left)]
    total = passed.left.total()
    does = "would leave the library and stay" if planned else f"left the library and stay{'s' * (total == 1)}"
    return f"{total:,} file{'s' * (total > 1)} {does} on the disk: {', '.join(_cut(rows, 'more reasons'))}."


def program_line(program_folders: Mapping[str, int]) -> list[str]:
    """A line about the folders of other programs; none if there were none."""
    if not program_folders:
        return []
    often = _often(Counter(program_folders))
    named = [words + (f" ({folders:,})" if folders > 1 else "") for words, folders in often]
    folders = sum(program_folders.values())
    return [
        f"Passed over, as other programs own what is in them: {folders:,} folder{'s' * (folders > 1)}, "
        f"{', '.join(_cut(named, 'other kinds', _MOST_PROGRAMS))}. `--include NAME` walks one all the same."
    ]


def _files_text(passed: PassedOver, reason: str, count: int) -> str:
    if reason in _OF_KINDS:
        kinds = Counter({extension: n for (why, extension), n in passed.files.items() if why == reason})
        named = [f"{extension or 'without extension'} {n:,}" for extension, n in _often(kinds)]
        what = _OF_KINDS[reason][count != 1]
        return f"{count:,} {what} ({', '.join(_cut(named, 'more kinds', _MOST_EXTENSIONS))})"
    if reason == HIDDEN:
        return f"{count:,} hidden file{'s' * (count > 1)}"
    return f"{reason} ({count:,})"


def _often(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda row: (-row[1], row[0]))


def _cut(rows: list[str], rest: str, most: int = _MOST_REASONS) -> list[str]:
    return rows if len(rows) <= most else [*rows[:most], f"{len(rows) - most:,} {rest}"]
