"""An image file's bytes -> the image as a viewer shows it: sRGB, upright, reduced. Chooses the reader for each format.

Pillow reads most formats. Other readers take over where Pillow 13 is wrong or cannot read: `iso_images` (HEIC, AVIF),
`tiff.deep`, `other_readers` (PNG, JPEG and JPEG 2000 of more than 8 bits, PAM), `photoshop`, `raw`.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import replace

from PIL import Image

from imgsearch.errors import MediaError
from imgsearch.media.colour.code_points import CodePoints, usable_chromaticities
from imgsearch.media.colour.small import DeepImage, reduced_size, small_srgb
from imgsearch.media.colour.srgb import shrink, to_srgb
from imgsearch.media.containers.header import Header, read_at
from imgsearch.media.containers.plain import read_bmp
from imgsearch.media.containers.png_colour import PngColour, read_png_colour
from imgsearch.media.containers.tiff.directories import Directory, at_directory
from imgsearch.media.containers.tiff.pages import main_directory
from imgsearch.media.formats import other_readers
from imgsearch.media.formats.bitmaps.bmp import read_odd_bmp
from imgsearch.media.formats.bitmaps.old import check_blp, check_icns, read_fits
from imgsearch.media.formats.bitmaps.pcx import read_odd_pcx
from imgsearch.media.formats.bitmaps.unwritten import loaded
from imgsearch.media.formats.bitmaps.xbm import read_xbm
from imgsearch.media.formats.damaged.jpeg import mended_jpeg, with_height
from imgsearch.media.formats.damaged.png import mended_png
from imgsearch.media.formats.iso_images import read_iso
from imgsearch.media.formats.jpeg2000_sampling import at_full_range, read_sampling, read_shared_jpeg2000
from imgsearch.media.formats.jpeg_xl import read_jxl
from imgsearch.media.formats.jpeg_xr import read_jxr
from imgsearch.media.formats.photoshop import read_psd
from imgsearch.media.formats.radiance import read_radiance
from imgsearch.media.formats.raw import raw_orientation, read_preview
from imgsearch.media.formats.tiff.deep import pillow_is_right, read_deep_tiff
from imgsearch.media.formats.tiff.layout import tiff_bytes, tiff_orientation
from imgsearch.media.limits import JpegLayout, TooMuchMemory, check_bytes, check_memory, read_jpeg_layout
from imgsearch.media.metadata.exif import exif_of, orientation_of, own_orientation
from imgsearch.media.opening import decoding, open_image, readable_kind
from imgsearch.media.orientation import orient_image
from imgsearch.media.sniff import HEAD_BYTES, Kind
from imgsearch.media.wanted import DecodeRequest, Upright

_CALLED = {"DIB": "BMP", "PAM": "PPM"}  # the names that people know them by


def read_upright(wanted: DecodeRequest) -> Upright:
    """Decode the main image. Raises MediaError, or whatever a codec raises over damaged data."""
    reader = _READERS.get(wanted.kind.format)
    found = reader(wanted) if reader else _read_plain(wanted)
    return replace(found, format=_CALLED[found.format]) if found.format in _CALLED else found


def _read_plain(
    wanted: DecodeRequest,
    codes: CodePoints | None = None,
    layout: JpegLayout | None = None,
    key_factor: int = 0,
    icc: bytes = b"",
) -> Upright:
    """Read what Pillow reads correctly. ``icc`` is a profile that Pillow does not find. ``key_factor`` scales the
    transparent grey of a PNG of less than 8 bits to 8 bits, which Pillow omits."""
    with open_image(wanted.stream, wanted.kind, wanted.size_bytes, wanted.limits) as opened:
        full_size = opened.size
        _check(opened, wanted, layout)
        with decoding(wanted.kind):
            image = loaded(opened, wanted.kind.format, wanted.stream)
            if wanted.kind.format == "JPEG2000":
                image = at_full_range(image, read_sampling(wanted.stream).bits)
        orientation = own_orientation(exif_of(opened))  # read after the pixels, because a PNG's EXIF may follow them
        if key_factor and isinstance(key := image.info.get("transparency"), int):
            image = image if image.mode == "L" else image.convert("L")
            image.info["transparency"] = key * key_factor
        small = to_srgb(shrink(image, wanted.target), image.info.get("icc_profile") or icc, codes)
    width, height = full_size[::-1] if orientation >= 5 else full_size
    return Upright(orient_image(small, orientation), width, height, wanted.kind.format, orientation)


def _or_else(
    first: Callable[[DecodeRequest], Upright], second: Callable[[DecodeRequest], Upright], wanted: DecodeRequest
) -> Upright:
    """Try ``second`` if ``first`` refuses the file. If both refuse, the first reason is raised, unless the second says
    that the file is not supported."""
    try:
        return first(wanted)
    except TooMuchMemory:
        raise
    except MediaError as error:
        try:
            return second(wanted)
        except TooMuchMemory:
            raise
        except MediaError as other:
            wanting = any(each.message.startswith("not supported") for each in (error, other))
            raise other if wanting else error from None


def _from_deep(wanted: DecodeRequest, image: DeepImage, orientation: int) -> Upright:
    """A small sRGB image of samples that are already upright."""
    width, height = image.rows.size
    across, down = reduced_size(image.rows.size, wanted.target)
    check_bytes((width, height), 40 * across * down, wanted.limits)
    return Upright(small_srgb(image, wanted.target), width, height, wanted.kind.format, orientation)


def _read_iso(wanted: DecodeRequest) -> Upright:
    try:
        found = read_iso(wanted.stream, wanted.kind, wanted.size_bytes, wanted.target, wanted.limits)
    except MediaError as error:
        if error.stage == "open" and read_at(wanted.stream, 8, 4) == b"mif3":
            message = f"not supported: {wanted.kind.description} in the short form (mif3)"
            raise MediaError(message, stage="open") from error
        raise
    return Upright(found.image, *found.size, wanted.kind.format, found.orientation)


def _read_png(wanted: DecodeRequest) -> Upright:
    """Colours by cICP, then iCCP, sRGB, and last gAMA and cHRM (PNG, third edition, 4.3)."""
    return _or_else(_read_sound_png, lambda each: _read_sound_png(mended_png(each)), wanted)


def _read_sound_png(wanted: DecodeRequest) -> Upright:
    told = read_png_colour(wanted.stream)
    codes = _png_codes(told)
    if told.is_narrow or (told.depth == 16 and (told.has_key or (codes is not None and not codes.is_srgb))):
        return _from_deep(wanted, *other_readers.read_deep_png(wanted, told, codes))
    if told.is_grey and told.has_key and told.depth < 8:
        return _read_plain(wanted, codes, key_factor=255 // ((1 << told.depth) - 1))
    return _read_plain(wanted, codes)


def _png_codes(told: PngColour) -> CodePoints | None:
    if told.cicp is not None:
        return CodePoints(*told.cicp)
    if told.has_profile or told.is_srgb or not (told.gamma or told.chromaticities):
        return None
    return CodePoints(gamma=told.gamma, chromaticities=usable_chromaticities(told.chromaticities))


def _read_cursor(wanted: DecodeRequest) -> Upright:
    """A cursor file is read as an icon. Pillow's reader for icons knows PNG inside, its reader for cursors does not."""
    data = b"\0\0\1\0" + other_readers.read_all(wanted)[4:]
    icon = replace(wanted, stream=io.BytesIO(data), kind=Kind("ICO", wanted.kind.description))
    return replace(_read_plain(icon), format="CUR")


def _read_jpeg(wanted: DecodeRequest) -> Upright:
    """Pillow does not read 12-bit JPEG, lossless JPEG and JPEG-LS; another reader does."""
    frame = read_jpeg_layout(wanted.stream)
    if frame.depth and not frame.size[1]:
        wanted = with_height(wanted)
        frame = read_jpeg_layout(wanted.stream)
    if frame.depth in (0, 8) and not frame.is_lossless:
        try:
            return _read_plain(wanted, layout=frame)
        except MediaError as error:
            if "ends before the picture" not in error.message:
                raise
            return _read_plain(mended_jpeg(wanted, frame), layout=frame)
    return _from_deep(wanted, *other_readers.read_odd_jpeg(wanted, frame))


def _read_jpeg2000(wanted: DecodeRequest) -> Upright:
    header, sampling = other_readers.jpeg2000_header(wanted), read_sampling(wanted.stream)
    if sampling.is_shared:
        try:
            return _from_deep(wanted, read_shared_jpeg2000(wanted, header, sampling), 0)
        except MediaError as error:
            if not (error.transient and sampling.suits_pillow):
                raise
    if other_readers.is_deep(header):
        return _from_deep(wanted, other_readers.read_deep_jpeg2000(wanted, header), 0)
    return _read_plain(wanted, icc=header.icc)


def _read_bmp(wanted: DecodeRequest) -> Upright:
    try:
        header = read_bmp(wanted.stream) if wanted.kind.format == "BMP" else Header()
    except (ValueError, IndexError):  # the plugin will raise the proper error
        header = Header()

    def usual(each: DecodeRequest) -> Upright:
        return _read_plain(each, icc=header.icc)

    def other(each: DecodeRequest) -> Upright:
        found = read_odd_bmp(each)
        if isinstance(found, DeepImage):
            return _from_deep(each, replace(found, icc=header.icc), 0)
        upright = usual(found) if found.kind.format == "BMP" else read_upright(found)
        return replace(upright, format="BMP")

    # Pillow ignores 1-bit alpha, and uses an alpha channel that was never written.
    return _or_else(other, usual, wanted) if header.has_alpha else _or_else(usual, other, wanted)


def _read_checked(check: Callable[[DecodeRequest], None], wanted: DecodeRequest) -> Upright:
    check(wanted)
    return _read_plain(wanted)


def _read_tiff(wanted: DecodeRequest) -> Upright:
    page, pages = main_directory(wanted.stream)
    if page is None:
        return _read_plain(wanted)
    if page.is_dng or (pages is not None and pages.raw):
        return _read_raw(wanted)
    orientation = tiff_orientation(wanted.stream, page, pages)
    if not pillow_is_right(page):
        return _deep_tiff(wanted, page, orientation)
    try:
        return _plain_tiff(wanted, page, orientation)
    except TooMuchMemory:
        raise
    except MediaError as error:
        try:
            return _deep_tiff(wanted, page, orientation)
        except TooMuchMemory:
            raise
        except Exception as exc:
            told = isinstance(exc, MediaError) and exc.message.startswith("not supported")
            raise exc if told else error from exc


def _deep_tiff(wanted: DecodeRequest, page: Directory, orientation: int) -> Upright:
    with decoding(wanted.kind):
        image = read_deep_tiff(wanted.stream, page, orientation, wanted.size_bytes, wanted.limits)
        return _from_deep(wanted, image, orientation)


def _plain_tiff(wanted: DecodeRequest, page: Directory, orientation: int) -> Upright:
    """Pillow turns a TIFF while it loads it, but not always. What is left to do is done here."""
    with open_image(at_directory(wanted.stream, page.offset), wanted.kind, wanted.size_bytes, wanted.limits) as image:
        _check(image, wanted)
        with decoding(wanted.kind):
            done = orientation_of(exif_of(image))
            image.load()
        rest = orientation if done == 1 else 1
        small = to_srgb(shrink(image, wanted.target), image.info.get("icc_profile") or page.icc)
        width, height = image.size[::-1] if rest >= 5 else image.size
    return Upright(orient_image(small, rest), width, height, wanted.kind.format, orientation)


def _check(image: Image.Image, wanted: DecodeRequest, layout: JpegLayout | None = None) -> None:
    """Let a JPEG shrink itself while it is decoded, then check whether the image fits the limits."""
    size, kind, extra = image.size, wanted.kind.format, 0
    if layout is not None:
        if wanted.size_bytes < layout.least_bytes:
            held = f"{wanted.size_bytes} bytes cannot hold {size[0]} x {size[1]} pixels"
            raise MediaError(f"a JPEG picture that is cut off: {held}", stage="open")
        image.draft(None, (2 * wanted.target[0], 2 * wanted.target[1]))
        size, extra = image.size, layout.coefficient_bytes
    if kind == "TIFF":
        extra = tiff_bytes(image)
    check_memory(kind, image.mode, size, size_bytes=wanted.size_bytes, extra_bytes=extra, limits=wanted.limits)


def _read_raw(wanted: DecodeRequest) -> Upright:
    """The embedded preview stands for the image. Size and orientation come from the RAW file itself."""
    preview = read_preview(wanted.stream)
    kind = readable_kind(preview.data[:HEAD_BYTES], "")
    if kind.format == "RAW":
        raise MediaError("the preview inside the camera RAW file is no picture", stage="open")
    inner = DecodeRequest(io.BytesIO(preview.data), kind, "", len(preview.data), wanted.target, wanted.limits)
    shown = read_upright(inner)
    image = orient_image(shown.image, preview.remaining_orientation(shown.width, shown.height, shown.orientation or 1))
    extension = os.path.splitext(wanted.name or "x.dng")[1].lstrip(".").upper()  # noqa: PTH122
    orientation = preview.orientation if preview.orientation > 1 else raw_orientation(wanted.stream)
    return Upright(image, preview.width, preview.height, extension or "RAW", orientation)


_READERS: dict[str, Callable[[DecodeRequest], Upright]] = {
    "HEIF": _read_iso,
    "AVIF": _read_iso,
    "PNG": _read_png,
    "TIFF": _read_tiff,
    "JPEG": _read_jpeg,
    "BMP": _read_bmp,
    "DIB": _read_bmp,
    "BLP": lambda wanted: _read_checked(check_blp, wanted),
    "ICNS": lambda wanted: _read_checked(check_icns, wanted),
    "PCX": lambda wanted: _or_else(_read_plain, lambda each: _from_deep(each, read_odd_pcx(each), 0), wanted),
    "CUR": _read_cursor,
    "FITS": lambda wanted: _from_deep(wanted, read_fits(wanted), 0),
    "XBM": lambda wanted: _from_deep(wanted, read_xbm(wanted), 0),
    "HDR": lambda wanted: _from_deep(wanted, read_radiance(wanted), 0),
    "JPEG2000": _read_jpeg2000,
    "JXL": read_jxl,
    "JXR": lambda wanted: _from_deep(wanted, *read_jxr(wanted)),
    "RAW": _read_raw,
    "PSD": lambda wanted: _from_deep(wanted, read_psd(wanted), 0),
    "PAM": lambda wanted: _from_deep(wanted, other_readers.read_pam(wanted), 0),
}
