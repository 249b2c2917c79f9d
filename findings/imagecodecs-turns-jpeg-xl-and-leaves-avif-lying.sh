#!/usr/bin/env bash
# imagecodecs turns a JPEG XL upright and hands an AVIF back as it lies, with nothing to tell the two apart.
#
# Both formats carry the orientation outside of EXIF: JPEG XL in its codestream, AVIF as the properties irot and imir, and both
# standards say that a reader applies it. jpegxl_decode does, avif_decode does not, and neither says so: both return
# a plain array. A program that turns both, or neither, shows half of them on their side. The same picture with the same
# orientation is written by the same library here, from a phone's kind of JPEG and by Pillow. Here
# imgsearch/media/formats/iso_images.py turns what comes from avif_decode, and jpeg_xl.py takes what it gets as upright;
# tests/media/formats/test_iso_images.py and test_formats.py (every orientation of AVIF, a JPEG packed as JPEG XL) hold it.
# Sources: imagecodecs 2026.3.6, Pillow 13.0.0, as on PyPI.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    imagecodecs==2026.3.6 pillow==13.0.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import io
import sys
from importlib.metadata import version

import imagecodecs
import numpy as np
from PIL import Image, ImageOps

print("imagecodecs", version("imagecodecs"), "Pillow", version("pillow"))
lying = np.zeros((40, 64, 3), np.uint8)
lying[:, 32:] = (0, 0, 255)
lying[:20, :32] = (255, 0, 0)
exif = Image.Exif()
exif[0x0112] = 6  # the picture is to be turned by a quarter
files = {}
for kind in ("JPEG", "AVIF"):
    stream = io.BytesIO()
    Image.fromarray(lying).save(stream, kind, exif=exif.tobytes(), quality=95)
    files[kind] = stream.getvalue()
files["JPEG XL"] = imagecodecs.jpegxl_encode_jpeg(files["JPEG"])  # lossless: the same picture, packed anew
upright = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(files["JPEG"]))))
assert upright.shape == (64, 40, 3)
assert b"irot" in files["AVIF"]  # the orientation is where the standard has it
read = {
    "JPEG XL": imagecodecs.jpegxl_decode(files["JPEG XL"]),
    "AVIF": imagecodecs.avif_decode(files["AVIF"]),
}


def near(one, other):
    return one.shape == other.shape and float(np.abs(one.astype(int) - other).mean()) < 12


for kind, pixels in read.items():
    print(f"{kind}: {pixels.shape}, upright: {near(pixels, upright)}, as it lies: {near(pixels, lying)}")
as_found = near(read["JPEG XL"], upright) and near(read["AVIF"], lying)
sys.exit(0 if as_found else "this behaves in another way now")
PYTHON
echo "as found: one is turned, the other is not"
