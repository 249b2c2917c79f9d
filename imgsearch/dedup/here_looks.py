"""Compares one file and one image of a library in full, in this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property

from imgsearch.dedup.belonging.stacks import StackFile, belong_together
from imgsearch.dedup.evidence.records import Copy, Evidence
from imgsearch.dedup.evidence.relation import relate
from imgsearch.dedup.groups.worth import Judgement, Worth
from imgsearch.dedup.pixels.inspection import task
from imgsearch.errors import MediaError
from imgsearch.media.limits import LIMITS
from imgsearch.media.samples.whole import FileTraits, Samples, read_samples
from imgsearch.records import MediaFacts
from imgsearch.storage.catalog.inventory import HeldFile
from imgsearch.storage.evidence.rows import Judged

_UNREAD = "its file cannot be read now, only small pictures were compared"
_ASKED, _KNOWN = 0, 1  # image ids of a judgement of two


class _Unread(Exception):
    """The library's file cannot be read now."""


@dataclass
class LookupFile:
    """The file that is looked up; everything beyond its first decoding is read once, and only if needed."""

    path: str  # absolute
    facts: MediaFacts
    mtime_ns: int

    @cached_property
    def traits(self) -> FileTraits:
        """Raises MediaError."""
        return _traits(self.path, self.facts, self.mtime_ns)

    @cached_property
    def samples(self) -> Samples:
        """Raises MediaError."""
        return read_samples(self.path, content_hash=self.facts.content_hash)


def look_at(asked: LookupFile, files: Sequence[HeldFile], alike: Evidence | None, *, exact: bool) -> Evidence | None:
    """The evidence between ``asked`` and the image that ``files`` hold, the image first; None if they are unrelated.
    ``alike``: the evidence of their signatures; ``exact``: whether all samples may be equal. Raises MediaError if the
    looked-up file cannot be read; if a file of the library cannot be read, the evidence of the signatures remains, as
    near."""
    for file in files:
        if not file.offline:
            try:
                return _seen(asked, file, alike, exact)
            except _Unread:
                continue
    return None if alike is None else replace(alike, tier="near", why=_UNREAD)


def _seen(asked: LookupFile, file: HeldFile, alike: Evidence | None, exact: bool) -> Evidence | None:
    with _of_library():
        known = _traits(file.path, file.facts, file.mtime_ns)
    worths = {_ASKED: Worth(asked.traits), _KNOWN: Worth(known)}
    found = alike
    if exact:
        ours = asked.samples
        with _of_library():
            theirs = read_samples(file.path, content_hash=file.facts.content_hash)
        if ours.digest == theirs.digest:
            found = Evidence("pixels", 1.0, difference=0.0)
            worths = {
                _ASKED: Worth(asked.traits, ours.transparent, ours.depth),
                _KNOWN: Worth(known, theirs.transparent, theirs.depth),
            }
    if found is None:
        return None
    found = relate(found, known, asked.traits)
    kind = belong_together(
        _stack_file(file.path, file.facts, known), _stack_file(asked.path, asked.facts, asked.traits)
    )
    if kind and found.tier != "burst":
        return replace(found, tier="stack", why=kind)
    judged = None
    if found.tier == "perceptual":
        judged = _inspected(asked, file, found.orientation, known)
        if not judged.is_copy:
            return None
    return _worded(asked, file, found, worths, judged) if found.tier in ("pixels", "perceptual") else found


def _inspected(asked: LookupFile, file: HeldFile, orientation: int, known: FileTraits) -> Judged:
    sides = [
        [file.path, file.facts.content_hash, file.size_bytes, known.has_alpha],
        [asked.path, asked.facts.content_hash, asked.facts.size_bytes, asked.traits.has_alpha],
    ]
    try:
        found = task.inspect_pair([*sides, orientation, False], LIMITS)
    except MediaError as error:
        if error.message.startswith(file.path + ": ") and file.path != asked.path:
            raise _Unread from error
        raise
    return Judged(found.same, found.why, found.altered)


def _worded(
    asked: LookupFile, file: HeldFile, found: Evidence, worths: dict[int, Worth], judged: Judged | None
) -> Evidence:
    """The evidence with the reason why a plan would not move the file in favour of the library's; a part if the
    library's file has less of each sample."""
    judgement = Judgement(worths.__getitem__, {} if judged is None else {(_ASKED, _KNOWN): judged})
    keeper = Copy(file.path, file.root_id, _KNOWN, file.size_bytes, file.mtime_ns, file.facts)
    member = Copy(asked.path, 0, _ASKED, asked.facts.size_bytes, asked.mtime_ns, asked.facts)
    stays = judgement.stays(keeper, member, found)
    more = worths[_ASKED].bits > worths[_KNOWN].bits or (worths[_ASKED].alpha and not worths[_KNOWN].alpha)
    return replace(found, tier="part" if stays and more and found.tier == "perceptual" else found.tier, why=stays)


def _traits(path: str, facts: MediaFacts, mtime_ns: int) -> FileTraits:
    return task.describe_indexed([path, facts.content_hash, facts.size_bytes, mtime_ns], LIMITS)


def _stack_file(path: str, facts: MediaFacts, traits: FileTraits) -> StackFile:
    return StackFile(path, facts.format, facts.taken_at, traits)


@contextmanager
def _of_library() -> Iterator[None]:
    try:
        yield
    except MediaError as error:
        raise _Unread from error
