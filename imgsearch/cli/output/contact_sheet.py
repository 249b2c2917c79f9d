"""Answers as one image: a row for each query, the best hits side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from imgsearch.records import Results

_SIDE = 160
_GAP = 12
_CAPTION = 30


def save_contact_sheet(rows: Sequence[tuple[str, Results, str | None]], path: Path, across: int = 6) -> None:
    """Write a PNG of ``rows``: (title, results, file name of the right hit or None). Right hits get a green frame."""
    height = _CAPTION + _SIDE + _GAP
    sheet = Image.new("RGB", (_GAP + across * (_SIDE + _GAP), _GAP + len(rows) * height), (250, 250, 250))
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=15)
    for number, (title, results, right) in enumerate(rows):
        top = _GAP + number * height
        pen.text((_GAP, top + 4), title, fill=(30, 30, 30), font=font)
        for place, hit in enumerate(results.hits[:across]):
            left = _GAP + place * (_SIDE + _GAP)
            with Image.open(hit.path) as image:
                sheet.paste(image.convert("RGB").resize((_SIDE, _SIDE)), (left, top + _CAPTION))
            if hit.path.name == right:
                box = (left - 4, top + _CAPTION - 4, left + _SIDE + 3, top + _CAPTION + _SIDE + 3)
                pen.rectangle(box, outline=(24, 150, 60), width=4)
    sheet.save(path)
