"""Alternative texts inside JPEG, PNG and WebP: all other bytes and all samples stay, XMP that is there is kept."""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from imgsearch.captions.alt_text import described_packet
from imgsearch.captions.in_images import plan_image, with_packet
from imgsearch.media.metadata.xmp import parse_xmp

RATED = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4"/></rdf:RDF></x:xmpmeta>'
)
XAP = b"http://ns.adobe.com/xap/1.0/\0"
KINDS: list[tuple[str, str, dict[str, Any]]] = [
    ("JPEG", "RGB", {"quality": 90}),
    ("JPEG", "CMYK", {"progressive": True, "restart_marker_blocks": 4}),
    ("PNG", "RGBA", {}),
    ("PNG", "I;16", {}),
    ("WEBP", "RGB", {"quality": 80}),
    ("WEBP", "RGB", {"lossless": True}),
    ("WEBP", "RGBA", {"lossless": True}),
    ("WEBP", "RGBA", {"quality": 80}),
]


def noise(mode: str) -> Image.Image:
    if mode == "I;16":
        return Image.fromarray(np.arange(40 * 31, dtype=np.uint16).reshape(31, 40))
    bands = [Image.effect_noise((40, 31), 60 + 20 * band) for band in range(len(mode))]
    return Image.merge(mode, bands)


def encoded(kind: str, mode: str, **options: Any) -> bytes:
    file = io.BytesIO()
    exif = Image.Exif()
    exif.update({0x010F: "ACME", 0x0112: 6})
    noise(mode).save(file, kind, exif=exif, **options)
    return file.getvalue()


def described(content: bytes, text: str = "a <red> boat") -> bytes:
    found, reason = with_packet(content, lambda packet: described_packet(packet, text))
    assert found is not None, reason
    return found


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def packet_of(content: bytes) -> bytes:
    found: list[bytes] = []
    with_packet(content, lambda packet: (found.append(packet or b""), (None, ""))[1])
    return found[0]


@pytest.mark.parametrize("packet", [b"", RATED])
@pytest.mark.parametrize(("kind", "mode", "options"), KINDS)
def test_text_is_added_and_every_sample_stays(kind: str, mode: str, options: dict[str, Any], packet: bytes) -> None:
    before = encoded(kind, mode, **options, **({"xmp": packet} if packet and kind != "PNG" else {}))
    if packet and kind == "PNG":
        before = with_packet(before, lambda _: (packet, ""))[0] or b""
    after = described(before)
    one, other = opened(before), opened(after)
    assert (one.mode, one.size, other.format) == (other.mode, other.size, kind)
    assert one.tobytes() == other.tobytes() and one.getexif() == other.getexif()
    assert (other.info.get("xmp") or other.info["XML:com.adobe.xmp"].encode()) == packet_of(after)
    found = parse_xmp(packet_of(after))
    assert found.first("Iptc4xmpCore:AltTextAccessibility") == "a <red> boat"
    assert found.first("xmp:Rating") == ("4" if packet else "")
    assert b'xml:lang="x-default"' in packet_of(after)
    assert with_packet(after, lambda each: described_packet(each, "another"))[1] == "it has an alternative text"
    assert others(kind, before) == others(kind, after)


def others(kind: str, content: bytes) -> bytes | list[bytes]:
    """All but the packet; of WebP also without the header of the extended form, whose flags and presence may change."""
    if kind == "WEBP":
        chunks, at = [], 12
        while at < len(content):
            end = at + 8 + int.from_bytes(content[at + 4 : at + 8], "little")
            chunks.append(content[at:end])
            at = end + (end & 1)
        return [each for each in chunks if each[:4] not in (b"XMP ", b"VP8X")]
    place = content.find(XAP if kind == "JPEG" else b"iTXtXML:com.adobe.xmp") - 4
    if place < 0:
        return content
    size = 2 + int.from_bytes(content[place + 2 : place + 4], "big")
    if kind == "PNG":
        size = 12 + int.from_bytes(content[place : place + 4], "big")
    return content[:place] + content[place + size :]


def test_packet_stands_behind_jfif_and_exif() -> None:
    content = described(encoded("JPEG", "RGB"))
    places = [content.index(each) for each in (b"JFIF", b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"\xff\xdb")]
    assert places == sorted(places)


def test_what_follows_the_picture_stays() -> None:
    for kind in ("JPEG", "PNG", "WEBP"):
        assert described(encoded(kind, "RGB") + b"a film").endswith(b"a film")


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", 2 + len(body)) + body


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


@pytest.mark.parametrize(
    ("kind", "more", "reason"),
    [
        ("JPEG", segment(0xE2, b"MPF\0" + bytes(20)), "several pictures"),
        ("JPEG", segment(0xEB, b"JP" + bytes(6) + b"\0\0\0\x20jumb" + bytes(20)), "content credentials"),
        ("JPEG", segment(0xE1, XAP + RATED) * 2, "more than one"),
        ("JPEG", segment(0xE1, XAP + RATED.replace(b"</rdf:RDF>", b" " * 65_250 + b"</rdf:RDF>")), "too long"),
        ("JPEG", segment(0xE1, XAP + RATED[:-9]), "damaged"),
        ("JPEG", segment(0xEF, b"x") + b"noise", "damaged"),
        ("PNG", chunk(b"caBX", b"x"), "content credentials"),
        ("PNG", chunk(b"zTXt", b"Raw profile type xmp\0\0x"), "ImageMagick"),
        ("PNG", chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + RATED) * 2, "more than one"),
        ("PNG", chunk(b"tEXt", b"Title\0x")[:-1] + b"!", "damaged"),
    ],
)
def test_file_that_a_change_could_hurt_is_left(kind: str, more: bytes, reason: str) -> None:
    content = encoded(kind, "RGB")
    place = 2 if kind == "JPEG" else 33
    found, told = with_packet(content[:place] + more + content[place:], lambda each: described_packet(each, "a boat"))
    assert found is None and reason in told


def test_packed_packet_of_a_png_is_kept() -> None:
    content = encoded("PNG", "RGB")
    text = chunk(b"iTXt", b"XML:com.adobe.xmp\0\x01\0\0\0" + zlib.compress(RATED))
    after = described(content[:33] + text + content[33:])
    assert parse_xmp(packet_of(after)).first("xmp:Rating") == "4"
    bomb = chunk(b"iTXt", b"XML:com.adobe.xmp\0\x01\0\0\0" + zlib.compress(bytes(20 << 20)))
    assert "too long" in with_packet(content[:33] + bomb + content[33:], lambda _: (b"", ""))[1]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP"])
def test_cut_and_other_files_are_left_with_a_reason(kind: str, tmp_path: Path) -> None:
    content = encoded(kind, "RGB") if kind not in ("GIF", "BMP") else b"GIF89a" + bytes(40)
    if kind in ("JPEG", "PNG", "WEBP"):
        for length in (*range(12, 120, 7), len(content) // 2):
            found, reason = with_packet(content[:length], lambda packet: described_packet(packet, "x"))
            assert found is None or (kind == "JPEG" and length > 300), (length, reason)
    else:
        assert "--xmp writes a sidecar" in with_packet(content, lambda _: (b"", ""))[1]
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    assert "has changed since" in plan_image(path, "x", "0" * 64).reason
    link = tmp_path / "link.jpg"
    link.symlink_to(path)
    assert "symbolic link" in plan_image(link, "x", hashlib.sha256(content).hexdigest()).reason
