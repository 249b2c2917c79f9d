#!/usr/bin/env bash
# Pillow reads a grey TIFF that stores white as 0 rightly with 8 bits, and as its own negative with 16.
#
# Scanners, fax software and medical programs write PhotometricInterpretation 0 (WhiteIsZero). Pillow inverts such
# samples with 1 and 8 bits. With 16 bits it hands them on as they lie there, in mode I;16, with no hint, as if 0 were black;
# libvips shows both as they are meant. A search by appearance, a hash or a thumbnail then sees a negative, and the 16-bit
# scan and its 8-bit copy have nothing in common. Here imgsearch/media/formats/frames.py and formats/tiff invert
# such pages, and tests/media/formats/test_deep_tiff.py holds them to the values that were written.
# Sources: Pillow 13.0.0, tifffile 2026.3.3, pyvips 3.2.0 with pyvips-binary 8.18.7, as on PyPI.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    pillow==13.0.0 tifffile==2026.3.3 numpy==2.4.6 pyvips==3.2.0 pyvips-binary==8.18.7
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
import pyvips
import tifffile
from PIL import Image

print("Pillow", version("pillow"), "tifffile", version("tifffile"), "libvips", version("pyvips-binary"))
ramp = np.repeat(np.linspace(0, 1, 256)[None], 32, axis=0)  # from black on the left to white on the right
found = []
for bits, kind in ((8, np.uint8), (16, np.uint16)):
    top = (1 << bits) - 1
    tifffile.imwrite(f"{bits}.tif", np.round((1 - ramp) * top).astype(kind), photometric="miniswhite")
    with tifffile.TiffFile(f"{bits}.tif") as file:
        assert file.pages[0].photometric == 0
    with Image.open(f"{bits}.tif") as image:
        mode, read = image.mode, np.asarray(image) / top
    vips = pyvips.Image.new_from_file(f"{bits}.tif").numpy() / top
    assert np.abs(vips.reshape(ramp.shape) - ramp).max() < 0.01  # the file holds what was meant
    print(f"{bits:2d} bits: left to right {read[0, 0]:.2f} to {read[0, -1]:.2f} by Pillow (mode {mode})")
    found.append("as meant" if np.abs(read - ramp).max() < 0.01 else "negative" if read[0, 0] > 0.99 else "other")
sys.exit(0 if found == ["as meant", "negative"] else f"this behaves in another way now: {found}")
PYTHON
echo "as found: right with 8 bits, a negative with 16"
