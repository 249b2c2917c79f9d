"""Opens an image's bytes with the one plugin that they need, turns every codec error into MediaError, and sets Pillow's
global options."""

from __future__ import annotations

import importlib
import re
import struct
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import BinaryIO

from PIL import AvifImagePlugin, Image, ImageFile, PngImagePlugin, UnidentifiedImageError

from imgsearch.errors import MediaError
from imgsearch.media.limits import MIB, DecodeLimits, check_memory, largest_apple_icon, largest_icon, webp_canvas
from imgsearch.media.sniff import HEAD_BYTES, Kind, sniff

# `limits` replaces Pillow's own limit, which counts a JPEG before `draft` has shrunk it.
Image.MAX_IMAGE_PIXELS = None
ImageFile.LOAD_TRUNCATED_IMAGES = False  # Pillow's default, but other code in the process may have changed it
# Image generators store workflows of megabytes in a PNG's text. The total stays at Pillow's 64 MiB.
PngImagePlugin.MAX_TEXT_CHUNK = 16 * MIB
AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # the workers are the parallelism, and each thread costs memory

_PLUGIN_MODULES = {
    "JPEG2000": "Jpeg2KImagePlugin",
    "WEBP": "WebPImagePlugin",
    "DIB": "BmpImagePlugin",
    "XVTHUMB": "XVThumbImagePlugin",
}


def readable_kind(head: bytes, name: str) -> Kind:
    """The format, by the first bytes. Raises MediaError for bytes that are no image that can be read here."""
    kind = sniff(head, name)
    if not kind.format:
        raise MediaError(f"the file is {kind.description}", stage="open")
    return kind


_HIDDEN_SIZES: dict[str, Callable[[BinaryIO], tuple[int, int]]] = {
    "WEBP": lambda stream: webp_canvas(stream.read(HEAD_BYTES)),
    "ICO": largest_icon,
    "ICNS": largest_apple_icon,
}
"""The size in the header, for formats that take their memory when they are opened, or more than Pillow's size says."""


def open_image(stream: BinaryIO, kind: Kind, size_bytes: int, limits: DecodeLimits) -> Image.Image:
    """Read the header with the one plugin that the first bytes ask for. Raises MediaError."""
    register_format(kind.format)
    if kind.format in _HIDDEN_SIZES:
        stream.seek(0)
        claimed = _HIDDEN_SIZES[kind.format](stream)
        check_memory(kind.format, "RGBA", claimed, size_bytes=size_bytes, extra_bytes=0, limits=limits)
    stream.seek(0)
    try:
        with quiet():
            image = Image.open(stream, formats=(kind.format,))
    except (MediaError, MemoryError):
        raise
    except Exception as exc:
        detail = "" if isinstance(exc, UnidentifiedImageError) else _detail(exc)
        if _UNSUPPORTED.search(detail):
            message = f"not supported: {kind.description} of this kind ({detail})"
        else:
            message = f"the file begins like {kind.description}, but is damaged or cut off{_in_brackets(detail)}"
        raise MediaError(message, stage="open") from exc
    if min(image.size) < 1:
        raise MediaError(f"the picture is {image.size[0]} x {image.size[1]} pixels: nothing to see", stage="open")
    return image


@cache
def register_format(kind: str) -> None:
    """Load one format's plugin when the first such file is met. Loading all of them takes a second and 30 MB."""
    if kind == "HEIF":
        import pillow_heif

        pillow_heif.register_heif_opener(decode_threads=1, thumbnails=False, depth_images=False, aux_images=False)
    elif kind == "JXL":
        _register_jxl()
    else:
        importlib.import_module("PIL." + _PLUGIN_MODULES.get(kind, f"{kind.capitalize()}ImagePlugin"))


def _register_jxl() -> None:
    try:
        from pillow_jxl import JpegXLImagePlugin
    except ImportError as exc:
        message = "not supported: a JPEG XL picture needs pillow-jxl-plugin (pip install 'imgsearch[formats]')"
        raise MediaError(message, stage="open", transient=True) from exc
    JpegXLImagePlugin.DECODE_THREADS = 0  # as for AVIF


@contextmanager
def decoding(kind: Kind) -> Iterator[None]:
    """Turn what codecs raise over damaged data into a MediaError that people understand."""
    try:
        with quiet():
            yield
    except (MediaError, MemoryError):
        raise
    except Exception as exc:
        detail = _detail(exc)
        if _CUT_OFF.search(str(exc)) or isinstance(exc, EOFError):
            message = f"{kind.description} that is cut off: the file ends before the picture does"
        elif _UNSUPPORTED.search(detail):
            message = f"not supported: {kind.description} of this kind ({detail})"
        else:
            message = f"{kind.description} whose data are damaged{_in_brackets(detail)}"
        raise MediaError(message, stage="decode") from exc


# Codecs say this of a sound file that they cannot read.
_UNSUPPORTED = re.compile(
    r"(?i)unsupported (?!marker)|not supported|unimplemented|not implemented|colour matrix|not been built"
)
_CUT_OFF = re.compile(r"(?i)truncated|unexpected end of file|not enough image data")
_OF_PYTHON = (TypeError, LookupError, AttributeError, ArithmeticError, AssertionError, RecursionError, struct.error)
# Words with which Python, NumPy and codecs describe themselves; they tell a person nothing about the file.
_OF_PROGRAMS = re.compile(
    r"(?i)object|argument|shape|broadcast|operand|unpack|literal|codec can't|tuple|NoneType|COMPRESSION|returned"
    r"|decoder error|libjxl|seek value|tile cannot|cannot load|must be|'PIL|decoder plugin|out of (range|bounds)"
)


def _detail(exc: BaseException) -> str:
    """The codec's message, if people can understand it; otherwise ""."""
    text = " ".join(str(exc).split())[:200]
    if "MAX_TEXT" in text:
        return "its compressed text or colour profile inflates beyond all measure"
    if "Reformat failed" in text:
        return "its colour matrix"
    return "" if isinstance(exc, _OF_PYTHON) or _OF_PROGRAMS.search(text) else text


def _in_brackets(detail: str) -> str:
    return f" ({detail})" if detail else ""


_IGNORED = ("ignore", None, Warning, None, 0)  # what `simplefilter` puts before the other filters


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Pillow's warnings about odd files. What matters becomes a MediaError."""
    if warnings.filters[:1] == [_IGNORED]:  # inside another one, as five times a file
        yield
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def translated(stage: str) -> Iterator[None]:
    """Turn whatever is raised inside into a MediaError of ``stage``, so that callers need to catch nothing else."""
    try:
        with quiet():
            yield
    except MediaError:
        raise
    except MemoryError as exc:
        raise MediaError("not enough memory to decode the picture", stage="decode", transient=True) from exc
    except Exception as exc:
        raise MediaError(f"the file could not be decoded{_in_brackets(_detail(exc))}", stage=stage) from exc
