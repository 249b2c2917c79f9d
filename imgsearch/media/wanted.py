"""What a reader of images is asked, and what it gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from PIL import Image

from imgsearch.media.limits import DecodeLimits
from imgsearch.media.sniff import Kind


@dataclass(frozen=True, slots=True)
class DecodeRequest:
    """An opened file and the wish for an image of at least twice ``target`` (width, height), if the file has that many
    pixels."""

    stream: BinaryIO
    kind: Kind
    name: str
    size_bytes: int
    target: tuple[int, int]
    limits: DecodeLimits


@dataclass(frozen=True, slots=True)
class Upright:
    """An image as a person sees it (RGB in sRGB, reduced), with its full size."""

    image: Image.Image
    width: int
    height: int
    format: str
    orientation: int  # the file's own, 1-8; 0 if it has none
