"""HEIC and AVIF files put together by hand around what an encoder made: any properties, grids, embedded codecs."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass, field

import numpy as np
import pillow_heif
from odd_files import encode
from PIL import Image

from imgsearch.media.containers.heif.shape import read_primary

Property = tuple[bytes, bytes]

_ESSENTIAL = (b"hvcC", b"av1C", b"clap", b"irot", b"imir")


@dataclass
class Item:
    kind: bytes
    data: bytes
    properties: list[Property] = field(default_factory=list)
    references: tuple[bytes, tuple[int, ...]] = (b"", ())
    content_type: bytes = b""


def box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + name + content


def iso_file(items: list[Item], brand: bytes = b"heic") -> bytes:
    """The first item is the primary one; items are numbered from 1."""
    properties = list(dict.fromkeys(each for item in items for each in item.properties))
    ipco = box(b"ipco", b"".join(box(*each) for each in properties))
    associations = b""
    for number, item in enumerate(items, 1):
        marks = [0x8000 * (name in _ESSENTIAL) for name, _ in item.properties]
        places = [properties.index(each) + 1 for each in item.properties]
        indexes = b"".join(struct.pack(">H", mark | at) for mark, at in zip(marks, places, strict=True))
        associations += struct.pack(">HB", number, len(item.properties)) + indexes
    ipma = box(b"ipma", struct.pack(">II", 1, len(items)) + associations)
    infos = b"".join(
        box(
            b"infe",
            struct.pack(">IHH", 2 << 24, number, 0)
            + item.kind
            + b"\0"
            + (item.content_type + b"\0" if item.content_type else b""),
        )
        for number, item in enumerate(items, 1)
    )
    boxes = box(b"hdlr", bytes(8) + b"pict" + bytes(13)) + box(b"pitm", struct.pack(">IH", 0, 1))
    boxes += box(b"iinf", struct.pack(">IH", 0, len(items)) + infos)
    refs = b"".join(
        box(
            item.references[0],
            struct.pack(">HH", number, len(item.references[1]))
            + struct.pack(f">{len(item.references[1])}H", *item.references[1]),
        )
        for number, item in enumerate(items, 1)
        if item.references[1]
    )
    boxes += box(b"iref", bytes(4) + refs) if refs else b""
    boxes += box(b"iprp", ipco + ipma)
    ftyp = box(b"ftyp", brand + bytes(4) + b"mif1miaf" + brand)
    start = len(ftyp) + 12 + len(boxes) + 16 + 14 * len(items) + 8
    places = b""
    for number, item in enumerate(items, 1):
        places += struct.pack(">HHHII", number, 0, 1, start, len(item.data))
        start += len(item.data)
    iloc = box(b"iloc", struct.pack(">IBBH", 0, 0x44, 0, len(items)) + places)
    return ftyp + box(b"meta", bytes(4) + boxes + iloc) + box(b"mdat", b"".join(item.data for item in items))


def coded(image: Image.Image, kind: str) -> Item:
    """A picture as an item of "HEIF", "AVIF", "JPEG" or "JPEG2000"."""
    ispe = (b"ispe", struct.pack(">III", 0, *image.size))
    if kind == "JPEG":
        return Item(b"jpeg", encode(image, "JPEG", quality=95), [ispe])
    if kind == "JPEG2000":
        return Item(b"j2k1", encode(image, "JPEG2000", no_jp2=True), [ispe])
    out = io.BytesIO()
    if kind == "HEIF":
        pillow_heif.from_pillow(image).save(out, format="HEIF", quality=95)
    else:
        image.save(out, "AVIF", quality=95)
    found = read_primary(out)
    assert found is not None
    items, primary = found
    kept = [each for each in primary.properties if each[0] in (b"hvcC", b"av1C", b"ispe", b"pixi")]
    return Item(primary.kind, items.content(out, primary), kept)


def grid(image: Image.Image, tile: tuple[int, int], kind: str, *properties: Property) -> bytes:
    """The picture as tiles of one size; what stands over at the edges is cut off by the canvas."""
    width, height = tile
    columns, rows = -(-image.width // width), -(-image.height // height)
    padded = np.pad(
        np.asarray(image), ((0, rows * height - image.height), (0, columns * width - image.width), (0, 0)), mode="edge"
    )
    tiles = [
        coded(Image.fromarray(padded[y * height : (y + 1) * height, x * width : (x + 1) * width]), kind)
        for y in range(rows)
        for x in range(columns)
    ]
    data = bytes([0, 1, rows - 1, columns - 1]) + struct.pack(">II", *image.size)
    shape = (b"ispe", struct.pack(">III", 0, *image.size))
    first = Item(b"grid", data, [shape, *properties], (b"dimg", tuple(range(2, len(tiles) + 2))))
    return iso_file([first, *tiles])


def clap(size: tuple[int, int], crop: tuple[int, int, int, int]) -> Property:
    """The box (left, top, right, bottom) of a picture of ``size``."""
    left, top, right, bottom = crop
    across, down = left + right - size[0], top + bottom - size[1]  # twice the middle's distance
    return b"clap", struct.pack(">IIIIiIiI", right - left, 1, bottom - top, 1, across, 2, down, 2)


def irot(quarters: int) -> Property:
    """Turned to the left."""
    return b"irot", bytes([quarters])


def imir(axis: int) -> Property:
    """0: top and bottom exchanged; 1: left and right."""
    return b"imir", bytes([axis])
