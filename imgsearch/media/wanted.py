"""What the readers of pictures are asked and what they give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from PIL import Image

from imgsearch.media.limits import DecodeLimits
from imgsearch.media.sniff import Kind


@dataclass(frozen=True, slots=True)
class DecodeRequest:
    """An opened file and what is asked of it: no less than twice ``target`` (width, height), where it has that much."""

    stream: BinaryIO
    kind: Kind
    name: str
    size_bytes: int
    target: tuple[int, int]
    limits: DecodeLimits


@dataclass(frozen=True, slots=True)
class Upright:
    """A picture as a person sees it (RGB in sRGB, reduced), with its full size."""

    image: Image.Image
    width: int
    height: int
    format: str
    orientation: int  # as the file has it, 1-8; 0 where it says nothing of it
