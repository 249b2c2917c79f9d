#!/usr/bin/env bash
# Pillow takes the orientation out of the caller's Exif object when it saves an AVIF; the next file that gets it lies on its side.
#
# AVIF stores the orientation in boxes of its own, so the plugin moves it there, and does so in the object that was handed
# in, not in a copy. JPEG, PNG and WebP leave the object alone. A loop that writes one picture in several formats, or a
# folder of pictures with one Exif object, loses the orientation from the first AVIF on: which files are wrong depends on
# the order of the formats. Here every test that writes files (tests/media/formats/test_iso_images.py) makes an Exif
# object for each, and holds that an AVIF of every orientation is read upright.
# Source: Pillow 13.0.0, as on PyPI.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    pillow==13.0.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import io
import sys

from PIL import Image, __version__

print("Pillow", __version__)
ORIENTATION = 0x0112


def written(form, exif):
    """The orientation in the file's Exif, and in the caller's object afterwards."""
    file = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(file, form, exif=exif)
    with Image.open(file) as again:
        return again.getexif().get(ORIENTATION), exif.get(ORIENTATION)


left = {}
for form in ("JPEG", "PNG", "WEBP", "AVIF"):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    stored, left[form] = written(form, exif)
    assert stored == 6  # each file by itself is right
    print(f"{form}: orientation 6 in the file; in the caller's object afterwards: {left[form]}")
exif = Image.Exif()
exif[ORIENTATION] = 6
order = ("JPEG", "AVIF", "JPEG")
files = [written(form, exif)[0] for form in order]
print("one object for", ", ".join(order), "in turn; orientations in the files:", files)
as_found = left == {"JPEG": 6, "PNG": 6, "WEBP": 6, "AVIF": None} and files == [6, 6, None]
sys.exit(0 if as_found else "this behaves in another way now")
PYTHON
echo "as found: the second JPEG has no orientation"
