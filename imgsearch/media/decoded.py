"""The result of decoding a file. It stands apart from the decoders, whose import takes a tenth of a second."""

from __future__ import annotations

from dataclasses import dataclass

from imgsearch.records import MediaFacts, UInt8, Word


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """One image, ready for the model."""

    pixels: UInt8  # uint8 [S, S, 3], sRGB, upright, squashed to a square; [0, 0, 3] if no pixels were asked for
    facts: MediaFacts
    mtime_ns: int = 0  # modification time of the file as it was read; 0 for bytes without a file
    signature: bytes = b""  # see imgsearch.media.signature; empty where none was made
    words: tuple[Word, ...] = ()  # tags, titles and captions that people wrote into the file


@dataclass(frozen=True, slots=True)
class KnownContent:
    """The file's bytes are already in the library, so nothing was decoded."""

    content_hash: str
    size_bytes: int
    mtime_ns: int
