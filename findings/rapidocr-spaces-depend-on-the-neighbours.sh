#!/usr/bin/env bash
# A line that rapidocr reads as "Bus 7" becomes "Bus7" when a long line is added elsewhere on the same picture.
#
# Lines are recognised six at a time, padded to the widest of the six. A short line is then mostly padding, and its spaces are
# lost, with a higher score than the right answer had. The pixels of the short line are the same. Words that are searched
# for ("bus") are then not found. With Rec.rec_batch_num=1 the neighbours have no influence. Here imgsearch/reading/engine.py
# sets that, and tests/reading/test_reading_words.py reads a short line beside a long one.
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
SHORT = ["Bus 7", "No 12 A", "Gate 4 B"]
LONG = "The ferry to the island leaves at half past nine, and comes back at ten in the evening"
FONT = ImageFont.load_default(36)
WIDTH = int(FONT.getlength(LONG)) + 120


def drawn(lines):
    """The lines below each other, the same pixels for the same line; the canvas is the same, too."""
    image = Image.new("RGB", (WIDTH, 380), "white")
    for number, line in enumerate(lines):
        ImageDraw.Draw(image).text((60, 40 + 80 * number), line, fill="black", font=FONT)
    return np.asarray(image)


assert np.array_equal(drawn(SHORT)[:270], drawn([*SHORT, LONG])[:270])
first = {}
for name, params in (("as it comes", {}), ("one line at a time", {"Rec.rec_batch_num": 1})):
    engine = RapidOCR(params=params)
    for about, lines in (("without the long line", SHORT), ("with it", [*SHORT, LONG])):
        answer = engine(drawn(lines))
        first[name, about] = answer.txts[0]
        print(f"{name}, {about}: {[(text, round(score, 3)) for text, score in zip(answer.txts, answer.scores)][:3]}")
wanted = ["Bus 7", "Bus7", "Bus 7", "Bus 7"]
sys.exit(0 if list(first.values()) == wanted else "this behaves in another way now")
PYTHON
echo "as found: a space that a neighbour removes"
