#!/usr/bin/env bash
# Pillow shears the smaller components of a JPEG 2000 whose components have unlike sizes, and refuses a grey one.
#
# JPEG 2000 lets every component be sampled at a distance of its own (XRsiz, YRsiz), as JPEG does with chroma. Where the
# picture's sides do not divide by that distance, Pillow's rows of the smaller component drift, with no error and at the
# right size; a grey picture sampled at 2 x 2 raises OSError ("broken data stream"). OpenJPEG's own decoder, through
# pylibjpeg-openjpeg, reads both. Here imgsearch/media/formats/jpeg2000_sampling.py reads such files, and
# tests/media/formats/test_rare_formats.py holds them to the values that were written.
# Source: Pillow 13.0.0 and pylibjpeg-openjpeg 2.6.0, as on PyPI; the files were made by opj_compress of OpenJPEG 2.5.0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    pillow==13.0.0 pylibjpeg-openjpeg==2.6.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import base64
import io
import sys
from importlib.metadata import version

import numpy as np
import openjpeg
from PIL import Image, features

FILES = {
    "colour, blue at half the size": (
        "AAAADGpQICANCocKAAAAFGZ0eXBqcDIgAAAAAGpwMiAAAAAtanAyaAAAABZpaGRyAAAADQAAABEAAwcHAAAAAAAPY29scgEAAAAA"
        "ABAAAAFyanAyY/9P/1EALwAAAAAAEQAAAA0AAAAAAAAAAAAAABEAAAANAAAAAAAAAAAAAwcBAQcBAQcCAv9SAAwAAAABAAAEBAAB"
        "/1wABEBA/2QAJQABQ3JlYXRlZCBieSBPcGVuSlBFRyB2ZXJzaW9uIDIuNS4w/5AACgAAAAAA+gAB/5PPtp8RUBHczWTHHJBuDWg9"
        "1p0i9TXvuwqI22TOU7n+zLwW+ZinQ+6zU4+pRC4mCHR75MuedHe5Eo4BhJb9195sOl038ft4nMJiC1TCTVBM4LErVgAABAw5QIaq"
        "AAM90WAm1UCzhH1OmDVMitouk5znOfFhRWGd38zOCWoVVyFbKrvP+c5zol8t8ChkqAAFEBAAAAAAA9IMQAAAAAACiAgAAKHH1DwR"
        "UFMZCr5OYY3Y0C3gAAAAGEhL/UCIAAAAGEhL/3/fgTBbzYRAGXc8+F9V1rwYFpu62v0KWAABhIDopvu9L/YkqaoOPZwRb//Z"
    ),
    "grey at half the size": (
        "AAAADGpQICANCocKAAAAFGZ0eXBqcDIgAAAAAGpwMiAAAAAtanAyaAAAABZpaGRyAAAADQAAABEAAQcHAAAAAAAPY29scgEAAAAA"
        "ABEAAAC1anAyY/9P/1EAKQAAAAAAEQAAAA0AAAAAAAAAAAAAABEAAAANAAAAAAAAAAAAAQcCAv9SAAwAAAABAAAEBAAB/1wABEBA"
        "/2QAJQABQ3JlYXRlZCBieSBPcGVuSlBFRyB2ZXJzaW9uIDIuNS4w/5AACgAAAAAAQwAB/5PfgZBbzX8apLkKF8WqTEjWAe/rsDfa"
        "6Jm1A0R8kH9UEVDA0T2QBj5UvjbOI1VWZAk5AJMST//Z"
    ),
}
print("Pillow", version("pillow"), "OpenJPEG", features.version("jpg_2000"), "pylibjpeg-openjpeg", version("pylibjpeg-openjpeg"))
found = []
for name, text in FILES.items():
    content = base64.b64decode(text)
    reference = openjpeg.decode(io.BytesIO(content))
    try:
        with Image.open(io.BytesIO(content)) as image:
            read = np.asarray(image)
    except OSError as error:
        print(f"{name}: {reference.shape} by OpenJPEG, Pillow raises {error}")
        found.append("refused")
        continue
    off = np.abs(read.astype(int) - reference).max(axis=(0, 1)).tolist()
    print(f"{name}: {read.shape}, largest differences of the components {off}")
    found.append("sheared" if off[0] == off[1] == 0 and off[2] > 100 else "other")
sys.exit(0 if found == ["sheared", "refused"] else "this behaves in another way now")
PYTHON
