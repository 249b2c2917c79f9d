"""Everything known about one image file and the files beside it, each fact with its source."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image

from imgsearch.errors import MediaError
from imgsearch.media.containers.header import Header
from imgsearch.media.containers.heif.shape import read_primary, shape_of
from imgsearch.media.containers.reading import read_header
from imgsearch.media.decode import decode_file, open_upright
from imgsearch.media.decoded import DecodedImage
from imgsearch.media.facts.answers import packed, unpacked
from imgsearch.media.facts.beside import sidecars_of, told_orientation
from imgsearch.media.facts.names import date_of_file
from imgsearch.media.facts.reading import NO_FACTS
from imgsearch.media.facts.sidecars import merged, read_sidecars
from imgsearch.media.facts.task import header_facts
from imgsearch.media.facts.words import joined_words
from imgsearch.media.limits import LIMITS, DecodeLimits
from imgsearch.media.metadata.exif import orientation_of, own_orientation
from imgsearch.media.metadata.xmp import parse_xmp
from imgsearch.media.opening import readable_kind, translated
from imgsearch.media.samples.whole import FileTraits, describe_file
from imgsearch.media.sniff import Kind
from imgsearch.media.source import open_source
from imgsearch.records import FileFacts, MediaFacts


@dataclass(frozen=True, slots=True)
class ShownFile:
    """An image file as it is now. ``content`` and ``traits`` are None if it cannot be decoded or described, and
    ``fault`` says why. ``facts`` come from the file itself, or else from its sidecars, its name or its time."""

    size_bytes: int
    mtime_ns: int
    content: MediaFacts | None
    traits: FileTraits | None
    facts: FileFacts
    sidecars: tuple[Path, ...]
    fault: MediaError | None = None
    size: tuple[int, int] | None = None  # of the upright image, even if only the header can be read
    is_image: bool = True  # False for a file that cannot be opened as an image
    turned_by: str | None = None
    """The source of the orientation: "exif", "xmp", "boxes" (irot and imir), "codestream", "raw", "sidecar"; None if
    there is none."""

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        fault = None if self.fault is None else [self.fault.message, self.fault.stage, self.fault.transient]
        return {
            "status": [self.size_bytes, self.mtime_ns],
            "content": None if self.content is None else asdict(self.content),
            "traits": None if self.traits is None else self.traits.to_json(),
            "facts": packed(self.facts),
            "sidecars": [os.fspath(path) for path in self.sidecars],
            "fault": fault,
            "rest": [self.size, self.is_image, self.turned_by],
        }

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> ShownFile:
        """The object that `to_json` wrote. Raises ValueError, KeyError or TypeError for malformed input."""
        content, traits, fault = told["content"], told["traits"], told["fault"]
        size_bytes, mtime_ns = told["status"]
        size, is_image, turned_by = told["rest"]
        return cls(
            int(size_bytes),
            int(mtime_ns),
            None if content is None else MediaFacts(**content),
            None if traits is None else FileTraits.from_json(traits),
            unpacked(told["facts"]),
            tuple(Path(name) for name in told["sidecars"]),
            None if fault is None else MediaError(fault[0], stage=fault[1], transient=fault[2]),
            None if size is None else (int(size[0]), int(size[1])),
            bool(is_image),
            turned_by,
        )


def show_file(path: Path, limits: DecodeLimits = LIMITS) -> ShownFile:
    """Read the file, its header and its sidecars. 10 to 200 ms. Raises OSError if it does not exist. Decoding a hostile
    file may take more memory than ``limits`` allow, so use `decode_pool.shown` for files from unknown sources."""
    status = path.stat()
    content, traits, fault, is_image = None, None, None, False
    sidecars = sidecars_of(path)
    try:
        beside = read_sidecars(map(os.fspath, sidecars))
    except MediaError:
        beside = NO_FACTS
    own = NO_FACTS
    try:
        own = header_facts(path, limits)
        is_image = True
        decoded = decode_file(path, 64, limits=limits, pixels=False, told=beside.orientation or 0)
        assert isinstance(decoded, DecodedImage)  # no known hashes were given
        content = decoded.facts
        with suppress(MediaError):
            traits = describe_file(path, limits=limits)
    except MediaError as error:
        fault = error
    size, turned_by = _shape(path, content, limits)
    date, source = date_of_file(path.name, status.st_mtime_ns)
    facts = merged([own, beside, FileFacts(taken_at=date, taken_source=source)])
    facts = replace(facts, camera=own.camera, words=joined_words(own.words, beside.words))
    return ShownFile(
        status.st_size, status.st_mtime_ns, content, traits, facts, sidecars, fault, size, is_image, turned_by
    )


def open_shown(path: Path, max_side: int) -> Image.Image:
    """`open_upright`, with the orientation from sidecars beside the file. Raises MediaError."""
    return open_upright(path, max_side, told=told_orientation(path))


def show_task(arguments: Any, settings: dict[str, Any], limits: DecodeLimits) -> tuple[dict[str, Any], bytes]:
    """The pool's task: `show_file` of a path, as `ShownFile.to_json`. Raises MediaError."""
    with translated("read"):
        return show_file(Path(arguments), limits).to_json(), b""


def _shape(path: Path, content: MediaFacts | None, limits: DecodeLimits) -> tuple[tuple[int, int] | None, str | None]:
    """The upright size, from the header if there is no ``content``, and the source of the orientation."""
    size = (content.width, content.height) if content else None
    if content is not None and content.orientation_source != "file":
        return size, content.orientation_source
    try:
        with open_source(os.fspath(path), limits) as source:
            kind = readable_kind(source.head, source.name)
            header = read_header(source.stream, kind)
            return size or _header_size(source.stream, kind, header), _turned_by(kind, header)
    except Exception:  # noqa: BLE001  damaged headers, of a file that cannot be decoded either
        return size, None


def _header_size(stream: BinaryIO, kind: Kind, header: Header) -> tuple[int, int] | None:
    width, height = header.extent
    if kind.format in _BOXED:
        found = read_primary(stream)
        if found is not None:
            width, height = shape_of(found[1], header.extent).upright_size
    elif orientation_of(header.exif) >= 5:
        width, height = height, width
    return (width, height) if width and height else None


_BOXED = ("HEIF", "AVIF")


def _turned_by(kind: Kind, header: Header) -> str | None:
    """The source of the orientation, for an image whose own file has one."""
    if kind.format in _BOXED:
        return "boxes"
    if kind.format == "JXL":
        return "codestream"
    if kind.format == "RAW" or header.raw:
        return "raw"
    return "exif" if own_orientation(header.exif) or not parse_xmp(header.xmp).first("tiff:Orientation") else "xmp"
