"""A photograph, and what is told about it: EXIF, the boxes of a HEIC, the words of a motion photo."""

import struct

from odd_files import encode, photo
from PIL import Image
from whole_files import (
    FILM,
    box,
)

JPEG = encode(photo(), "JPEG", quality=90)
PNG = encode(photo(), "PNG")


def exif_of(
    details: dict[int, object] | None = None, gps: dict[int, object] | None = None, **tags: object
) -> Image.Exif:
    exif = Image.Exif()
    names = {"make": 0x010F, "model": 0x0110, "software": 0x0131, "edited": 0x0132, "description": 0x010E}
    for name, value in tags.items():
        exif[names[name]] = value
    exif.get_ifd(0x8769).update(details or {})
    exif.get_ifd(0x8825).update(gps or {})
    return exif


def heif_bytes(properties: list[bytes], *, film: bytes = b"", kinds: tuple[bytes, ...] = (b"hvc1",)) -> bytes:
    """A HEIC without pixels: items of these kinds that all have the same properties; the first is the main one."""
    infos = b"".join(
        box(b"infe", b"\2\0\0\0" + struct.pack(">HH4s", number, 0, kind) + b"\0")
        for number, kind in enumerate(kinds, 1)
    )
    info = box(b"iinf", bytes(4) + struct.pack(">H", len(kinds)) + infos)
    uses = bytes([len(properties), *range(1, len(properties) + 1)])
    ipma = (
        bytes(4) + struct.pack(">I", len(kinds)) + b"".join(struct.pack(">H", n + 1) + uses for n in range(len(kinds)))
    )
    meta = box(b"hdlr", bytes(8) + b"pict" + bytes(13)) + box(b"pitm", bytes(4) + struct.pack(">H", 1)) + info
    meta += box(b"iprp", box(b"ipco", b"".join(properties)) + box(b"ipma", ipma))
    return box(b"ftyp", b"heic" + bytes(4) + b"mif1heic") + box(b"meta", bytes(4) + meta) + film


def track(handler: bytes, samples: int) -> bytes:
    sizes = box(b"stsz", bytes(8) + struct.pack(">I", samples))
    media = box(b"hdlr", bytes(8) + handler + bytes(13)) + box(b"minf", box(b"stbl", sizes))
    return box(b"moov", box(b"trak", box(b"mdia", media)))


MOTION = [
    'GCamera:MotionPhoto="1"',
    f'GCamera:MicroVideo="1" GCamera:MicroVideoOffset="{len(FILM)}"',
]
