"""What the reports of runs share: one HTML file that needs nothing beside it."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np
from PIL import Image

from imgsearch.files import write_whole
from imgsearch.tuning.pairs import BadRow
from imgsearch.tuning.pictures.prepare import Prepared
from imgsearch.wording import one_line

_BAD_ROWS = 100
_SIDE = 144
_STYLE = """
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;margin:.5rem 0 1.5rem}
th,td{padding:.2rem .8rem .2rem 0;text-align:left;font-variant-numeric:tabular-nums}
td.n{text-align:right}
figure{display:inline-block;margin:0 1rem .5rem 0;vertical-align:top;max-width:160px}
figcaption{font-size:.85rem}
img{display:block;max-width:144px;height:auto}
.scroll{overflow-x:auto}
li{overflow-wrap:anywhere}
"""


def write_page(path: Path, title: str, body: Sequence[str]) -> None:
    """Write the parts of ``body``, which are HTML, as a page. ``title`` is a plain text."""
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">"
        f'<meta name="viewport" content="width=device-width"><title>{escape(title)}</title><style>{_STYLE}</style>'
        f"</head><body>{''.join(body)}</body></html>\n"
    )
    write_whole(path, page.encode("utf-8", "replace"))


def table(head: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    """A table; its third to last but one columns are numbers."""
    first = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    last = len(head) - 1
    lines = [
        "".join(f"<td{' class=n' if 1 < place < last else ''}>{escape(cell)}</td>" for place, cell in enumerate(row))
        for row in cells
    ]
    rest = "".join(f"<tr>{line}</tr>" for line in lines)
    return f'<div class="scroll"><table><thead><tr>{first}</tr></thead><tbody>{rest}</tbody></table></div>'


def figure(prepared: Prepared, place: int, label: str) -> str:
    """The picture at a place with ``label`` below it, inside the page."""
    width, height = (int(side) for side in prepared.sizes[place])
    scale = _SIDE / max(width, height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    picture = Image.fromarray(np.asarray(prepared.pictures.pixels[place])).resize(size)
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=80)
    source = base64.b64encode(data.getvalue()).decode()
    name = escape(one_line(Path(prepared.paths[place]).name), quote=True)
    return (
        f'<figure><img src="data:image/jpeg;base64,{source}" width="{size[0]}" height="{size[1]}" alt="{name}">'
        f"<figcaption>{escape(label)}</figcaption></figure>"
    )


def left_out(bad: Sequence[BadRow]) -> list[str]:
    """The rows that could not be used, the first hundred of many."""
    if not bad:
        return []
    listed = "".join(f"<li>{escape(one_line(str(row)))}</li>" for row in bad[:_BAD_ROWS])
    more = f"<p>and {len(bad) - _BAD_ROWS:,} more</p>" if len(bad) > _BAD_ROWS else ""
    return [f"<h2>Left out: {len(bad):,} rows</h2><ul>{listed}</ul>{more}"]
