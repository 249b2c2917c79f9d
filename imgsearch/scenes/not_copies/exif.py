"""The notes that a camera writes into its files: EXIF, XMP, and a colour profile."""

from __future__ import annotations

import struct
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from PIL import Image

MAKE, MODEL, ORIENTATION, DATE_TIME = 0x010F, 0x0110, 0x0112, 0x0132
EXPOSURE_TIME, F_NUMBER, ISO, TAKEN, OFFSET, BIAS, SUB_SECONDS, WHITE_BALANCE, SUBJECT_DISTANCE = (
    0x829A,
    0x829D,
    0x8827,
    0x9003,
    0x9011,
    0x9204,
    0x9291,
    0xA403,
    0x9206,
)
_EXIF_IFD, _GPS_IFD = 0x8769, 0x8825
START = datetime(2023, 6, 17, 14, 3, 21)


def shot(seconds: float = 0.0, *, model: str = "EOS R6", sub_seconds: bool = True, **notes: Any) -> Image.Exif:
    """EXIF of a shot ``seconds`` after `START`. ``notes``: further tags of the EXIF directory by their name here in
    small letters (exposure_time=1/125), or ``place`` = (latitude, longitude)."""
    when = START + timedelta(seconds=seconds)
    exif = Image.Exif()
    exif[MAKE], exif[MODEL], exif[DATE_TIME] = "Canon", model, f"{when:%Y:%m:%d %H:%M:%S}"
    shown = exif.get_ifd(_EXIF_IFD)
    shown[TAKEN] = f"{when:%Y:%m:%d %H:%M:%S}"
    if sub_seconds:
        shown[SUB_SECONDS] = f"{when.microsecond // 10_000:02d}"
    place = notes.pop("place", None)
    for name, value in {"exposure_time": 1 / 125, "f_number": 5.6, "iso": 200, **notes}.items():
        shown[globals()[name.upper()]] = value
    if place is not None:
        _put_place(exif.get_ifd(_GPS_IFD), *place)
    return exif


def _put_place(gps: dict[int, Any], latitude: float, longitude: float) -> None:
    gps[1], gps[2] = "N" if latitude >= 0 else "S", _degrees(latitude)
    gps[3], gps[4] = "E" if longitude >= 0 else "W", _degrees(longitude)


def _degrees(angle: float) -> tuple[float, float, float]:
    minutes, seconds = divmod(Fraction(abs(angle)).limit_denominator(360_000) * 3600, 60)
    return float(minutes // 60), float(minutes % 60), float(seconds)


def xmp_packet(**properties: str) -> bytes:
    """An XMP packet; names with "__" for ":" ("xmpMM__DocumentID")."""
    spaces = {
        "xmpMM": "http://ns.adobe.com/xap/1.0/mm/",
        "GCamera": "http://ns.google.com/photos/1.0/camera/",
        "stRef": "http://ns.adobe.com/xap/1.0/sType/ResourceRef#",
        "xmp": "http://ns.adobe.com/xap/1.0/",
        "crs": "http://ns.adobe.com/camera-raw-settings/1.0/",
        "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    }
    declared = " ".join(f'xmlns:{name}="{space}"' for name, space in spaces.items())
    origin = {name: value for name, value in properties.items() if name.startswith("stRef__")}
    plain = " ".join(f'{name.replace("__", ":")}="{value}"' for name, value in properties.items() if name not in origin)
    refs = " ".join(f'{name.replace("__", ":")}="{value}"' for name, value in origin.items())
    inner = f"<xmpMM:DerivedFrom {refs}/>" if origin else ""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" {declared} {plain}>{inner}</rdf:Description></rdf:RDF></x:xmpmeta>'
        '<?xpacket end="w"?>'
    ).encode()


P3 = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))
"""Columns of Display P3 (Apple, adapted to D50): red, green, blue."""


def profile(columns: tuple[tuple[float, float, float], ...] = P3, gamma: float = 2.2) -> bytes:
    """A matrix profile, ICC v2, of these primaries and one power curve."""

    def fixed(value: float) -> bytes:
        return struct.pack(">i", round(value * 65536))

    tags = {b"desc": b"desc" + bytes(4) + struct.pack(">I", 5) + b"made\0" + bytes(79)}
    tags[b"wtpt"] = b"XYZ " + bytes(4) + fixed(0.9642) + fixed(1.0) + fixed(0.8249)
    for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns, strict=True):
        tags[name] = b"XYZ " + bytes(4) + b"".join(fixed(value) for value in column)
    for name in (b"rTRC", b"gTRC", b"bTRC"):
        tags[name] = b"curv" + bytes(4) + struct.pack(">IHH", 1, round(gamma * 256), 0)
    tags[b"cprt"] = b"text" + bytes(4) + b"none\0\0\0\0"
    head, body, at = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        head += name + struct.pack(">II", at + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    size = at + len(body)
    start = struct.pack(">I4sI4s4s4s", size, b"\0\0\0\0", 0x02400000, b"mntr", b"RGB ", b"XYZ ") + bytes(12) + b"acsp"
    return start.ljust(68, b"\0") + fixed(0.9642) + fixed(1.0) + fixed(0.8249) + bytes(48) + head + body
