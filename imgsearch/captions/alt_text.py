"""Captions as alternative texts for other programs: in XMP sidecars."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from imgsearch.files import write_whole
from imgsearch.media.facts.beside import sidecars_of

_PROPERTY = "AltTextAccessibility"
"""IPTC Photo Metadata Standard 2021.1; namespace Iptc4xmpCore."""

_DESCRIPTION = """<rdf:Description xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" rdf:about={about} \
xmlns:Iptc4xmpCore="http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/"><Iptc4xmpCore:AltTextAccessibility><rdf:Alt>\
<rdf:li xml:lang="x-default">{text}</rdf:li></rdf:Alt></Iptc4xmpCore:AltTextAccessibility></rdf:Description>"""
_PACKET = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="imgsearch">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  {description}
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>
"""
_END = re.compile(rb"</(?:[\w.-]+:)?RDF\s*>")
_ABOUT = re.compile(rb"""<(?:[\w.-]+:)?Description\b[^>]*?\b(?:[\w.-]+:)?about\s*=\s*("[^"<]*"|'[^'<]*')""")
_ENCODING = re.compile(rb"""<\?xml[^>]*\bencoding\s*=\s*["']([\w.-]+)["']""")


@dataclass(frozen=True, slots=True)
class SidecarPlan:
    """What is to be done with an image's sidecar. ``content``: its new bytes, None if it is left as it is, for a
    ``reason``. ``before``: its bytes now, None for a new file."""

    image: Path
    sidecar: Path
    text: str
    content: bytes | None
    before: bytes | None = None
    reason: str = ""

    @property
    def action(self) -> str:
        """ "new", "add" or "leave"."""
        return "leave" if self.content is None else "new" if self.before is None else "add"


def plan_sidecar(image: Path, text: str) -> SidecarPlan:
    """How ``text`` gets into the XMP sidecar of ``image``: as a new ``NAME.EXT.xmp``, or as one more property of the
    existing one, which keeps everything else. Writes nothing."""
    there = [path for path in sidecars_of(image) if path.suffix.lower() == ".xmp"]
    if not there:
        packet, _ = described_packet(None, text)
        return SidecarPlan(image, image.with_name(image.name + ".xmp"), text, packet)
    sidecar = there[0]
    try:
        before = sidecar.read_bytes()
    except OSError as exc:
        return SidecarPlan(image, sidecar, text, None, b"", f"it cannot be read: {exc.strerror}")
    content, reason = described_packet(before, text)
    return SidecarPlan(image, sidecar, text, content, before, reason)


def keep_original(path: Path, content: bytes) -> Path:
    """Write ``content`` to ``NAME.bak`` beside ``path``, or to ``NAME.2.bak`` and so on if that file has other content.
    Returns the file's path."""
    number = 1
    while True:
        kept = path.with_name(f"{path.name}{'' if number == 1 else f'.{number}'}.bak")
        if not os.path.lexists(kept):
            write_whole(kept, content)
            return kept
        if kept.is_file() and kept.read_bytes() == content:
            return kept
        number += 1


def described_packet(before: bytes | None, text: str) -> tuple[bytes | None, str]:
    """An XMP packet with the alternative text ``text``: a new one, or the existing one with one more description at the
    end of its RDF. None and the reason if it stays as it is."""
    if before is None:
        return _PACKET.format(description=_described(text, '""')).encode("utf-8"), ""
    if _PROPERTY.encode() in before:
        return None, "it has an alternative text"
    named = _ENCODING.search(before[:200])
    try:
        before.decode("utf-8")
    except UnicodeDecodeError:
        return None, "it is not in UTF-8"
    if before[:2] in (b"\xff\xfe", b"\xfe\xff") or (named and named[1].lower() not in (b"utf-8", b"us-ascii")):
        return None, "it is not in UTF-8"
    if b"<!DOCTYPE" in before or b"<!ENTITY" in before:
        return None, "it declares entities"
    ends = list(_END.finditer(before))
    about = _ABOUT.search(before)
    if len(ends) != 1:
        return None, "it is no XMP packet that could be added to"
    described = _described(text, about[1].decode("utf-8") if about else '""')
    place = ends[0].start()
    after = before[:place] + described.encode("utf-8") + b"\n" + before[place:]
    try:
        for content in (before, after):
            ElementTree.fromstring(content.strip(b"\0 \r\n\t"))
    except (ElementTree.ParseError, ValueError):
        return None, "it is damaged"
    return after, ""


def _described(text: str, about: str) -> str:
    return _DESCRIPTION.format(about=about, text=escape(printable(text)))


def printable(text: str) -> str:
    """The text without characters that XML does not allow."""
    return "".join(letter for letter in " ".join(text.split()) if letter.isprintable())
