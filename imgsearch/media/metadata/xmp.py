"""XMP: properties that a camera, an editor or a person left in a file (ISO 16684-1). No bytes raise an exception."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from xml.etree import ElementTree

MAX_BYTES = 4 * 1024 * 1024  # parsing takes 20 ns a byte; usual packets have a hundredth of this
_DECLARATION = re.compile(rb"^<\?xml[^>]{0,200}\?>")  # dropped, because the text has been converted to UTF-8
_ENCODING = re.compile(rb"""<\?xml[^>]{0,100}encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_CODECS = re.compile(r"iso8859-(?!1$)\d+|cp(125\d|8\d\d|437)|koi8-[ru]|mac-\w+|shift_jis|gb\w+|big5|euc_\w+")
_MARKS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\0\0", "utf-32-le"),
    (b"\0\0\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
    (b"<\0\0\0", "utf-32-le"),
    (b"\0\0\0<", "utf-32-be"),
    (b"<\0", "utf-16-le"),
    (b"\0<", "utf-16-be"),
)
_CREATED_AT, _DETAILED = "LocationCreated", "Iptc4xmpExt:PersonInImageWDetails"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
NAMESPACES = {
    "dc": "http://purl.org/dc/elements/1.1/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "xmpMM": "http://ns.adobe.com/xap/1.0/mm/",
    "stRef": "http://ns.adobe.com/xap/1.0/sType/ResourceRef#",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "exif": "http://ns.adobe.com/exif/1.0/",
    "exifEX": "http://cipa.jp/exif/1.0/",
    "tiff": "http://ns.adobe.com/tiff/1.0/",
    "aux": "http://ns.adobe.com/exif/1.0/aux/",
    "GPano": "http://ns.google.com/photos/1.0/panorama/",
    "crs": "http://ns.adobe.com/camera-raw-settings/1.0/",
    "lr": "http://ns.adobe.com/lightroom/1.0/",
    "mwg-rs": "http://www.metadataworkinggroup.com/schemas/regions/",
    "mwg-kw": "http://www.metadataworkinggroup.com/schemas/keywords/",
    "MP": "http://ns.microsoft.com/photo/1.2/",
    "MPReg": "http://ns.microsoft.com/photo/1.2/t/Region#",
    "MicrosoftPhoto": "http://ns.microsoft.com/photo/1.0/",
    "Iptc4xmpCore": "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "digiKam": "http://www.digikam.org/ns/1.0/",
    "acdsee": "http://ns.acdsee.com/iptc/1.0/",
    "mediapro": "http://ns.iview-multimedia.com/mediapro/1.0/",
    "pdf": "http://ns.adobe.com/pdf/1.3/",
}
# Windows and ExifTool write Microsoft's namespaces without the final slash.
_PREFIXES = {uri.rstrip("/"): prefix for prefix, uri in NAMESPACES.items()}


@dataclass(frozen=True, slots=True)
class Xmp:
    """The file's own properties by their usual names ("dc:title"), each a list of texts. A structure's fields have
    names such as "xmpMM:DerivedFrom/stRef:documentID". Properties of ingredients and of the history are not
    included."""

    properties: dict[str, list[str]] = field(default_factory=dict)
    people: tuple[str, ...] = ()
    """Names of faces that programs marked (mwg-rs and Microsoft's regions)."""

    def first(self, *names: str) -> str:
        """The first text that is not blank among these properties; "" if there is none."""
        return next((text for name in names for text in self.properties.get(name, ()) if text), "")

    def has(self, names: Iterable[str]) -> bool:
        """Whether one of these properties has a value, in itself or in its fields."""
        return any(self.properties.get(name) or name in self._structures() for name in names)

    def _structures(self) -> set[str]:
        return {name.partition("/")[0] for name in self.properties if "/" in name}


def parse_xmp(data: bytes) -> Xmp:
    """The properties of an XMP packet; none if it is damaged, too large or declares entities. 0.2 ms for 10 KB."""
    data = data if len(data) <= MAX_BYTES else b""
    given, data = data, _as_utf_8(data)
    root = _parsed(data)
    if root is None and not given.isascii():  # written in the encoding that it declares, or in Windows-1252 after all
        data = given.decode(_declared(given), "replace").encode()
        root = _parsed(data)
    if root is None:
        return Xmp()
    found: dict[str, list[str]] = {}
    for description in _descriptions(root):
        _keep(found, description, "")
    if b"schemas/keywords/" in data:
        found["mwg-kw:Keyword"] = list(_nested_keywords(root))
    if _CREATED_AT.encode() in data:
        for name, text in _named_texts(root, f"Iptc4xmpExt:{_CREATED_AT}"):
            found.setdefault(f"Iptc4xmpExt:{_CREATED_AT}/{name}", []).append(text)
    marked = any(mark in data for mark in (b"RegionList", b"PersonDisplayName", b"PersonInImageWDetails"))
    return Xmp(found, tuple(_people(root)) if marked else ())


def _parsed(data: bytes) -> ElementTree.Element | None:
    data = _DECLARATION.sub(b"", data.strip(b"\0 \r\n\t"), count=1)
    if not data or b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        return None
    try:
        return ElementTree.fromstring(data)
    except (ElementTree.ParseError, ValueError, LookupError):
        return None


def _declared(data: bytes) -> str:
    """The encoding that the XML declaration names; Windows-1252 otherwise."""
    match = _ENCODING.match(data.lstrip())
    try:
        name = codecs.lookup(match[1].decode()).name if match else "cp1252"
    except LookupError:
        return "cp1252"
    return name if _CODECS.fullmatch(name) else "cp1252"


def _as_utf_8(data: bytes) -> bytes:
    """The packet in UTF-8. It may be UTF-16 or UTF-32 (ISO 16684-1, 7.3.2) with or without a mark. Converting first
    also uncovers entities that it declares."""
    data = data.lstrip(b" \r\n\t") if data[:1] in b" \r\n\t" else data
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.decode(encoding, "replace").lstrip("\ufeff").encode("utf-8", "replace")
    return data


def _descriptions(root: ElementTree.Element) -> list[ElementTree.Element]:
    rdf = root if root.tag == f"{{{_RDF}}}RDF" else root.find(f".//{{{_RDF}}}RDF")
    return [] if rdf is None else rdf.findall(f"{{{_RDF}}}Description")


def _people(root: ElementTree.Element) -> Iterator[str]:
    """Names of regions that are faces or of unknown kind. A pet's region is not one."""
    for node in root.iter():
        named = {_name(key): text for key, text in node.attrib.items()}
        named |= {_name(child.tag): (child.text or "").strip() for child in node if isinstance(child.tag, str)}
        if named.get("mwg-rs:Type", "Face").lower() == "face" and named.get("mwg-rs:Name", "").strip():
            yield named["mwg-rs:Name"]
        if named.get("MPReg:PersonDisplayName", "").strip():
            yield named["MPReg:PersonDisplayName"]
    yield from (text for name, text in _named_texts(root, _DETAILED) if name == "Iptc4xmpExt:PersonName")


def _named_texts(root: ElementTree.Element, above: str) -> Iterator[tuple[str, str]]:
    """(name, text) of all fields below the properties named ``above``, however deep the structures are."""
    for top in root.iter():
        if not isinstance(top.tag, str) or _name(top.tag) != above:
            continue
        for node in top.iter():
            yield from ((_name(key), text.strip()) for key, text in node.attrib.items() if text.strip())
            text = "".join(each.text or "" for each in node.iter() if not len(each)).strip()
            if node is not top and text and isinstance(node.tag, str):
                yield _name(node.tag), text


def _nested_keywords(root: ElementTree.Element) -> Iterator[str]:
    """The keywords of the Metadata Working Group's tree, from the top down."""
    for node in root.iter():
        texts = [text for key, text in node.attrib.items() if _name(key) == "mwg-kw:Keyword"]
        is_keyword = isinstance(node.tag, str) and _name(node.tag) == "mwg-kw:Keyword"
        yield from (text.strip() for text in (*texts, (node.text or "") if is_keyword else "") if text.strip())


def _keep(found: dict[str, list[str]], node: ElementTree.Element, above: str) -> None:
    """Collect the attributes and children of a description, and of the structures directly below it."""
    for key, text in node.attrib.items():
        _add(found, above + _name(key), text)
    for child in node:
        name = _name(child.tag)
        if not name:
            continue
        inner = child.find(f"{{{_RDF}}}Description")
        items = child.findall(f"./*/{{{_RDF}}}li")
        if items:
            for item in items:
                _add(found, above + name, _text_of(item))
        elif (value := child.find(f".//{{{_RDF}}}value")) is not None:
            _add(found, above + name, value.text or "")
        elif not above and (inner is not None or len(child) or len(child.attrib)):
            _keep(found, child if inner is None else inner, name + "/")
            _add(found, name, child.text or "")
        else:
            _add(found, above + name, child.text or "")


def _text_of(item: ElementTree.Element) -> str:
    """An item's text. A structure counts as "-", which only says that it exists."""
    value = item.find(f".//{{{_RDF}}}value")  # of an item with qualifiers
    text = ((item if value is None else value).text or "").strip()
    return text or ("-" if len(item) or any(not key.endswith("}lang") for key in item.attrib) else "")


def _name(key: str) -> str:
    """ "{http://purl.org/dc/elements/1.1/}title" -> "dc:title"; "" for RDF's own names and for namespaces that are not
    read."""
    uri, _, local = key[1:].partition("}")
    prefix = _PREFIXES.get(uri.rstrip("/"))
    return f"{prefix}:{local}" if prefix else ""


def _add(found: dict[str, list[str]], name: str, text: str) -> None:
    text = text.strip()
    if text and name and not name.endswith("/"):
        found.setdefault(name, []).append(text)
