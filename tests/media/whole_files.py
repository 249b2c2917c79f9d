"""Files that hold more than their first picture shows, built byte by byte."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from odd_files import encode
from PIL import Image

FILM = struct.pack(">I4s4sI4s", 20, b"ftyp", b"isom", 512, b"mp42") + struct.pack(">I4s", 8, b"moov")


@dataclass
class Page:
    """One directory of a TIFF: the picture uint8 or uint16 [H, W] or [H, W, C], further tags as (tag, type, values),
    and the directories below it (SubIFDs)."""

    pixels: np.ndarray
    tags: Sequence[tuple[int, int, Sequence[int]]] = ()
    below: Sequence[Page] = field(default_factory=list)
    strip: bytes = b""  # the pixels as they are stored, where they are compressed


def tiff_bytes(pages: Sequence[Page], order: str = "<", big: bool = False) -> bytes:
    """A TIFF of these pages, uncompressed, one strip each."""
    writer = _TiffWriter(order, big)
    first = writer.chain(pages)
    mark = b"II" if order == "<" else b"MM"
    head = mark + struct.pack(order + "HHHQ", 43, 8, 0, first) if big else mark + struct.pack(order + "HI", 42, first)
    return head + bytes(writer.body[len(head) :])


class _TiffWriter:
    def __init__(self, order: str, big: bool) -> None:
        self.order, self.big, self.body = order, big, bytearray(16)

    def chain(self, pages: Sequence[Page]) -> int:
        following = 0
        for page in reversed(pages):
            following = self.directory(page, following)
        return following

    def directory(self, page: Page, following: int) -> int:
        below = [self.directory(each, 0) for each in page.below]
        pixels = page.pixels
        channels = pixels.shape[2] if pixels.ndim == 3 else 1
        data = page.strip or pixels.astype(pixels.dtype.newbyteorder(self.order)).tobytes()
        tags = {
            256: (4, [pixels.shape[1]]),
            257: (4, [pixels.shape[0]]),
            258: (3, [pixels.dtype.itemsize * 8] * channels),
            259: (3, [1]),
            262: (3, [2 if channels >= 3 else 1]),
            273: (4, [self.append(data)]),
            277: (3, [channels]),
            278: (4, [pixels.shape[0]]),
            279: (4, [len(data)]),
        }
        tags |= {tag: (kind, list(values)) for tag, kind, values in page.tags}
        if below:
            tags[330] = (4, below)
        word = "Q" if self.big else "I"
        entries = b"".join(self.entry(tag, *tags[tag]) for tag in sorted(tags))
        count = struct.pack(self.order + ("Q" if self.big else "H"), len(tags))
        return self.append(count + entries + struct.pack(self.order + word, following))

    def entry(self, tag: int, kind: int, values: Sequence[int]) -> bytes:
        code, room = {1: "B", 2: "B", 3: "H", 4: "I", 7: "B"}[kind], 8 if self.big else 4
        data = struct.pack(f"{self.order}{len(values)}{code}", *values)
        word = "Q" if self.big else "I"
        inline = data.ljust(room, b"\0") if len(data) <= room else struct.pack(self.order + word, self.append(data))
        return struct.pack(f"{self.order}HH{word}", tag, kind, len(values)) + inline

    def append(self, data: bytes) -> int:
        at = len(self.body)
        self.body += data + b"\0" * (len(data) % 2)
        return at


def animation(kind: str, colours: Sequence[str], **options: object) -> bytes:
    """Frames of 40 x 30 pixels in these colours, each with a mark of its own place."""
    frames = []
    for place, colour in enumerate(colours):
        frame = Image.new("RGB", (40, 30), colour)
        frame.paste("black", (place, place, place + 4, place + 4))
        frames.append(frame)
    return encode(
        frames[0], kind, save_all=True, append_images=frames[1:], duration=options.pop("duration", 80), **options
    )


def with_segment(jpeg: bytes, marker: int, content: bytes) -> bytes:
    """A JPEG with one more segment behind its first two bytes."""
    return jpeg[:2] + struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content + jpeg[2:]


def xmp_packet(properties: str = "", elements: str = "") -> bytes:
    """An XMP packet with these attributes and elements in its description."""
    spaces = {
        "dc": "http://purl.org/dc/elements/1.1/",
        "xmp": "http://ns.adobe.com/xap/1.0/",
        "xmpMM": "http://ns.adobe.com/xap/1.0/mm/",
        "stRef": "http://ns.adobe.com/xap/1.0/sType/ResourceRef#",
        "exif": "http://ns.adobe.com/exif/1.0/",
        "GCamera": "http://ns.google.com/photos/1.0/camera/",
        "mwg-rs": "http://www.metadataworkinggroup.com/schemas/regions/",
        "Container": "http://ns.google.com/photos/1.0/container/",
        "Item": "http://ns.google.com/photos/1.0/container/item/",
    }
    names = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in spaces.items())
    return (
        '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" {names} {properties}>{elements}</rdf:Description>'
        '</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


def with_xmp(jpeg: bytes, packet: bytes) -> bytes:
    return with_segment(jpeg, 0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet)


def mpo_bytes(pictures: Sequence[bytes], kinds: Sequence[int]) -> bytes:
    """JPEGs one behind the other with an MP index (CIPA DC-007) of these type codes."""
    length = 8 + 2 + 12 * 3 + 4 + 16 * len(pictures)
    first_length = len(pictures[0]) + 4 + 4 + length
    base = 2 + 4 + 4  # where offsets count from: behind SOI, the segment's head and "MPF\0"
    entries, at = b"", first_length
    for place, (picture, kind) in enumerate(zip(pictures, kinds, strict=True)):
        size = len(picture) if place else first_length
        entries += struct.pack("<IIIHH", kind, size, at - base if place else 0, 0, 0)
        at += len(picture) if place else 0
    index = b"II*\0" + struct.pack("<IH", 8, 3)
    index += struct.pack("<HHI4s", 0xB000, 7, 4, b"0100") + struct.pack("<HHII", 0xB001, 4, 1, len(pictures))
    index += struct.pack("<HHII", 0xB002, 7, len(entries), 50) + struct.pack("<I", 0) + entries
    return with_segment(pictures[0], 0xE2, b"MPF\0" + index) + b"".join(pictures[1:])


def samsung_trailer(names: Sequence[tuple[int, bytes, bytes]]) -> bytes:
    """Samsung's blocks (type, name, content) behind a JPEG, with their directory."""
    body, entries, places = b"", [], []
    for kind, name, content in names:
        places.append((kind, len(body)))
        body += struct.pack("<HHI", 0, kind, len(name)) + name + content
    for kind, place in places:
        entries.append(struct.pack("<HHII", 0, kind, len(body) - place, 0))
    directory = b"SEFH" + struct.pack("<II", 106, len(entries)) + b"".join(entries)
    return body + directory + struct.pack("<I", len(directory)) + b"SEFT"


def box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + name + content


def ppm_bytes(samples: np.ndarray, highest: int) -> bytes:
    """A binary PGM or PPM of [H, W] or [H, W, 3]."""
    kind = b"P6" if samples.ndim == 3 else b"P5"
    data = samples.astype(">u2" if highest > 255 else np.uint8).tobytes()
    return kind + f"\n{samples.shape[1]} {samples.shape[0]}\n{highest}\n".encode() + data


def deep_png(samples: np.ndarray, interlaced: bool = False, **chunks: bytes) -> bytes:
    """A 16-bit PNG of [H, W, C], its rows filtered in turn by each of the five filters."""
    import zlib

    from odd_files import png_chunk

    height, width, channels = samples.shape
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, int(interlaced))
    passes = [samples]
    if interlaced:
        starts = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
        passes = [samples[y::down, x::across] for y, x, down, across in starts]
    data = b"".join(_filtered(part) for part in passes if part.size)
    body = b"".join(png_chunk(name.encode(), content) for name, content in chunks.items())
    image = png_chunk(b"IDAT", zlib.compress(data))
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + body + image + png_chunk(b"IEND", b"")


def _filtered(samples: np.ndarray) -> bytes:
    """Scanlines by filters 0, 1, 2, 3, 4, 0 ... (PNG third edition, 9.2)."""
    height, width, channels = samples.shape
    rows = samples.astype(">u2").view(np.uint8).reshape(height, width * channels * 2).astype(int)
    step, out, above = 2 * channels, io.BytesIO(), np.zeros(width * channels * 2, int)
    for place, row in enumerate(rows):
        left = np.concatenate([np.zeros(step, int), row[:-step]])
        corner = np.concatenate([np.zeros(step, int), above[:-step]])
        guess = left + above - corner
        near = np.stack([abs(guess - left), abs(guess - above), abs(guess - corner)]).argmin(axis=0)
        paeth = np.choose(near, [left, above, corner])
        taken = [0 * row, left, above, (left + above) // 2, paeth][place % 5]
        out.write(bytes([place % 5]) + ((row - taken) % 256).astype(np.uint8).tobytes())
        above = row
    return out.getvalue()


def write(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path
