"""The report's HTML, piece by piece. Everything that comes from a file passes through `_safe`. The page makes no
network request, and its policy forbids any."""

from __future__ import annotations

import base64
import hashlib
import html
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote_from_bytes

from imgsearch.dedup.evidence.records import TIERS, Copy, Group, Member
from imgsearch.dedup.reports.words import TIER_TITLES, describe_companions, describe_evidence, describe_place
from imgsearch.records import Failure
from imgsearch.wording import describe_size, one_line

HEADING_END = b"</h2>"
"""The first one in a group's HTML ends its heading, because no file name comes before it."""

_ALSO = 12  # other groups of an image that are named


@dataclass(slots=True)
class ReportTile:
    """One file of a group as it is shown: its small image and where it differs from the keeper (WebP), or why there is
    none."""

    copy: Copy
    picture: bytes | None = None
    difference: bytes | None = None
    failure: Failure | None = None


@dataclass(slots=True)
class Totals:
    """By tier: the groups whose weakest evidence it is, their members, and the bytes that moving these would free."""

    groups: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TIERS, 0))
    files: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TIERS, 0))
    freed_bytes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TIERS, 0))

    def take(self, group: Group) -> None:
        """Count another group."""
        if group.members:
            self.groups[weakest_tier(group)] += 1
        for member in group.members:
            tier = member.evidence.tier
            self.files[tier] += 1
            self.freed_bytes[tier] += freed_bytes([member])


def weakest_tier(group: Group) -> str:
    """The weakest tier of the moved files, or of all files if the group moves nothing. A person must agree with it to
    accept the group."""
    moved = [member.evidence.tier for member in group.members if member.move]
    shown = [member.evidence.tier for member in (*group.members, *group.kept)]
    return max(moved or shown, key=TIERS.index, default="bytes")


def freed_bytes(members: Iterable[Member]) -> int:
    """The bytes freed by moving those of ``members`` that a plan moves; a file with other names on disk frees none."""
    return sum(member.copy.size_bytes for member in members if member.move and member.copy.links <= 1)


def head_html(title: str, notes: Iterable[str]) -> bytes:
    """Everything up to the summary."""
    style, script = _asset("report.css"), _asset("report.js")
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    said = "".join(f"<p>{_safe(note)}</p>" for note in notes)
    return _bytes(f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><meta name="referrer" content="no-referrer">
<title>{_safe(title)}</title>
<style>{style}</style></head>
<body><header class="top"><h1>{_safe(title)}</h1>{said}
<p class="keys">Keys: <kbd>j</kbd> next group, <kbd>k</kbd> the one before, <kbd>d</kbd> where its pictures differ.</p>
</header><main>
""")


def summary_html(totals: Totals) -> bytes:
    """The tally by tier."""
    rows = []
    for tier in TIERS:
        if totals.files[tier]:
            freed = describe_size(totals.freed_bytes[tier]) if totals.freed_bytes[tier] else "-"
            numbers = f"<td>{totals.groups[tier]:,}</td><td>{totals.files[tier]:,}</td><td>{freed}</td>"
            rows.append(f'<tr><th scope="row">{TIER_TITLES[tier]}</th>{numbers}</tr>')
    if not rows:
        return _bytes(
            '<section class="sum"><h2>No duplicates</h2><p>No two files show the same picture.</p></section>\n'
        )
    groups, freed = _several(sum(totals.groups.values()), "group"), describe_size(sum(totals.freed_bytes.values()))
    return _bytes(f"""<section class="sum" aria-labelledby="sum"><h2 id="sum">{groups}, {freed} to free</h2>
<table><thead><tr><th scope="col">Evidence</th><th scope="col">Groups</th><th scope="col">Copies</th>\
<th scope="col">Frees</th></tr></thead><tbody>{"".join(rows)}</tbody></table></section>
""")


def group_html(number: int, group: Group, tiles: list[ReportTile]) -> bytes:
    """A group: the keeper, the files kept beside it, then the members; ``tiles`` belong to the first of them, in this
    order."""
    others = others_of(group)
    freed = freed_bytes(group.members)
    told = f"{_several(1 + len(others), 'file')}, " + (f"frees {describe_size(freed)}" if freed else "frees nothing")
    keeper = _tile_html(tiles[0], "keep", "Keep", [group.reason])
    shown = [
        _tile_html(tile, *_fate(at < len(group.kept), member), _reasons(member))
        for at, (tile, member) in enumerate(zip(tiles[1:], others, strict=False))
    ]
    rest = len(others) - len(shown)
    more = f'<li class="rest">and {_several(rest, "more file")}</li>' if rest else ""
    return _bytes(f"""<section class="group" id="g{number}" tabindex="-1" aria-labelledby="t{number}">
<h2 id="t{number}"><a href="#g{number}">{number:,}</a> {TIER_TITLES[weakest_tier(group)]} <small>{told}</small></h2>
<ul>{keeper}{"".join(shown)}{more}</ul></section>
""")


def also_html(numbers: list[int]) -> bytes:
    """Links to the other groups of one image, placed behind a group's heading (`HEADING_END`)."""
    links = [f'<a href="#g{number}">group {number:,}</a>' for number in numbers[:_ALSO]]
    rest = len(numbers) - len(links)
    if rest:
        links.append(_several(rest, "more group"))
    told = f"{', '.join(links[:-1])} and {links[-1]}" if len(links) > 1 else links[0]
    verb = "shows" if len(numbers) == 1 else "show"
    return _bytes(f'<p class="also">Also {told} {verb} this picture.</p>')


def left_out_html(groups: int) -> bytes:
    """Says how many groups are not shown."""
    verb = "is" if groups == 1 else "are"
    return _bytes(
        f'<p class="left">{_several(groups, "further group")} {verb} counted above but not shown, to keep this file '
        "small. <code>imgsearch dedup report</code> writes more with a higher limit, and tables with all of them.</p>\n"
    )


def failures_html(failures: Iterable[Failure], most: int) -> tuple[bytes, int]:
    """A line for each of the first ``most`` unreadable files; and the number of all."""
    lines, count = [], 0
    for failure in failures:
        count += 1
        if count <= most:
            lines.append(f"<li><code><bdi>{_safe(failure.path)}</bdi></code> {_safe(failure.reason)}</li>")
    if not count:
        return b"", 0
    more = f"<p>and {_several(count - most, 'more file')}</p>" if count > most else ""
    heading = f'<h2 id="failed">{_several(count, "file")} could not be read</h2>'
    text = f'<section class="failed" aria-labelledby="failed">{heading}<ul>{"".join(lines)}</ul>{more}</section>\n'
    return _bytes(text), count


def foot_html() -> bytes:
    """The end. The script comes last, so that it finds the groups."""
    return _bytes(f"</main><script>{_asset('report.js')}</script></body></html>\n")


def others_of(group: Group) -> tuple[Member, ...]:
    """All files of a group except its keeper, first those that are kept beside it."""
    return (*group.kept, *group.members)


def _fate(kept: bool, member: Member) -> tuple[str, str]:
    if kept:
        return "keep", "Keep: in a reference folder"
    return ("move", "Move") if member.move else ("stay", "Stays")


def _reasons(member: Member) -> list[str]:
    """The evidence for the member, the reason why it stays, and the files that move along."""
    stays = f"stays: {member.stays}" if member.stays and not member.move else ""
    goes = describe_companions(member.companions) if member.move else ""
    return [describe_evidence(member.evidence), *filter(None, (stays, goes))]


def _tile_html(tile: ReportTile, kind: str, verdict: str, reasons: list[str]) -> str:
    copy = tile.copy
    name = Path(copy.path).name
    if tile.picture:
        size = f'width="{copy.facts.width}" height="{copy.facts.height}"'
        image = f'<img src="{_data(tile.picture)}" alt="{_safe(name)}" {size} loading="lazy">'
        picture = f'<a class="picture" href="{_address(copy.path)}">{image}</a>'
    else:
        picture = '<p class="picture none">No picture: the file could not be read</p>'
    differs = ""
    if tile.difference:
        alt = f"Where {_safe(name)} differs from the one to keep"
        shown = f'<img src="{_data(tile.difference)}" alt="{alt}">'
        differs = (
            f"<details><summary>Where they differ</summary>{shown}<p>Red, four times as strong as it is.</p></details>"
        )
    said = "".join(f'<p class="why">{_safe(why)}</p>' for why in reasons)
    return (
        f'<li class="{kind}">{picture}<p class="verdict">{verdict}</p><p class="path"><bdi>{_safe(copy.path)}</bdi></p>'
        f'<p class="facts">{_safe(describe_place(copy))}</p>{said}{differs}</li>'
    )


def _safe(text: str) -> str:
    return html.escape(one_line(text), quote=True)


def _address(path: str) -> str:
    return html.escape("file://" + quote_from_bytes(os.fsencode(path)), quote=True)


def _data(content: bytes) -> str:
    return "data:image/webp;base64," + base64.b64encode(content).decode("ascii")


def _several(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


@cache
def _asset(name: str) -> str:
    return files("imgsearch.dedup.reports").joinpath(name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8")
