"""From an upright image to the square of pixels that the model sees. Without torch, because decode workers run this."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

    from imgsearch.records import UInt8

#: Version of "file -> model pixels" (decode and resize). Part of a library's ModelId: raise it when a change
#: moves the pixels, so that vectors made before and after are never mixed.
RECIPE = "v1"

# CLIP's statistics, which BLIP-2 was trained with (LAVIS, BlipImageBaseProcessor); RGB, of values in 0..1.
PIXEL_MEAN = (0.48145466, 0.4578275, 0.40821073)
PIXEL_STD = (0.26862954, 0.26130258, 0.27577711)


def resize_to_model(image: Image.Image, size: int) -> UInt8:
    """Squash an upright image to ``size`` x ``size`` pixels: uint8 [S, S, 3], RGB.

    Pillow's bicubic with antialiasing and without a crop, as LAVIS's BlipImageEvalProcessor does. The decoder takes
    care of transparency, colour profiles and orientation; here an image in another mode is only converted to RGB.
    Raises ValueError for a size below 1.
    """
    # Imported here because a search by words, and `imgsearch --version`, read the constants of this module alone.
    import numpy as np
    from PIL import Image

    if size < 1:
        raise ValueError(f"size is {size}, expected a positive number of pixels")
    upright = image if image.mode == "RGB" else image.convert("RGB")
    if upright.size != (size, size):
        upright = upright.resize((size, size), Image.Resampling.BICUBIC)
    return np.array(upright, dtype=np.uint8)  # [S, S, 3]
