#!/usr/bin/env bash
# Image hashes of deduplication tools see the first frame, without transparency.
#
# Two animations that share their first frame, and a white drawing on transparency and an empty white page, get equal
# hashes from imagehash and from imagededup: a tool that moves or deletes what their hashes call equal loses animations
# and drawings. Met while comparing deduplication tools; the guard in this
# project is tests/dedup/test_multi_picture.py.
# Sources: imagehash 4.3.2 and imagededup 0.3.3.post2, as on PyPI, with Pillow 13.0.0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    imagehash==4.3.2 pillow==13.0.0 numpy==2.4.6 tqdm matplotlib scikit-learn
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps imagededup==0.3.3.post2
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys
import types
from importlib.metadata import version
from pathlib import Path

import imagehash
from PIL import Image, ImageDraw

# imagededup imports networks that need torch; hashing does not.
for name, wanted in (("imagededup.methods.cnn", "CNN"), ("imagededup.utils.models", "CustomModel")):
    network = types.ModuleType(name)
    setattr(network, wanted, None)
    sys.modules[name] = network


def frames(shift):
    """A square that stays in the first frame, and goes its own way after."""
    for at in range(4):
        image = Image.new("RGB", (160, 120), "white")
        x, y = (20 + 25 * at, 20) if shift == "right" else (20, 20 + 15 * at)
        ImageDraw.Draw(image).rectangle((x, y, x + 40, y + 40), fill=(200, 30, 30))
        yield image


for shift in ("right", "down"):
    first, *rest = frames(shift)
    first.save(f"{shift}.gif", save_all=True, append_images=rest, duration=100)
drawing = Image.new("RGBA", (160, 120), (255, 255, 255, 0))
ImageDraw.Draw(drawing).ellipse((30, 20, 120, 100), fill=(255, 255, 255, 255))
drawing.save("drawing.png")
Image.new("RGB", (160, 120), "white").save("page.png")

pairs = (("right.gif", "down.gif"), ("drawing.png", "page.png"))
print("Pillow", version("pillow"), "imagehash", version("imagehash"), "imagededup", version("imagededup"))
failed = False
for a, b in pairs:
    apart = imagehash.phash(Image.open(a)) - imagehash.phash(Image.open(b))
    print(f"imagehash.phash({a}) and ({b}): {apart} of 64 bits apart")
    failed |= apart != 0
from imagededup.methods import PHash  # noqa: E402

for a, b in pairs:
    one, other = (PHash(verbose=False).encode_image(image_file=str(Path(each))) for each in (a, b))
    print(f"imagededup PHash of {a} and {b}: {one} and {other}")
    failed |= one != other
sys.exit("the behaviour has changed" if failed else 0)
PYTHON
