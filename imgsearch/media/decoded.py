"""What decoding a file gives; apart from the decoders, which take a tenth of a second to import."""

from __future__ import annotations

from dataclasses import dataclass

from imgsearch.records import MediaFacts, UInt8, Word


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """One picture, ready for the model."""

    pixels: UInt8  # uint8 [S, S, 3], sRGB, upright, squashed; [0, 0, 3] where none were asked for
    facts: MediaFacts
    mtime_ns: int = 0  # of the file as it was read; 0 for bytes without a file
    signature: bytes = b""  # see imgsearch.media.signature; empty where none was made
    words: tuple[Word, ...] = ()  # that people wrote into it


@dataclass(frozen=True, slots=True)
class KnownContent:
    """The file's bytes are already in the library: nothing was decoded."""

    content_hash: str
    size_bytes: int
    mtime_ns: int
