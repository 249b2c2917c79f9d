"""Reads one image: where text may be, each part at its own scale, then the lines that were found, all once.

Most pictures show no text, so the finder first sees a large picture reduced; only the parts in which that shows a trace
of letters are looked at as they are, and nothing is recognised where no line was found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imgsearch.reading.contract import Points, TextEngine
from imgsearch.reading.lines import as_line
from imgsearch.reading.ordering import column_order, row_order
from imgsearch.reading.tiles import LONGEST, Strip, Tile, joined, overlap_share, tiles_of
from imgsearch.records import Float32, UInt8
from imgsearch.storage import StoredText, TextLine

_AT_ONCE = 2
"""Parts of a picture that are looked at without looking at the whole first, which would cost as much."""

_QUICK_PIXELS = 1.9e6
"""Of the reduced picture. White and black words of 15 and 16 pixels in photographs of 12 megapixels left a trace in 6
of 10 at 1.1 megapixels, and in 10 of 10 at 1.9; that costs 1.2 s of a core, the twelve parts 8."""

_TRACE = 0.2  # of the finder's certainty, from which on a part is looked at; a line needs 0.5
_CLEAR = 24.0
"""Pixels of a line's height in the reduced picture from which on it is read from there: a part would cut it."""

_SMALLEST = 736  # a shorter side is enlarged to this before lines are looked for, as PaddleOCR does,
_MOST_ENLARGED = 3.0  # but no more than this,
_LEAST_CANVAS = 96  # and margins are added where it is still narrow
_COVERED = 0.5


@dataclass(frozen=True, slots=True)
class ReadImage:
    """The lines of an image in the order of reading, and their text in each order in which one may look for it."""

    lines: tuple[TextLine, ...]
    searched: tuple[str, ...]


class ImageReader:
    """Reads images with one engine."""

    def __init__(self, engine: TextEngine) -> None:
        self.engine = engine

    def made_here(self, image_id: int, read: ReadImage) -> StoredText:
        """What was read in an image of the library, as it is kept."""
        return StoredText(image_id, read.lines, self.engine.name, self.engine.fingerprint, read.searched)

    def read(self, pixels: UInt8) -> ReadImage:
        """The words in an upright picture, uint8 [h, w, 3], RGB in sRGB. Cost, of a core: 0.6 s up to a megapixel, 1.2
        s and more beyond, and 40 ms a line."""
        height, width = pixels.shape[:2]
        if min(height, width) < 8:
            return ReadImage((), ())
        turned = np.ascontiguousarray(pixels[:, :, ::-1])  # the models were trained on BGR
        boxes = self._found(turned)
        if not boxes:
            return ReadImage((), ())
        lines = [as_line(one, width, height) for one in self.engine.recognise(turned, boxes)]
        rows = row_order(lines, width, height)
        columns = column_order(rows, width, height)
        texts = [" ".join(line.text for line in order) for order in (rows, columns)]
        return ReadImage(tuple(rows), tuple(dict.fromkeys(texts)))

    def _found(self, pixels: UInt8) -> list[Points]:
        height, width = pixels.shape[:2]
        tiles = tiles_of(width, height)
        if len(tiles) <= _AT_ONCE:
            return joined(self._within(pixels, tiles))
        heat, whole = self._whole(pixels)
        clear = [box for box in whole if Strip.of(box, 0).height * _reduction(width, height) >= _CLEAR]
        near = [tile for tile in tiles if _shows_more(heat, clear, tile, width, height)]
        fine = [(box, tile) for box, tile in self._within(pixels, near) if not _covered(box, clear)]
        faint = [box for box in whole if not _listed(box, clear)]
        parts = joined(fine)
        return [*clear, *parts, *(box for box in faint if not _covered(box, parts) and not _holds(box, parts))]

    def _whole(self, pixels: UInt8) -> tuple[Float32, list[Points]]:
        """The heat of the reduced picture, and its lines in pixels of the picture."""
        from PIL import Image

        height, width = pixels.shape[:2]
        scale = _reduction(width, height)
        size = max(32, round(width * scale)), max(32, round(height * scale))
        reduced = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))
        heat = self.engine.heat(reduced)
        return heat, self.engine.boxes(heat, height, width)

    def _within(self, pixels: UInt8, tiles: Sequence[Tile]) -> list[tuple[Points, int]]:
        """The lines of each part, in pixels of the picture, with the number of the part."""
        found: list[tuple[Points, int]] = []
        for number, tile in enumerate(tiles):
            part = pixels[tile.top : tile.bottom, tile.left : tile.right]
            found += [(box + np.array([tile.left, tile.top]), number) for box in self._of_part(part)]
        return found

    def _of_part(self, part: UInt8) -> list[Points]:
        height, width = part.shape[:2]
        canvas, scale, margin = on_canvas(part)
        boxes = self.engine.boxes(self.engine.heat(canvas), canvas.shape[0], canvas.shape[1])
        moved = [(box - [margin[0], margin[1]]) / scale for box in boxes]
        return [np.clip(box, 0, [width - 1, height - 1]) for box in moved]


def on_canvas(part: UInt8) -> tuple[UInt8, float, tuple[int, int]]:
    """A small part enlarged, and with margins of its usual colour where it is narrow -> the canvas, by how much it was
    enlarged, and the margin at its left and its top."""
    from PIL import Image

    height, width = part.shape[:2]
    scale = min(_MOST_ENLARGED, _SMALLEST / min(height, width), LONGEST / max(height, width))
    if scale > 1:
        size = round(width * scale), round(height * scale)
        part = np.asarray(Image.fromarray(part).resize(size, Image.Resampling.BICUBIC))
    else:
        scale = 1.0
    margin = tuple(max(0, -(-(_LEAST_CANVAS - side) // 2)) for side in (part.shape[1], part.shape[0]))
    if any(margin):
        usual = np.median(part.reshape(-1, 3), axis=0).astype(np.uint8)
        canvas = np.full((part.shape[0] + 2 * margin[1], part.shape[1] + 2 * margin[0], 3), usual, np.uint8)
        canvas[margin[1] : margin[1] + part.shape[0], margin[0] : margin[0] + part.shape[1]] = part
        part = canvas
    return part, scale, (margin[0], margin[1])


def _reduction(width: int, height: int) -> float:
    return float(min(1.0, (_QUICK_PIXELS / (width * height)) ** 0.5))


def _shows_more(heat: Float32, clear: Sequence[Points], tile: Tile, width: int, height: int) -> bool:
    """Whether the reduced picture shows a trace of text in a part beside the lines that are read from it."""
    rows, columns = heat.shape
    left, right = tile.left * columns // width, -(-tile.right * columns // width)
    top, bottom = tile.top * rows // height, -(-tile.bottom * rows // height)
    at = np.argwhere(heat[top:bottom, left:right] > _TRACE)[:, ::-1]  # [n, 2] x, y
    places = (at + np.array([left + 0.5, top + 0.5])) * [width / columns, height / rows]
    for box in clear:
        places = places[~_inside(places, box)]
    return len(places) > 0


def _inside(places: Points, box: Points) -> NDArray[np.bool_]:
    """Which of the places [n, 2] lie in the box, or as near to it as the letters of another line would not."""
    strip = Strip.of(box, 0)
    apart = places - strip.centre
    along, across = apart @ strip.along, apart @ np.array([-strip.along[1], strip.along[0]])
    reach = (strip.length + strip.height) / 2
    inside: NDArray[np.bool_] = (np.abs(along) <= reach) & (np.abs(across) <= 0.6 * strip.height)
    return inside


def _covered(box: Points, others: Sequence[Points]) -> bool:
    """Whether half of a box, at least, lies in one of the others."""
    strip = Strip.of(box, -1)
    return any(overlap_share(Strip.of(other, -1), strip) >= _COVERED for other in others)


def _holds(box: Points, others: Sequence[Points]) -> bool:
    """Whether one of the others lies in a box for the most part: it was read there at its own scale."""
    strip = Strip.of(box, -1)
    return any(overlap_share(strip, Strip.of(other, -1)) >= _COVERED for other in others)


def _listed(box: Points, boxes: Sequence[Points]) -> bool:
    return any(box is other for other in boxes)
