#!/usr/bin/env bash
# imagecodecs hands pictures of 10 bits back as 16-bit arrays whose white is 1023: read by their type they are nearly black.
#
# The samples of AVIF, JPEG XL and JPEG 2000 are not scaled to the array's type, and nothing that is returned says how many
# bits they have; a deep PNG or TIFF fills the 16 bits. Whoever divides by the largest value of the type, as one does for
# PNG, gets a picture of a 64th of the light, and a model that is fed with it sees night. Here imgsearch/media/formats/
# iso_images.py takes the depth from the file's own header and divides by that, which tests/media/test_code_points.py
# holds with pictures of 10 bits.
# Source: imagecodecs 2026.3.6 and Pillow 13.0.0, as on PyPI.
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
from PIL import Image

print("imagecodecs", version("imagecodecs"), "- Pillow", version("pillow"))
picture = np.zeros((32, 32, 3), np.uint16)
picture[:, 16:] = 1023  # half black, half white, of 10 bits
files = {
    "AVIF": imagecodecs.avif_encode(picture, level=100, bitspersample=10),
    "JPEG XL": imagecodecs.jpegxl_encode(picture, lossless=True, bitspersample=10),
    "JPEG 2000": imagecodecs.jpeg2k_encode(picture, level=0, bitspersample=10),
    "PNG": imagecodecs.png_encode((picture.astype(np.uint32) * 65535 // 1023).astype(np.uint16)),
}
with Image.open(io.BytesIO(files["AVIF"])) as seen:  # another reader sees white
    assert np.asarray(seen).max() == 255
DECODERS = {
    "AVIF": imagecodecs.avif_decode,
    "JPEG XL": imagecodecs.jpegxl_decode,
    "JPEG 2000": imagecodecs.jpeg2k_decode,
    "PNG": imagecodecs.png_decode,
}
found = {}
for form, data in files.items():
    decoded = DECODERS[form](data)
    found[form] = (str(decoded.dtype), int(decoded.max()))
    print(f"{form}: {found[form][0]}, white is {found[form][1]} of {np.iinfo(decoded.dtype).max}")
expected = {form: ("uint16", 65535 if form == "PNG" else 1023) for form in files}
sys.exit(0 if found == expected else "this behaves in another way now")
PYTHON
echo "as found: white is 1023 in three of four formats"
