"""IPTC-IIM records, bare or inside Photoshop's image resources. No bytes raise an exception."""

from __future__ import annotations

from collections.abc import Iterator

_IPTC_RESOURCE = 0x0404
_MAX_RECORDS = 10_000


def read_iptc(data: bytes) -> dict[int, list[bytes]]:
    """The datasets of the application record (2) by number, such as 5 title, 25 keywords, 80 author, 120 caption."""
    found: dict[int, list[bytes]] = {}
    for record, number, content in _datasets(data):
        if record == 2 and (text := content.strip(b"\0 ")):
            found.setdefault(number, []).append(text)
    return found


def read_charset(data: bytes) -> bytes:
    """The escape sequence of ISO 2022 that names the encoding of the texts (dataset 1:90): b"\\x1b%G" is UTF-8;
    b"" where there is none."""
    return next((content for record, number, content in _datasets(data) if (record, number) == (1, 90)), b"")


def _datasets(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(record, dataset, content) of each."""
    if data[:4] in (b"8BIM", b"AgHg", b"DCSR", b"PHUT"):
        data = _resource(data)
    at = data.find(b"\x1c")
    for _ in range(_MAX_RECORDS):
        if at < 0 or data[at : at + 1] != b"\x1c" or at + 5 > len(data):
            break
        length = int.from_bytes(data[at + 3 : at + 5], "big")
        if length & 0x8000:  # an extended dataset, which photographs do not have
            break
        yield data[at + 1], data[at + 2], data[at + 5 : at + 5 + length]
        at += 5 + length


def _resource(data: bytes) -> bytes:
    """The IPTC block among Photoshop's resources. Each has a signature, number, Pascal name, length and content, all
    padded to even lengths."""
    at = 0
    for _ in range(_MAX_RECORDS):
        if at + 12 > len(data):
            break
        number = int.from_bytes(data[at + 4 : at + 6], "big")
        at += 6 + (data[at + 6] + 2 & ~1)
        length = int.from_bytes(data[at : at + 4], "big")
        if number == _IPTC_RESOURCE:
            return data[at + 4 : at + 4 + length]
        at += 4 + (length + 1 & ~1)
    return b""
