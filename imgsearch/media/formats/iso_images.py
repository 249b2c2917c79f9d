"""HEIC and AVIF as viewers show them: cropped and turned by their boxes alone, at full depth where PQ or HLG need it,
large grids tile by tile, and with JPEGs inside the container."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from imgsearch.errors import MediaError
from imgsearch.media.colour.code_points import CodePoints
from imgsearch.media.colour.croppable import ArrayImage, Croppable, PartImage, TiledImage
from imgsearch.media.colour.rows import Array, ArrayRows
from imgsearch.media.colour.small import DeepImage, reduced_size, small_srgb
from imgsearch.media.colour.srgb import shrink, to_srgb
from imgsearch.media.containers.header import Header
from imgsearch.media.containers.heif import images as heif
from imgsearch.media.containers.heif.av1 import sequence_codes
from imgsearch.media.containers.heif.items import Item, Items
from imgsearch.media.containers.heif.shape import Grid, Shape, read_grid, read_primary, shape_of, tile_file
from imgsearch.media.formats.uncompressed import read_uncompressed
from imgsearch.media.limits import MIB, DecodeLimits, check_bytes, check_memory
from imgsearch.media.metadata.exif import own_orientation
from imgsearch.media.opening import decoding, open_image, quiet
from imgsearch.media.sniff import Kind

_EMBEDDED = {b"jpeg": "JPEG", b"j2k1": "JPEG2000", b"unci": ""}
_CODECS = {b"avc1": "AVC", b"vvc1": "VVC", b"evc1": "EVC", b"hvt1": "HEVC tiles"}
_HEVC_BYTES, _HEVC_DEEP_BYTES = 6.0, 12.0
"""Bytes a pixel while libheif 1.23 decodes to 8 bits and to 16: 4.8 measured for 24 and 62 megapixels."""

_LARGEST_WHOLE_GRID = 400 * MIB
"""A grid that would take more bytes is read tile by tile, which is as fast."""


@dataclass(frozen=True, slots=True)
class IsoFile:
    """An opened HEIC or AVIF and what is wanted of it."""

    stream: BinaryIO
    kind: Kind
    size_bytes: int
    target: tuple[int, int]  # width, height
    limits: DecodeLimits
    header: Header


@dataclass(frozen=True, slots=True)
class IsoImage:
    """A reduced upright image in sRGB, the full upright size, and the orientation of the boxes as an EXIF number. It is
    1 if only EXIF has one, which does not turn such a file, and 0 if nothing has one."""

    image: Image.Image
    size: tuple[int, int]
    orientation: int


def read_iso(stream: BinaryIO, kind: Kind, size_bytes: int, target: tuple[int, int], limits: DecodeLimits) -> IsoImage:
    """The primary image, decoded to no less than twice ``target``. Raises MediaError."""
    header = _header(stream)
    found = read_primary(stream)
    file = IsoFile(stream, kind, size_bytes, target, limits, header)
    codes = _codes(stream, header, found)
    if kind.format == "AVIF":
        image, shape = _read_avif(file, found, codes)
    elif found is not None and found[1].kind == b"unci":
        image, shape = _read_bare(file, *found, codes)
    elif found is not None and _coded_as(*found) in _EMBEDDED:
        image, shape = _read_embedded(file, *found, codes)
    else:
        image, shape = _read_hevc(file, found, codes)
    orientation = min(1, own_orientation(header.exif))
    if found is not None and any(map(found[1].property, (b"irot", b"imir"))):
        orientation = shape_of(found[1], shape.size).orientation
    return IsoImage(shape.oriented(image), shape.upright_size, orientation)


def _header(stream: BinaryIO) -> Header:
    try:
        return heif.read_header(stream)
    except (ValueError, IndexError):  # the short form, or damage, which the codec will report
        return Header()


def _codes(stream: BinaryIO, header: Header, found: tuple[Items, Item] | None) -> CodePoints | None:
    """Code points that give the colours; None if a profile or nothing does."""
    if header.cicp is not None:
        return CodePoints(*header.cicp)
    if header.icc or found is None:
        return None
    items, item = found
    tiles = items.targets(b"dimg", item.number)
    coded = items.by_number.get(tiles[0], item) if tiles else item
    if coded.kind != b"av01":
        return None
    codes = sequence_codes(coded.property(b"av1C")[4:]) or sequence_codes(items.content(stream, coded)[:4096])
    return None if codes is None else CodePoints(*codes)


def _coded_as(items: Items, primary: Item) -> bytes:
    """The codec of the primary image or its tiles."""
    targets = items.targets(b"dimg", primary.number) if primary.kind in (b"grid", b"iovl", b"iden") else []
    tile = items.by_number.get(targets[0]) if targets else None
    return primary.kind if tile is None else tile.kind


def _finished(file: IsoFile, source: Croppable, codes: CodePoints | None) -> Image.Image:
    return to_srgb(shrink(source, file.target), file.header.icc, codes)


# AVIF: Pillow gives 8 bits, which is enough except for PQ and HLG.


def _read_avif(file: IsoFile, found: tuple[Items, Item] | None, codes: CodePoints | None) -> tuple[Image.Image, Shape]:
    with open_image(file.stream, file.kind, file.size_bytes, file.limits) as image:
        shape = Shape(image.size, (0, 0, *image.size), ()) if found is None else shape_of(found[1], image.size)
        check_memory("AVIF", image.mode, image.size, size_bytes=file.size_bytes, extra_bytes=0, limits=file.limits)
        deep = None
        if codes is not None and codes.is_hdr and file.header.depth > 8:
            deep = _deep_avif(file)
        if deep is not None:
            wide = _deep_image(deep, file, shape, codes)
            return small_srgb(wide, file.target), shape
        with decoding(file.kind):
            image.load()
        return _finished(file, PartImage(image, shape.crop), codes), shape


def _deep_avif(file: IsoFile) -> Array | None:
    """uint16 samples at the file's own depth; None without imagecodecs. With 8 bits, PQ is off by up to 3 of 255."""
    try:
        import imagecodecs
    except ImportError:
        return None
    width, height = file.header.extent
    check_memory(
        "AVIF", "RGBA", (width, height), size_bytes=file.size_bytes, extra_bytes=8 * width * height, limits=file.limits
    )
    file.stream.seek(0)
    with decoding(file.kind):
        samples = np.asarray(imagecodecs.avif_decode(file.stream.read(), index=0, numthreads=1))
    return samples if samples.ndim == 3 else samples[..., None]


def _deep_image(samples: Array, file: IsoFile, shape: Shape, codes: CodePoints | None) -> DeepImage:
    left, top, right, bottom = shape.crop
    highest = float((1 << file.header.depth) - 1)
    return DeepImage(ArrayRows(samples[top:bottom, left:right]), (0.0, highest), file.header.icc, codes)


# HEIC: libheif turns and crops whole images, but not the tiles of a grid that is too large to be decoded at once.


def _read_hevc(file: IsoFile, found: tuple[Items, Item] | None, codes: CodePoints | None) -> tuple[Image.Image, Shape]:
    import pillow_heif

    pillow_heif.options.DECODE_THREADS = 1
    if found is not None and (name := _CODECS.get(_coded_as(*found))):
        raise MediaError(f"not supported: an HEIF picture coded as {name}", stage="open")
    is_deep = codes is not None and codes.is_hdr and file.header.depth > 8
    width, height = file.header.extent
    needed = int(width * height * (_HEVC_DEEP_BYTES if is_deep else _HEVC_BYTES))
    if found is not None and not file.header.has_alpha:
        grid = read_grid(file.stream, *found)
        if grid is not None and needed + file.size_bytes > min(file.limits.memory_bytes, _LARGEST_WHOLE_GRID):
            return _read_grid(file, *found, grid, codes)
    check_bytes((width, height), needed + file.size_bytes, file.limits)
    with decoding(file.kind):
        file.stream.seek(0)
        opened = _opened(file, not is_deep)
        primary = opened[opened.primary_index]
        samples = np.asarray(primary)[:, : primary.size[0]]
    shape = Shape(primary.size, (0, 0, *primary.size), ())
    return _small_hevc(file, primary, samples, codes), shape


def _opened(file: IsoFile, eight_bits: bool) -> Any:
    import pillow_heif

    try:
        return pillow_heif.open_heif(file.stream, convert_hdr_to_8bit=eight_bits)
    except (ValueError, SyntaxError, EOFError) as exc:
        message = f"the file begins like {file.kind.description}, but is damaged or cut off ({str(exc)[:120]})"
        raise MediaError(message, stage="open") from exc


def _small_hevc(file: IsoFile, primary: Any, samples: Array, codes: CodePoints | None) -> Image.Image:
    if samples.dtype == np.uint16:  # pillow_heif shifts samples to the left
        lost = 16 - int(primary.info["bit_depth"])
        rows = ArrayRows(samples)
        image = DeepImage(rows, (0.0, float(65535 >> lost << lost)), file.header.icc, codes)
        return small_srgb(image, file.target)
    mode = "RGBa" if primary.mode == "RGBA" and primary.premultiplied_alpha else primary.mode
    return _finished(file, ArrayImage(samples, mode), codes)


def _read_grid(
    file: IsoFile, items: Items, primary: Item, grid: Grid, codes: CodePoints | None
) -> tuple[Image.Image, Shape]:
    """Read a grid tile by tile: 200 megapixels take the memory of two rows of tiles."""
    shape = shape_of(primary, grid.size)

    def tile(place: int) -> Image.Image:
        item = grid.tiles[place]
        with decoding(file.kind), quiet():
            import pillow_heif

            data = tile_file(item, items.content(file.stream, item))
            opened = pillow_heif.open_heif(io.BytesIO(data))[0]
            return Image.fromarray(np.ascontiguousarray(np.asarray(opened)[:, : opened.size[0]]), opened.mode).convert(
                "RGB"
            )

    return _tiled(file, grid, tile, shape, codes), shape


def _tiled(file: IsoFile, grid: Grid, tile: Any, shape: Shape, codes: CodePoints | None) -> Image.Image:
    first = tile(0)
    width, height = reduced_size(grid.size, file.target)
    # Three rows of tiles and their results. The byte a pixel stands for time instead of memory: it makes 200 megapixels
    # run alone, with a longer time limit.
    needed = 12 * first.size[0] * first.size[1] * grid.columns + 8 * width * height + grid.size[0] * grid.size[1]
    check_bytes(grid.size, needed + file.size_bytes, file.limits)
    whole = TiledImage(grid.size, grid.columns, first.size, tile)
    return _finished(file, PartImage(whole, shape.crop), codes)


def _stored_size(item: Item) -> tuple[int, int]:
    """Width and height from the item's own property."""
    data = item.property(b"ispe")
    return int.from_bytes(data[4:8], "big"), int.from_bytes(data[8:12], "big")


def _read_bare(file: IsoFile, items: Items, primary: Item, codes: CodePoints | None) -> tuple[Image.Image, Shape]:
    """Read samples that are not coded."""
    shape = shape_of(primary, _stored_size(primary))
    with decoding(file.kind):
        samples = read_uncompressed(file.stream, items, primary, shape.size, file.limits)
    left, top, right, bottom = shape.crop
    kept = ArrayRows(samples[top:bottom, left:right])
    return small_srgb(DeepImage(kept, (0.0, 65535.0), file.header.icc, codes), file.target), shape


def _read_embedded(file: IsoFile, items: Items, primary: Item, codes: CodePoints | None) -> tuple[Image.Image, Shape]:
    """Read JPEG or JPEG 2000 inside the container, whole or in tiles, and tiles of bare samples."""

    def part(item: Item) -> Image.Image:
        if item.kind == b"unci":
            samples = read_uncompressed(file.stream, items, item, _stored_size(item), file.limits)
            return small_srgb(DeepImage(ArrayRows(samples), (0.0, 65535.0)), _stored_size(item))
        data = items.content(file.stream, item)
        prefix = item.property(b"jpgC") if item.kind == b"jpeg" and not data.startswith(b"\xff\xd8") else b""
        kind = Kind(_EMBEDDED[item.kind], file.kind.description)
        with open_image(io.BytesIO(prefix + data), kind, len(data), file.limits) as image:
            check_memory(kind.format, image.mode, image.size, size_bytes=len(data), extra_bytes=0, limits=file.limits)
            with decoding(file.kind):
                image.load()
            return image.copy()

    grid = read_grid(file.stream, items, primary)
    if grid is not None:
        shape = shape_of(primary, grid.size)
        return _tiled(file, grid, lambda place: part(grid.tiles[place]).convert("RGB"), shape, codes), shape
    if primary.kind not in _EMBEDDED:
        raise MediaError("not supported: an HEIF picture laid over others", stage="open")
    image = part(primary)
    shape = shape_of(primary, image.size)
    return _finished(file, PartImage(image, shape.crop), codes), shape
