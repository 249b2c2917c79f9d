"""A PNG with damaged text or time chunks, or without its end. Browsers show it, because libpng ignores such chunks, but
Pillow 13 refuses it. The chunks that matter are put into a new file."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import replace

from imgsearch.errors import MediaError
from imgsearch.media.formats.other_readers import read_all
from imgsearch.media.limits import check_bytes
from imgsearch.media.wanted import DecodeRequest

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_SEEN = frozenset({b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"eXIf"})  # chunks that change the image


def mended_png(wanted: DecodeRequest) -> DecodeRequest:
    """The same image without damaged ancillary chunks. Damaged samples are not mended, so half an image is still
    refused. Raises MediaError if there are no samples."""
    check_bytes((0, 0), 2 * wanted.size_bytes, wanted.limits)
    data = read_all(wanted)
    kept, at, samples = [_SIGNATURE], len(_SIGNATURE), False
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        name, stop = data[at + 4 : at + 8], at + 12 + length
        if stop > len(data) or name == b"IEND":
            break
        if name in (b"IHDR", b"PLTE", b"IDAT"):  # a wrong checksum here is an error, as in libpng
            kept.append(data[at:stop])
            samples = samples or name == b"IDAT"
        elif name in _SEEN and _is_sound(name, data[at:stop]):
            kept.append(data[at:stop])
        at = stop
    if not samples:
        raise MediaError("a PNG picture without samples", stage="open")
    kept.append(b"\0\0\0\0IEND" + struct.pack(">I", zlib.crc32(b"IEND")))
    mended = b"".join(kept)
    return replace(wanted, stream=io.BytesIO(mended), size_bytes=len(mended))


def _is_sound(name: bytes, chunk: bytes) -> bool:
    body = chunk[8:-4]
    if int.from_bytes(chunk[-4:], "big") != zlib.crc32(chunk[4:-4]):
        return False
    lengths = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"cICP": 4}
    if name == b"iCCP":  # a name, compression method 0, a Deflate stream
        end = body.find(b"\0", 0, 80)
        return end > 0 and body[end + 1 : end + 2] == b"\0"
    return len(body) == lengths.get(name, len(body))
