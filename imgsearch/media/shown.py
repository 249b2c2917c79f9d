"""Everything that is known of one picture file and of what lies beside it, each fact with its source."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from imgsearch.errors import MediaError
from imgsearch.media.decode import DecodedImage, decode_file
from imgsearch.media.facts.names import date_of_file
from imgsearch.media.facts.reading import NO_FACTS
from imgsearch.media.facts.sidecar_names import FoundSidecars, SidecarListing
from imgsearch.media.facts.sidecars import merged, read_sidecars
from imgsearch.media.facts.task import header_facts
from imgsearch.media.facts.words import distinct_words
from imgsearch.media.limits import LIMITS
from imgsearch.media.whole import FileTraits, describe_file
from imgsearch.records import FileFacts, MediaFacts


@dataclass(frozen=True, slots=True)
class ShownFile:
    """A picture file as it is now. ``content`` and ``traits`` are None where it cannot be decoded or described, and
    ``fault`` says why; ``facts`` are the file's own, or else of its sidecars, its name or its time."""

    size_bytes: int
    mtime_ns: int
    content: MediaFacts | None
    traits: FileTraits | None
    facts: FileFacts
    sidecars: tuple[Path, ...]
    fault: MediaError | None = None


def show_file(path: Path) -> ShownFile:
    """Read the file, its header and its sidecars. 10 to 200 ms. Raises OSError where it is not there."""
    status = path.stat()
    content, traits, fault = None, None, None
    sidecars = _sidecars_of(path)
    try:
        beside = read_sidecars(map(os.fspath, sidecars))
    except MediaError:
        beside = NO_FACTS
    own = NO_FACTS
    try:
        own = header_facts(path, LIMITS)
        decoded = decode_file(path, 64, pixels=False, told=beside.orientation or 0)
        assert isinstance(decoded, DecodedImage)  # no known hashes were given
        content = decoded.facts
        with suppress(MediaError):
            traits = describe_file(path)
    except MediaError as error:
        fault = error
    date, source = date_of_file(path.name, status.st_mtime_ns)
    facts = merged([own, beside, FileFacts(taken_at=date, taken_source=source)])
    facts = replace(facts, camera=own.camera, words=distinct_words([*own.words, *beside.words]))
    return ShownFile(status.st_size, status.st_mtime_ns, content, traits, facts, sidecars, fault)


def _sidecars_of(path: Path) -> tuple[Path, ...]:
    found = FoundSidecars(lambda _: False)
    folder = path.absolute().parent
    found.note_folder(os.fspath(folder))
    return tuple(folder / sidecar.name for sidecar in SidecarListing(found.folders.get("", ())).of(path.name))
