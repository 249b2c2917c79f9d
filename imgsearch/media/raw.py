"""Camera RAW: the preview that the camera itself made, through rawpy (the extra `raw`)."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import BinaryIO

from PIL import Image

from imgsearch.errors import MediaError

_EXIF_OF_FLIP = {0: 1, 3: 3, 5: 8, 6: 6}  # LibRaw's `flip` -> the EXIF orientation


@dataclass(frozen=True, slots=True)
class Preview:
    """``data``: an encoded picture (JPEG, or PNG made from a bitmap preview); sizes are the RAW's own, upright."""

    data: bytes
    orientation: int
    width: int
    height: int


def read_preview(source: BinaryIO) -> Preview:
    """The embedded preview of a RAW file. Raises MediaError: without rawpy (tried again on every run), for a file
    LibRaw cannot read, for one without a preview."""
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
    except rawpy.LibRawNoThumbnailError as exc:
        raise MediaError("the camera RAW file has no embedded preview", stage="open") from exc
    except (rawpy.LibRawError, OSError, ValueError, RuntimeError) as exc:
        raise MediaError(
            f"the file is not a camera RAW file that LibRaw can read ({_words(exc)})", stage="open"
        ) from exc
    if orientation in (6, 8):
        width, height = height, width
    if thumb.format == rawpy.ThumbFormat.JPEG:
        return Preview(bytes(thumb.data), orientation, width, height)
    bitmap = io.BytesIO()
    Image.fromarray(thumb.data).save(bitmap, "PNG", compress_level=1)
    return Preview(bitmap.getvalue(), orientation, width, height)


def _words(exc: BaseException) -> str:
    detail = exc.args[0] if exc.args else ""
    return detail.decode("ascii", "replace") if isinstance(detail, bytes) else str(detail or type(exc).__name__)
