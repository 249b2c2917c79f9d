#!/usr/bin/env bash
# tifffile hands back only the first of three unrelated pages of a TIFF if each is half as large as the one before.
#
# Three different pictures of 384 x 256, 192 x 128 and 96 x 64 become one series with three resolution levels, though
# nothing in the file says so (no SubIFDs, no NewSubfileType, no software's name). imread and every reader on top of it gives
# the first page and no sign of others; asarray of the series likewise. With sides of 384, 190 and 96 there are several
# series. A scan and two details of it, or a photo with crops, are so reduced to one picture. Here
# imgsearch/media/formats/frames.py counts and opens pages by their directories and never by series, and
# tests/media/samples/test_whole_tiff.py counts three such pages.
# Sources: tifffile 2026.3.3, file written by Pillow 13.0.0, as on PyPI.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    tifffile==2026.3.3 pillow==13.0.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
import tifffile
from PIL import Image

print("tifffile", version("tifffile"), "Pillow", version("pillow"))
rng = np.random.default_rng(1)
found = []
for widths in ((384, 192, 96), (384, 190, 96)):
    pictures = [rng.integers(0, 255, (width * 2 // 3, width, 3), dtype=np.uint8) for width in widths]
    first, *others = map(Image.fromarray, pictures)
    first.save("pages.tif", save_all=True, append_images=others)
    with Image.open("pages.tif") as image:  # the file holds what was meant
        for number, picture in enumerate(pictures):
            image.seek(number)
            assert np.array_equal(np.asarray(image), picture)
    with tifffile.TiffFile("pages.tif") as file:
        assert not any(page.subifds or 254 in page.tags for page in file.pages)
        levels = [[level.shape[:2] for level in series.levels] for series in file.series]
    print(f"widths {widths}: {len(levels)} series, levels {levels}; imread {tifffile.imread('pages.tif').shape}")
    found.append(len(levels))
sys.exit(0 if found[0] == 1 and found[1] > 1 else "this behaves in another way now")
PYTHON
echo "as found: three pictures, one series"
