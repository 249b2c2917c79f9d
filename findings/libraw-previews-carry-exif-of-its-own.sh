#!/usr/bin/env bash
# A preview that LibRaw takes out of a camera RAW file carries an EXIF block that is not in the file.
#
# Where the embedded JPEG has no EXIF, LibRaw's thumbnail begins with a block that it makes itself. A DNG without any date
# gets 1970:01:01 00:00:00, and a place south of the equator keeps its degrees and loses its hemisphere. A program that
# reads dates and places from the extracted preview, as one would from any JPEG, files such pictures under 1970 and on
# the wrong half of the earth. Facts have to come from the RAW's own tables; here imgsearch/media/formats/raw.py removes
# the block, and tests/media/formats/test_raw.py holds it.
# Source: rawpy 0.28.0 (LibRaw 0.22.2), as on PyPI, with Pillow 13.0.0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check rawpy==0.28.0 pillow==13.0.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import io
import struct
import sys

import numpy as np
import rawpy
from PIL import Image

WIDTH, HEIGHT = 64, 48
ASCII, BYTE, SHORT, LONG, RATIONAL = 2, 1, 3, 4, 5


def directory(entries):
    return struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *one) for one in entries) + bytes(4)


def text(value):
    return int.from_bytes(value.encode().ljust(4, b"\0"), "little")


def dng():
    """64 x 48 sensor samples, a JPEG preview without EXIF, 33 deg 51' S, 151 deg 12' E, no date."""
    rng, file = np.random.default_rng(1), io.BytesIO()
    Image.fromarray(rng.integers(0, 255, (96, 128, 3), dtype=np.uint8)).save(file, "JPEG", quality=90)
    preview, samples = file.getvalue(), rng.integers(0, 65535, WIDTH * HEIGHT, dtype=np.uint16).tobytes()
    sizes = [2 + 12 * count + 4 for count in (14, 13, 4)]
    second, place = 8 + sizes[0], 8 + sizes[0] + sizes[1]
    bits = place + sizes[2]
    at = bits + 8 + 24 + 24
    main = [(254, LONG, 1, 1), (256, LONG, 1, 128), (257, LONG, 1, 96), (258, SHORT, 3, bits), (259, SHORT, 1, 7)]
    main += [(262, SHORT, 1, 6), (273, LONG, 1, at), (274, SHORT, 1, 1), (277, SHORT, 1, 3), (278, LONG, 1, 96)]
    main += [(279, LONG, 1, len(preview)), (330, LONG, 1, second), (0x8825, LONG, 1, place), (0xC612, BYTE, 4, 0x0401)]
    raw = [(254, LONG, 1, 0), (256, LONG, 1, WIDTH), (257, LONG, 1, HEIGHT), (258, SHORT, 1, 16), (259, SHORT, 1, 1)]
    raw += [(262, SHORT, 1, 32803), (273, LONG, 1, at + len(preview)), (277, SHORT, 1, 1), (278, LONG, 1, HEIGHT)]
    raw += [(279, LONG, 1, len(samples)), (0x828D, SHORT, 2, 2 | 2 << 16), (0x828E, BYTE, 4, 0x02010100)]
    raw += [(0xC61D, LONG, 1, 65535)]
    gps = [(1, ASCII, 2, text("S")), (2, RATIONAL, 3, bits + 8), (3, ASCII, 2, text("E")), (4, RATIONAL, 3, bits + 32)]
    head = b"II*\0" + struct.pack("<I", 8) + directory(main) + directory(raw) + directory(gps)
    degrees = struct.pack("<6I", 33, 1, 51, 1, 0, 1) + struct.pack("<6I", 151, 1, 12, 1, 0, 1)
    return head + struct.pack("<4H", 8, 8, 8, 0) + degrees + preview + samples, preview


content, preview = dng()
print("rawpy", rawpy.__version__, "LibRaw", ".".join(map(str, rawpy.libraw_version)))
with rawpy.imread(io.BytesIO(content)) as raw:
    extracted = bytes(raw.extract_thumb().data)
own = Image.open(io.BytesIO(preview)).getexif()
exif = Image.open(io.BytesIO(extracted)).getexif()
place = exif.get_ifd(0x8825)
print("the preview in the file:", len(preview), "bytes, EXIF:", dict(own))
print("as extracted:", len(extracted), "bytes, DateTime", exif.get(306), "by", exif.get(305))
print("latitude", place.get(2), "is marked south:", str(place.get(1)) == "S")
as_seen = not own and exif.get(306) == "1970:01:01 00:00:00" and tuple(map(float, place[2])) == (33.0, 51.0, 0.0)
sys.exit(0 if as_seen and str(place.get(1)) != "S" else "this behaves in another way now")
PYTHON
echo "as found: a made-up date, and a place without its hemisphere"
