#!/usr/bin/env bash
# Pillow reads an X11 bitmap (XBM) as its own negative: the ink becomes white and the paper black.
#
# X(7) draws the set bits of a bitmap in the foreground, and every viewer shows them black on white; so does ffmpeg here.
# Pillow hands them on as 255 in mode "1", where 255 is white, and writes the white of an image as set bits. Both errors
# together keep Pillow's own round trip, so that its tests and a comparison of its files pass; a bitmap of any other program is
# embedded, hashed and shown as a negative, and one that Pillow wrote is a negative everywhere else. Here
# imgsearch/media/formats/bitmaps/xbm.py reads bitmaps, and tests/media/formats/test_old_formats.py holds it to X(7).
# Sources: Pillow 13.0.0, imageio-ffmpeg 0.6.0 (with its ffmpeg), as on PyPI.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check pillow==13.0.0 imageio-ffmpeg==0.6.0
cd "$folder"
cat >ink.xbm <<'XBM'
#define ink_width 16
#define ink_height 2
static unsigned char ink_bits[] = {
   0x07, 0x00, 0x00, 0x80};
XBM
"$folder/venv/bin/python" - <<'PYTHON'
import subprocess
import sys
from importlib.metadata import version

import imageio_ffmpeg
from PIL import Image

program = imageio_ffmpeg.get_ffmpeg_exe()


def by_ffmpeg(name: str) -> list[int]:
    command = [program, "-loglevel", "error", "-i", name, "-f", "rawvideo", "-pix_fmt", "gray", "-"]
    return list(subprocess.run(command, check=True, capture_output=True).stdout)


print("Pillow", version("pillow"), "imageio-ffmpeg", version("imageio-ffmpeg"))
ink = {0, 1, 2, 31}  # the first three pixels of the upper row and the last of the lower one
meant = [0 if place in ink else 255 for place in range(32)]
assert by_ffmpeg("ink.xbm") == meant  # the file holds what was meant
with Image.open("ink.xbm") as image:
    read = list(image.convert("L").tobytes())
print("ink is", {read[place] for place in ink}, "and paper", {read[place] for place in set(range(32)) - ink}, "by Pillow")
Image.frombytes("L", (16, 2), bytes(meant)).convert("1").save("again.xbm")
written = by_ffmpeg("again.xbm")
print("written by Pillow, ink is", {written[place] for place in ink}, "by ffmpeg")
negative = [255 - value for value in meant]
sys.exit(0 if read == written == negative else "this behaves in another way now")
PYTHON
echo "as found: a negative, read and written"
