"""The directories (IFD) of a TIFF, and a stream that opens at any of them.

Pillow only walks the chain of directories. A full-size image in tag 330 (SubIFDs) is opened through a stream whose
header points there. Sources: TIFF 6.0, Adobe's TIFF technical notes (SubIFDs, NewSubfileType), the BigTIFF design, DNG
1.7.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from imgsearch.media.containers.header import read_at, usual_depth

MAX_DIRECTORIES = 10_002
"""Directories that are read at most; dedup compares no more images than this."""

_SUBFILE, _OLD_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 255, 256, 257, 258, 259, 262
_ORIENTATION = 274
_SAMPLES, _PLANAR, _SUB_IFDS, _EXTRA, _FORMAT, _XMP, _IPTC, _RESOURCES, _ICC = (
    277,
    284,
    330,
    338,
    339,
    700,
    33723,
    34377,
    34675,
)
_DNG_VERSION = 0xC612
_MAX_SAMPLE, _HIGHEST = 281, 341  # SMaxSampleValue may be a float
_BLOCKS = frozenset({_XMP, _IPTC, _RESOURCES, _ICC})
_NUMBERS = frozenset(
    {
        _SUBFILE,
        _OLD_SUBFILE,
        _WIDTH,
        _HEIGHT,
        _BITS,
        _COMPRESSION,
        _PHOTOMETRIC,
        _ORIENTATION,
        _SAMPLES,
        _PLANAR,
        _SUB_IFDS,
        _EXTRA,
        _FORMAT,
        _DNG_VERSION,
        _MAX_SAMPLE,
        _HIGHEST,
    }
)
_CODES = {1: "B", 2: "B", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_MAX_VALUES = 256
_MAX_TAGS, _MAX_TAGS_IN_ALL = 4096, 1_000_000
_UNSEEN = frozenset({4, 32803, 34892, 51177, 52527})  # photometric interpretations of masks, sensor data and depth maps
_SPACES = {0: "GRAY", 1: "GRAY", 5: "CMYK", 8: "Lab", 9: "Lab", 10: "Lab"}


@dataclass(frozen=True, slots=True)
class Directory:
    """One directory (IFD) of a TIFF at ``offset``, with the tags that matter here as numbers or bytes."""

    offset: int
    numbers: dict[int, tuple[int, ...]]
    blocks: dict[int, bytes]

    def number(self, tag: int, default: int) -> int:
        values = self.numbers.get(tag)
        return values[0] if values else default

    @property
    def pixels(self) -> int:
        return self.number(_WIDTH, 0) * self.number(_HEIGHT, 0)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as stored, before any orientation."""
        return self.number(_WIDTH, 0), self.number(_HEIGHT, 0)

    @property
    def is_reduced(self) -> bool:
        """Whether it is a smaller version of another image of the file."""
        return bool(self.number(_SUBFILE, 0) & 1) or self.number(_OLD_SUBFILE, 0) == 2

    @property
    def is_image(self) -> bool:
        """Whether people are meant to see it: it is no thumbnail, mask, depth map or sensor data."""
        unseen = self.number(_SUBFILE, 0) & 0b1100 or self.photometric in _UNSEEN
        return not self.is_reduced and not unseen and self.pixels > 0

    @property
    def photometric(self) -> int:
        return self.number(_PHOTOMETRIC, 0)

    @property
    def space(self) -> str:
        return _SPACES.get(self.photometric, "RGB")

    @property
    def planar(self) -> bool:
        """Whether each channel is stored separately."""
        return self.number(_PLANAR, 1) == 2

    @property
    def bits(self) -> int:
        return max(self.numbers.get(_BITS, (1,)))

    @property
    def sample_format(self) -> int:
        """1 unsigned, 2 signed, 3 float, 4 undefined."""
        return self.number(_FORMAT, 1)

    @property
    def samples(self) -> int:
        """Samples a pixel."""
        return self.number(_SAMPLES, 1)

    @property
    def extra_samples(self) -> tuple[int, ...]:
        """The meaning of the channels after the colours: 0 none in particular, 1 alpha with premultiplied colours, 2
        alpha."""
        return self.numbers.get(_EXTRA, ())

    @property
    def has_range(self) -> bool:
        """Whether it names the samples of black and white, and these are not simply the range of its bits."""
        usual = (1 << self.bits) - 1
        return any(self.number(tag, usual) != usual for tag in (_MAX_SAMPLE, _HIGHEST))

    @property
    def unseen_channels(self) -> int:
        """The number of channels that are neither colour nor alpha."""
        return sum(kind == 0 for kind in self.numbers.get(_EXTRA, ()))

    @property
    def has_alpha(self) -> bool:
        """Whether there is alpha. As in Pillow, a fourth RGB sample without ExtraSamples counts as alpha."""
        extra = self.numbers.get(_EXTRA)
        if extra is None:
            return self.photometric == 2 and self.number(_SAMPLES, 1) == 4
        return any(kind in (1, 2, 999) for kind in extra)

    @property
    def depth(self) -> int:
        """Bits a sample; a palette counts as 8."""
        return 8 if self.photometric == 3 else usual_depth(self.bits)

    @property
    def compression(self) -> int:
        return self.number(_COMPRESSION, 1)

    @property
    def sub_directories(self) -> tuple[int, ...]:
        """Offsets of the directories below this one (tag 330)."""
        return self.numbers.get(_SUB_IFDS, ())

    @property
    def has_orientation(self) -> bool:
        return _ORIENTATION in self.numbers

    @property
    def is_dng(self) -> bool:
        return _DNG_VERSION in self.numbers

    @property
    def xmp(self) -> bytes:
        return self.blocks.get(_XMP, b"")

    @property
    def iptc(self) -> bytes:
        """Bare IPTC-IIM records, or else Photoshop's resources, which may hold some."""
        return self.blocks.get(_IPTC, b"") or self.blocks.get(_RESOURCES, b"")

    @property
    def icc(self) -> bytes:
        return self.blocks.get(_ICC, b"")


def at_directory(stream: BinaryIO, offset: int) -> BinaryIO:
    """The same TIFF, opened at the directory at ``offset``, which every reader then takes for the first."""
    head = read_at(stream, 0, 16)
    order = "<" if head[:2] == b"II" else ">"
    big = struct.unpack(order + "H", head[2:4])[0] == 43
    patched = head[:8] + struct.pack(order + "Q", offset) if big else head[:4] + struct.pack(order + "I", offset)
    opened = cast(BinaryIO, _Patched(stream, patched))
    opened.seek(0)
    return opened


def as_tiff(stream: BinaryIO) -> BinaryIO:
    """A camera RAW that differs from TIFF only in its magic number, as an ordinary TIFF."""
    head = read_at(stream, 0, 4)
    usual = b"MM\x00*" if head[:2] == b"MM" else b"II*\x00"
    opened = cast(BinaryIO, _Patched(stream, usual))
    opened.seek(0)
    return opened


@dataclass(slots=True)
class DirectoryReader:
    """Reads directories of a TIFF. The header has been read: byte order, BigTIFF or not, offset of the first directory.
    After ``tags_left`` tags it finds no more, because overlapping directories would make a small file endless."""

    stream: BinaryIO
    order: str
    big: bool
    first: int
    tags_left: int = _MAX_TAGS_IN_ALL

    @classmethod
    def of(cls, stream: BinaryIO) -> DirectoryReader | None:
        """A reader of this stream; None if the bytes do not begin like a TIFF."""
        head = read_at(stream, 0, 16)
        order = {b"II": "<", b"MM": ">"}.get(head[:2])
        if order is None or len(head) < 8:
            return None
        big = struct.unpack(order + "H", head[2:4])[0] == 43
        if big and len(head) < 16:
            return None
        first = struct.unpack(order + "Q", head[8:16])[0] if big else struct.unpack(order + "I", head[4:8])[0]
        return cls(stream, order, big, first)

    def chain(self) -> Iterator[Directory]:
        """The directories in sequence. A chain that returns to an earlier one ends."""
        offset, seen = self.first, set[int]()
        while offset and offset not in seen and len(seen) < MAX_DIRECTORIES:
            seen.add(offset)
            found = self.read(offset)
            if found is None:
                return
            yield found[0]
            offset = found[1]

    def read(self, offset: int) -> tuple[Directory, int] | None:
        """A directory and the offset of the next; None if the file ends before."""
        counter, entry, word = ("Q", 20, 8) if self.big else ("H", 12, 4)
        head = read_at(self.stream, offset, struct.calcsize(counter))
        if len(head) < struct.calcsize(counter):
            return None
        count = struct.unpack(self.order + counter, head)[0]
        self.tags_left -= min(count, _MAX_TAGS)
        if not 0 < count <= _MAX_TAGS or self.tags_left < 0:
            return None
        table = self.stream.read(count * entry + word)
        if len(table) < count * entry:
            return None
        directory = Directory(offset, {}, {})
        for at in range(0, count * entry, entry):
            self._keep(directory, table[at : at + entry])
        after = table[count * entry :]
        following = struct.unpack(self.order + ("Q" if self.big else "I"), after)[0] if len(after) == word else 0
        return directory, following

    def _keep(self, directory: Directory, entry: bytes) -> None:
        tag, kind = struct.unpack(self.order + "HH", entry[:4])
        if tag not in _NUMBERS and tag not in _BLOCKS:
            return
        count = struct.unpack(self.order + ("Q" if self.big else "I"), entry[4 : 12 if self.big else 8])[0]
        inline = entry[12:] if self.big else entry[8:]
        if tag in _NUMBERS:
            count = min(count, _MAX_VALUES)
        length = count * _SIZES.get(kind, 0)
        data = inline[:length]
        if length > len(inline):
            data = read_at(self.stream, struct.unpack(self.order + ("Q" if self.big else "I"), inline)[0], length)
        if tag in _BLOCKS:
            directory.blocks[tag] = data
        elif tag in (_MAX_SAMPLE, _HIGHEST) and kind in (11, 12):
            directory.numbers[tag] = (-1,)  # only its presence matters
        elif kind in _CODES and len(data) == length:
            directory.numbers[tag] = struct.unpack(f"{self.order}{count}{_CODES[kind]}", data)


class _Patched:
    """A stream whose first bytes are replaced. Everything else, the descriptor included, is the original stream's.
    libtiff also gets the directory's offset separately."""

    def __init__(self, stream: BinaryIO, head: bytes) -> None:
        self._stream, self._head = stream, head

    def read(self, count: int = -1) -> bytes:
        at = self._stream.tell()
        data = self._stream.read(count)
        if at >= len(self._head):
            return data
        patch = self._head[at : at + len(data)]
        return patch + data[len(patch) :]

    def __getattr__(self, name: str) -> Any:
        if name == "name":  # the name of a file opened by descriptor is a number, which tifffile takes for a path
            raise AttributeError(name)
        return getattr(self._stream, name)
