#!/usr/bin/env bash
# What one call of a rapidocr engine is told (text_score, use_rec) holds for all later calls that say nothing.
#
# The engine is called like a function with options: engine(picture, text_score=0.9). The option is written into the engine, so
# that the next engine(picture) answers by it, too, without any sign: pages come back empty, or without texts. One
# caller that is stricter, or two threads that share an engine, change the answers of all others. Here
# imgsearch/reading/engine.py has one setting for its life and passes none to a call; tests/reading/test_reading_words.py reads
# the same words twice with one engine, with other pictures in between.
# Source: rapidocr 3.10.0 with the models in its wheel, onnxruntime 1.32.0, as on PyPI.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    rapidocr==3.10.0 onnxruntime==1.32.0 pillow==13.0.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import logging
import sys
from importlib.metadata import version

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from rapidocr import RapidOCR

logging.disable(logging.WARNING)
print("rapidocr", version("rapidocr"), "onnxruntime", version("onnxruntime"))
image = Image.new("RGB", (900, 260), "white")
for number, line in enumerate(("Ticket office", "Open until 18:30")):
    ImageDraw.Draw(image).text((60, 40 + 90 * number), line, fill="black", font=ImageFont.load_default(40))
page = np.asarray(image)


def read(engine, **options):
    answer = engine(page, **options)
    texts = getattr(answer, "txts", None) or ()
    print(f"  engine(page{''.join(f', {name}={value}' for name, value in options.items())}): {list(texts)}")
    return list(texts)


found = []
for option in ({"text_score": 1.01}, {"use_rec": False}):
    print("a new engine")
    engine = RapidOCR()
    found.append([read(engine), read(engine, **option), read(engine)])
wanted = [["Ticket office", "Open until 18:30"], [], []]
sys.exit(0 if found == [wanted, wanted] else "this behaves in another way now")
PYTHON
echo "as found: the third call answers as the second was told"
