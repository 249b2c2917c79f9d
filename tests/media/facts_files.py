"""Small files and blocks with metadata, written by hand."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image, PngImagePlugin

from imgsearch.media.facts.content import content_facts
from imgsearch.media.opening import readable_kind
from imgsearch.media.sniff import Kind
from imgsearch.records import FileFacts

_XMP = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:exif="http://ns.adobe.com/exif/1.0/"
 xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:lr="http://ns.adobe.com/lightroom/1.0/" xmlns:tiff="http://ns.adobe.com/tiff/1.0/"
 xmlns:digiKam="http://www.digikam.org/ns/1.0/" xmlns:MicrosoftPhoto="http://ns.microsoft.com/photo/1.0/"
 xmlns:mwg-rs="http://www.metadataworkinggroup.com/schemas/regions/"
 xmlns:mwg-kw="http://www.metadataworkinggroup.com/schemas/keywords/" xmlns:acdsee="http://ns.acdsee.com/iptc/1.0/"
 xmlns:mediapro="http://ns.iview-multimedia.com/mediapro/1.0/" {attributes}>{elements}</rdf:Description>
</rdf:RDF></x:xmpmeta>"""


def xmp(attributes: str = "", elements: str = "") -> bytes:
    return _XMP.format(attributes=attributes, elements=elements).encode()


def bag(name: str, *items: str) -> str:
    inner = "".join(f"<rdf:li>{item}</rdf:li>" for item in items)
    return f"<{name}><rdf:Bag>{inner}</rdf:Bag></{name}>"


def exif(
    tags: dict[int, Any] | None = None,
    details: dict[int, Any] | None = None,
    gps: dict[int, Any] | None = None,
    order: str = "<",
) -> Image.Exif:
    block = Image.Exif()
    block.endian = order
    block.update(tags or {})
    block.get_ifd(0x8769).update(details or {})
    block.get_ifd(0x8825).update(gps or {})
    return block


def tiff_of(block: Image.Exif) -> bytes:
    """A TIFF without a picture, as RAW files begin."""
    return block.tobytes().removeprefix(b"Exif\0\0")


def jpeg(
    block: Image.Exif | None = None, packet: bytes = b"", iptc: bytes = b"", comment: str = "", charset: str = "utf-8"
) -> bytes:
    stream = io.BytesIO()
    options: dict[str, Any] = {"exif": block} if block is not None else {}
    Image.new("RGB", (32, 16), "teal").save(stream, "JPEG", xmp=packet, comment=comment.encode(charset), **options)
    data = stream.getvalue()
    if iptc:
        body = b"Photoshop 3.0\x008BIM\x04\x04\0\0" + len(iptc).to_bytes(4, "big") + iptc + b"\0" * (len(iptc) % 2)
        data = data[:2] + b"\xff\xed" + (len(body) + 2).to_bytes(2, "big") + body + data[2:]
    return data


def dataset(record: int, number: int, value: bytes) -> bytes:
    return bytes((0x1C, record, number)) + len(value).to_bytes(2, "big") + value


def png(texts: dict[str, str], block: Image.Exif | None = None) -> bytes:
    info = PngImagePlugin.PngInfo()
    for key, text in texts.items():
        info.add_itxt(key, text) if not text.isascii() else info.add_text(key, text)
    stream = io.BytesIO()
    options: dict[str, Any] = {"exif": block} if block is not None else {}
    Image.new("RGB", (32, 16), "teal").save(stream, "PNG", pnginfo=info, **options)
    return stream.getvalue()


def facts(data: bytes, raw: bool = False) -> FileFacts:
    kind = Kind("RAW", "a camera RAW file") if raw else readable_kind(data[:4096], "")
    return content_facts(io.BytesIO(data), kind)


def box(name: bytes, content: bytes) -> bytes:
    return (8 + len(content)).to_bytes(4, "big") + name + content
