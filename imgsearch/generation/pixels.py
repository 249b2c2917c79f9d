"""From a PIL image of any mode to the square of pixels that the model sees, as indexing makes it from a file."""

from __future__ import annotations

from PIL import Image

from imgsearch.errors import MediaError, UsageError
from imgsearch.media.colour.srgb import shrink, to_srgb
from imgsearch.media.metadata.exif import exif_of, orientation_of
from imgsearch.media.orientation import orient_image
from imgsearch.media.preprocess import resize_to_model
from imgsearch.records import UInt8


def upright_pixels(image: Image.Image, size: int) -> UInt8:
    """uint8 [S, S, 3] in sRGB: turned by its EXIF, transparency on white, more than 8 bits and palettes reduced, an
    embedded profile applied. Raises MediaError if the image cannot be decoded, UsageError if it is no PIL image."""
    if not isinstance(image, Image.Image):
        raise UsageError(f"received {type(image).__name__}, expected a PIL picture", "open it with PIL.Image.open")
    if not image.width or not image.height:
        raise MediaError("the picture is empty: it has no pixels", stage="decode")
    try:
        image.load()
        orientation = orientation_of(exif_of(image))
        small = to_srgb(shrink(image, (size, size)), image.info.get("icc_profile"))
    except (MemoryError, MediaError):
        raise
    except Exception as exc:  # a damaged file raises a dozen kinds of exceptions
        raise MediaError(f"the picture cannot be decoded: {exc}", stage="decode") from exc
    return resize_to_model(orient_image(small, orientation), size)
