"""How a HEIC or AVIF wants its primary image to be read: crop, rotation and mirroring (clap, irot, imir), the tiles of
a grid, and a stand-alone file for one tile (ISO/IEC 23008-12, ISO/IEC 14496-12).

EXIF and XMP never turn such an image. Their orientation is what the camera noted, but only the boxes count.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import BinaryIO

from PIL import Image

from imgsearch.media.containers.boxes import file_boxes, read_box
from imgsearch.media.containers.header import stream_size
from imgsearch.media.containers.heif.items import ByteCursor, Item, Items, read_items
from imgsearch.media.orientation import orient_image

_TURNS = {1: Image.Transpose.ROTATE_90, 2: Image.Transpose.ROTATE_180, 3: Image.Transpose.ROTATE_270}
_MIRRORS = {0: Image.Transpose.FLIP_TOP_BOTTOM, 1: Image.Transpose.FLIP_LEFT_RIGHT}
_MAX_TILES = 65_536

Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Shape:
    """Stored width and height, the box that is kept, then the transpositions in their order."""

    size: tuple[int, int]
    crop: Box
    transposes: tuple[Image.Transpose, ...]

    @property
    def upright_size(self) -> tuple[int, int]:
        """Width and height as shown."""
        width, height = self.crop[2] - self.crop[0], self.crop[3] - self.crop[1]
        across = sum(each in (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_270) for each in self.transposes) % 2
        return (height, width) if across else (width, height)

    @property
    def orientation(self) -> int:
        """The transpositions as one EXIF orientation."""
        marked = Image.frombytes("L", (2, 3), bytes(range(6)))
        wanted = self.oriented(marked)
        return next(each for each in range(1, 9) if orient_image(marked, each) == wanted)

    def oriented(self, image: Image.Image) -> Image.Image:
        """The cropped image, or a reduced version of it, upright."""
        for each in self.transposes:
            image = image.transpose(each)
        return image


@dataclass(frozen=True, slots=True)
class Grid:
    """Tiles of one size, row by row. The canvas cuts off the surplus of the last column and row."""

    columns: int
    rows: int
    size: tuple[int, int]
    tiles: tuple[Item, ...]


def read_primary(stream: BinaryIO) -> tuple[Items, Item] | None:
    """The items of a file and its primary item; None if there is none (a sequence, or the short form `mif3`)."""
    for box in file_boxes(stream, 0, stream_size(stream)):
        if box.name == b"meta":
            items = read_items(read_box(stream, box))
            primary = items.by_number.get(items.primary)
            return None if primary is None else (items, primary)
    return None


def shape_of(item: Item, size: tuple[int, int]) -> Shape:
    """The transformations of an item that decodes to ``size``. An impossible crop is ignored."""
    crop: Box = (0, 0, *size)
    transposes: list[Image.Transpose] = []
    for name, content in item.properties:
        if name == b"clap" and len(content) >= 32:
            crop = _cropped(crop, content, transposes)
        elif name == b"irot" and content and content[0] & 3:
            transposes.append(_TURNS[content[0] & 3])
        elif name == b"imir" and content:
            transposes.append(_MIRRORS[content[0] & 1])
    return Shape(size, crop, tuple(transposes))


def _cropped(box: Box, clap: bytes, transposes: list[Image.Transpose]) -> Box:
    """Apply the clean aperture: width, height and the offset of its centre, as fractions."""
    if transposes:  # clap after irot or imir, against the order in the standard
        return box
    numbers = struct.unpack(">IiIiiiii", clap[:32])
    if min(numbers[1], numbers[3], numbers[5], numbers[7]) <= 0:
        return box
    width, height = numbers[0] / numbers[1], numbers[2] / numbers[3]
    full = box[2] - box[0], box[3] - box[1]
    left = numbers[4] / numbers[5] + (full[0] - width) / 2
    top = numbers[6] / numbers[7] + (full[1] - height) / 2
    found = (
        max(0, math.floor(left + 0.5)),
        max(0, math.floor(top + 0.5)),
        min(full[0], math.floor(left + width + 0.5)),
        min(full[1], math.floor(top + height + 0.5)),
    )
    return found if found[0] < found[2] and found[1] < found[3] else box


def read_grid(stream: BinaryIO, items: Items, primary: Item) -> Grid | None:
    """The grid of the primary item; None if it is no grid, or if tiles are missing."""
    if primary.kind != b"grid":
        return None
    data = items.content(stream, primary)
    cursor = ByteCursor(data, 1)
    wide = 4 if cursor.take(1) & 1 else 2
    rows, columns = cursor.take(1) + 1, cursor.take(1) + 1
    size = cursor.take(wide), cursor.take(wide)
    numbers = items.targets(b"dimg", primary.number)
    tiles = [items.by_number[each] for each in numbers if each in items.by_number]
    if len(tiles) != rows * columns or len(tiles) > _MAX_TILES or min(size) < 1:
        return None
    return Grid(columns, rows, size, tuple(tiles))


def tile_file(item: Item, data: bytes) -> bytes:
    """One tile as a HEIC of its own, without its transformations."""
    kept = [(name, content) for name, content in item.properties if name not in (b"irot", b"imir", b"clap")]
    properties = b"".join(_box(name, content) for name, content in kept)
    indexes = b"".join(bytes([at + 1 | (0x80 if name == b"hvcC" else 0)]) for at, (name, _) in enumerate(kept))
    associations = struct.pack(">IIHB", 0, 1, 1, len(kept)) + indexes
    infe = _box(b"infe", struct.pack(">IHH", 2 << 24, 1, 0) + item.kind + b"\0")
    boxes = _box(b"hdlr", bytes(8) + b"pict" + bytes(13)) + _box(b"pitm", struct.pack(">IH", 0, 1))
    boxes += _box(b"iinf", struct.pack(">IH", 0, 1) + infe)
    boxes += _box(b"iprp", _box(b"ipco", properties) + _box(b"ipma", associations))
    ftyp = _box(b"ftyp", b"heic\0\0\0\0mif1heic")
    iloc_bytes = 8 + 4 + 2 + 2 + 2 + 2 + 2 + 4 + 4
    start = len(ftyp) + 12 + len(boxes) + iloc_bytes + 8
    iloc = _box(b"iloc", struct.pack(">IBBHHHHII", 0, 0x44, 0, 1, 1, 0, 1, start, len(data)))
    return ftyp + _box(b"meta", bytes(4) + boxes + iloc) + _box(b"mdat", data)


def _box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + name + content
