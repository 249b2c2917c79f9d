"""Camera RAW: the preview that the camera made, through rawpy (the extra `raw`)."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import BinaryIO

from PIL import Image

from imgsearch.errors import MediaError
from imgsearch.media.containers import jpeg
from imgsearch.media.containers.header import load_exif, read_at
from imgsearch.media.containers.tiff import camera_raw
from imgsearch.media.metadata.exif import own_orientation

_ORIENTATION = 0x0112

_EXIF_OF_FLIP = {0: 1, 1: 2, 2: 4, 3: 3, 4: 5, 5: 8, 6: 6, 7: 7}  # LibRaw's `flip` -> the EXIF orientation


_LIBRAW_EXIF = b"\xff\xe1\x05\x68Exif\0\0II*\0\x0a\0\0\0"
"""LibRaw 0.22 puts this EXIF header, with the RAW's orientation, before every JPEG that does not begin with one."""

_UNDONE = {6: 8, 8: 6}
_SQUARE = 0.02


@dataclass(frozen=True, slots=True)
class Preview:
    """``data``: an encoded image (JPEG, or PNG made from a bitmap preview). Sizes are the RAW's own, upright. ``own``:
    the orientation in the preview's own EXIF, 0 if it has none."""

    data: bytes
    orientation: int
    width: int
    height: int
    own: int = 0

    def remaining_orientation(self, width: int, height: int, done: int) -> int:
        """The EXIF orientation by which the preview must still be turned. It is now ``width`` x ``height``, after it
        was turned by ``done``, as its own EXIF says.

        Some previews lie as the sensor saw them, some are upright, and their EXIF is right, missing or copied from the
        RAW. An image with the upright aspect ratio of the RAW is upright. If the aspect ratio cannot decide, its own
        EXIF does.
        """
        if abs(width - height) > _SQUARE * max(width, height):
            if (height > width) != (self.height > self.width):
                return _UNDONE.get(done, done) if done >= 5 else self.orientation
            if self.orientation >= 5:
                return 1
        return 1 if self.own else self.orientation


def read_preview(source: BinaryIO) -> Preview:
    """The embedded preview of a RAW file. Raises MediaError without rawpy (transient), for a file that LibRaw cannot
    read, and for one without a preview."""
    try:
        import rawpy
    except ImportError as exc:
        raise MediaError(
            "the file is a camera RAW file: reading it needs rawpy (pip install 'imgsearch[raw]')",
            stage="open",
            transient=True,
        ) from exc
    source.seek(0)
    try:
        with rawpy.imread(source) as raw:
            sizes = raw.sizes
            thumb = raw.extract_thumb()
            orientation = _EXIF_OF_FLIP.get(int(sizes.flip), 1)
            width, height = int(sizes.width), int(sizes.height)
            if read_at(source, 6, 8) == camera_raw.CANON_HEAP and sizes.crop_width and sizes.crop_height:
                width, height = int(sizes.crop_width), int(sizes.crop_height)  # without the border of the sensor
    except rawpy.LibRawNoThumbnailError as exc:
        raise MediaError("the camera RAW file has no embedded preview", stage="open") from exc
    except (rawpy.LibRawError, OSError, ValueError, RuntimeError) as exc:
        raise MediaError(
            f"the file is not a camera RAW file that LibRaw can read ({_words(exc)})", stage="open"
        ) from exc
    if orientation >= 5:
        width, height = height, width
    if thumb.format == rawpy.ThumbFormat.JPEG:
        data = _as_the_camera_wrote(bytes(thumb.data))
        return Preview(data, orientation, width, height, _own_orientation(data))
    bitmap = io.BytesIO()
    Image.fromarray(thumb.data).save(bitmap, "PNG", compress_level=1)
    return Preview(bitmap.getvalue(), orientation, width, height)


def raw_orientation(source: BinaryIO) -> int:
    """The RAW's own orientation if LibRaw turns nothing: 1, or 0 if it has none."""
    try:
        return min(1, own_orientation(camera_raw.read_header(source).exif))
    except (ValueError, IndexError):
        return 0


def _as_the_camera_wrote(data: bytes) -> bytes:
    if data[2:].startswith(_LIBRAW_EXIF):
        return data[:2] + data[4 + int.from_bytes(data[4:6], "big") :]
    return data


def _own_orientation(data: bytes) -> int:
    value = load_exif(jpeg.read_segments(io.BytesIO(data)).exif).get(_ORIENTATION)
    return value if isinstance(value, int) and 1 <= value <= 8 else 0


def _words(exc: BaseException) -> str:
    detail = exc.args[0] if exc.args else ""
    return detail.decode("ascii", "replace") if isinstance(detail, bytes) else str(detail or type(exc).__name__)
