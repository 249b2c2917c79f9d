"""Parts of an image that Pillow shows although the file wrote nothing there."""

from __future__ import annotations

from typing import BinaryIO

from PIL import Image, ImageFile

from imgsearch.media.containers.header import read_at


def loaded(image: Image.Image, kind: str, stream: BinaryIO) -> Image.Image:
    """Decode the image. Around the first frame of a GIF that does not cover its canvas there is nothing: browsers show
    it as transparent, Pillow in the palette's first colour. A TGA's fourth byte is transparency only if the header says
    so and it was written: some programs leave zeros."""
    tiles = image.tile if kind == "GIF" and isinstance(image, ImageFile.ImageFile) else []
    box = tiles[0].extents if tiles else None
    image.load()
    if box is not None and tuple(box) != (0, 0, *image.size) and "transparency" not in image.info:
        canvas = Image.new("RGB", image.size, "white")
        canvas.paste(image.crop(box).convert("RGB"), (box[0], box[1]))
        canvas.info = image.info
        return canvas
    if kind == "TGA" and image.mode in ("RGBA", "LA") and not _is_alpha_written(image, stream):
        return image.convert(image.mode[:-1])
    return image


def _is_alpha_written(image: Image.Image, stream: BinaryIO) -> bool:
    bits = read_at(stream, 17, 1)[0] & 15
    return bits > 0 and image.getchannel("A").getextrema() != (0, 0)
