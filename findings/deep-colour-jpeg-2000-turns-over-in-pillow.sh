#!/usr/bin/env bash
# Pillow reads white of a colour JPEG 2000 with more than 8 bits a sample as black.
#
# The samples are brought to 8 bits without a limit at the upper end: a ramp to 65535 rises to 254 and ends in 0, in the
# lightest parts of every picture. Grey files of the same depth come out right, as 16 bits. Scans of archives and medical
# and aerial pictures are stored so. Here imgsearch/media reads such files through imagecodecs, and
# tests/media/formats/test_formats.py holds them to the values that were written.
# Source: Pillow 13.0.0 (its bundled OpenJPEG), files written by imagecodecs 2026.3.6, as on PyPI.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    pillow==13.0.0 imagecodecs==2026.3.6 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import io
import sys
from importlib.metadata import version

import imagecodecs
import numpy as np
from PIL import Image, features

print("Pillow", version("pillow"), "OpenJPEG", features.version("jpg_2000"), "imagecodecs", version("imagecodecs"))
as_found = True
for bits in (8, 12, 16):
    top = (1 << bits) - 1
    ramp = np.linspace(0, top, 256).round().astype(np.uint8 if bits == 8 else np.uint16)
    grey = np.repeat(ramp[None], 64, axis=0)
    for name, samples in (("grey", grey), ("colour", np.repeat(grey[..., None], 3, axis=2))):
        content = imagecodecs.jpeg2k_encode(samples, level=0, bitspersample=bits, codecformat="jp2")
        assert np.array_equal(imagecodecs.jpeg2k_decode(content), samples)  # the file holds what was meant
        with Image.open(io.BytesIO(content)) as image:
            read = np.asarray(image)
        row = read[32] if name == "grey" else read[32, :, 0]
        rises = bool((np.diff(row.astype(int)) >= 0).all())
        print(f"{bits:2d} bits {name:6}: mode {image.mode:4}, ends in {row[-3:].tolist()}, never falls: {rises}")
        as_found &= rises == (bits == 8 or name == "grey")
sys.exit(0 if as_found else "this behaves in another way now")
PYTHON
echo "as found: deep colour JPEG 2000 turns over at white"
