"""Writes groups as one self-contained HTML file: images side by side, the evidence in words, and the differences."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from imgsearch.dedup.evidence.records import Copy, Group, Member
from imgsearch.dedup.plan.draft import replacing
from imgsearch.dedup.reports import report_page as page
from imgsearch.dedup.reports.difference import difference_image
from imgsearch.dedup.reports.report_page import ReportTile, Totals
from imgsearch.errors import MediaError
from imgsearch.media.thumbnail import make_thumbnail
from imgsearch.records import Failure

SIDE = 240
"""Pixels of an image's longer side: two beside each other on a phone; 5 to 10 kB as WebP."""

_COMPARED = ("perceptual", "near")
"""Tiers with a visible difference: stronger tiers have none, weaker ones are other shots."""

_AHEAD = 16
"""Groups whose images are read in advance."""

Thumbnails = Callable[[Copy], bytes]
"""A file's small image, WebP; raises MediaError if it cannot be read."""


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """``groups``, ``members`` and ``size_bytes`` bound the file: groups shown, files shown of one group beside its
    keeper, and bytes after which no further group is begun. The report counts everything that is left out. ``notes``:
    sentences below the title. ``failures``: how many unreadable files are listed."""

    title: str = "Duplicates"
    notes: tuple[str, ...] = ()
    groups: int = 1000
    members: int = 40
    failures: int = 1000
    size_bytes: int = 60_000_000
    workers: int = 0  # threads that read images; 0: one a core, 4 at most


@dataclass(slots=True)
class Report:
    """The result: the number of groups, the number shown, the tally by tier, and the number of unreadable files."""

    path: Path
    groups: int = 0
    shown: int = 0
    unreadable: int = 0
    size_bytes: int = 0
    totals: Totals = field(default_factory=Totals)


def read_thumbnail(copy: Copy) -> bytes:
    """Reads the file itself, which must still hold the content that the library knows. Raises MediaError."""
    return make_thumbnail(copy.path, SIDE, content_hash=copy.facts.content_hash)


def write_report(
    groups: Iterable[Group],
    path: str | os.PathLike[str],
    thumbnails: Thumbnails = read_thumbnail,
    *,
    options: ReportOptions | None = None,
    failures: Iterable[Failure] = (),
) -> Report:
    """Write ``groups`` in their order to ``path``, which appears whole or not at all.

    The groups are read once; at most 16 are in memory with their images (40 a group, 10 kB each), whatever their
    number. ``thumbnails`` is called from several threads; if it raises MediaError for a file, the file gets a line of
    its own, as do ``failures``. Raises UsageError if ``path`` lies in no folder, StorageFull. About 60 ms of one core
    an image of 12 megapixels, most of it for decoding."""
    writer = _Writer(Path(path), thumbnails, options or ReportOptions())
    with replacing(Path(path)) as file, tempfile.TemporaryFile() as body:
        writer.write_groups(groups, body)
        writer.write_page(file, body, failures)
    return writer.report


class _Writer:
    """Writes the groups to a file of their own first, because the totals above them, and the links between groups of
    one image, are known only at the end."""

    def __init__(self, path: Path, thumbnails: Thumbnails, options: ReportOptions) -> None:
        self.report = Report(path)
        self._thumbnails, self._options = thumbnails, options
        self._unreadable: dict[str, Failure] = {}
        self._full = False
        self._headings: list[tuple[int, int, int]] = []  # (where its heading ends, number, image) of a group

    def write_groups(self, groups: Iterable[Group], body: BinaryIO) -> None:
        options, report = self._options, self.report
        with ThreadPoolExecutor(options.workers or min(4, os.cpu_count() or 1)) as pool:
            for group, tiles in self._prepared(self._counted(groups), pool):
                self._full = self._full or report.shown >= options.groups or body.tell() >= options.size_bytes
                if not self._full:
                    report.shown += 1
                    self._write_group(group, tiles, body)
                    found = (tile.failure for tile in tiles if tile.failure is not None)
                    self._unreadable.update((failure.path, failure) for failure in found)

    def write_page(self, file: BinaryIO, body: BinaryIO, failures: Iterable[Failure]) -> None:
        options, report = self._options, self.report
        file.write(page.head_html(options.title, options.notes))
        file.write(page.summary_html(report.totals))
        self._copy(body, file)
        if report.groups > report.shown:
            file.write(page.left_out_html(report.groups - report.shown))
        every = chain(self._unreadable.values(), (each for each in failures if each.path not in self._unreadable))
        lines, report.unreadable = page.failures_html(every, options.failures)
        file.write(lines)
        file.write(page.foot_html())
        report.size_bytes = file.tell()

    def _write_group(self, group: Group, tiles: list[ReportTile], body: BinaryIO) -> None:
        text = page.group_html(self.report.shown, group, tiles)
        if group.picture:
            end = body.tell() + text.index(page.HEADING_END) + len(page.HEADING_END)
            self._headings.append((end, self.report.shown, group.picture))
        body.write(text)

    def _copy(self, body: BinaryIO, file: BinaryIO) -> None:
        """Copies the groups, with links between those of one image."""
        numbers: dict[int, list[int]] = {}
        for _, number, picture in self._headings:
            numbers.setdefault(picture, []).append(number)
        body.seek(0)
        for end, number, picture in self._headings:
            file.write(body.read(end - body.tell()))
            if others := [other for other in numbers[picture] if other != number]:
                file.write(page.also_html(others))
        shutil.copyfileobj(body, file)

    def _counted(self, groups: Iterable[Group]) -> Iterator[Group]:
        """Yields the groups that may be shown; counts all of them."""
        for group in groups:
            self.report.groups += 1
            self.report.totals.take(group)
            if not self._full and self.report.groups <= self._options.groups:
                yield group

    def _prepared(self, groups: Iterator[Group], pool: ThreadPoolExecutor) -> Iterator[tuple[Group, list[ReportTile]]]:
        """Each group with its images, in order; a few are read ahead."""
        ahead: deque[tuple[Group, Future[list[ReportTile]]]] = deque()
        for group in groups:
            ahead.append((group, pool.submit(self._tiles, group)))
            if len(ahead) == _AHEAD:
                first, future = ahead.popleft()
                yield first, future.result()
        for first, future in ahead:
            yield first, future.result()

    def _tiles(self, group: Group) -> list[ReportTile]:
        """The keeper's tile, then those of the other shown files."""
        keeper, others = self._tile(group.keeper), page.others_of(group)[: self._options.members]
        return [keeper, *(self._member_tile(member, keeper) for member in others)]

    def _tile(self, copy: Copy) -> ReportTile:
        try:
            return ReportTile(copy, self._thumbnails(copy))
        except MediaError as error:
            told = Failure(copy.path, error.stage, error.message, error.transient, copy.size_bytes, copy.mtime_ns)
            return ReportTile(copy, failure=told)

    def _member_tile(self, member: Member, keeper: ReportTile) -> ReportTile:
        tile, evidence = self._tile(member.copy), member.evidence
        whole = (
            evidence.overlap is None or evidence.overlap > 0.99
        )  # parts of an image lie elsewhere, so there is no difference to see
        if evidence.tier in _COMPARED and whole and keeper.picture and tile.picture:
            tile.difference = difference_image(keeper.picture, tile.picture, evidence.orientation)
        return tile
