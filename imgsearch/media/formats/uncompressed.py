"""Uncompressed HEIF images (ISO/IEC 23001-17), which libheif's wheels do not support: grey, RGB and YCbCr of up to 16
bits, in all interleavings except blocks, bare or compressed by deflate, zlib or Brotli."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from imgsearch.errors import MediaError
from imgsearch.media.colour.rows import Array
from imgsearch.media.containers import uncompressed as boxes
from imgsearch.media.containers.heif.items import Item, Items
from imgsearch.media.containers.uncompressed import Component, Layout, Packing
from imgsearch.media.limits import DecodeLimits, check_bytes

_CODED_BYTES = 12  # bytes a sample besides the file's own: its bits while they are gathered, then the sample
_LUMA_SHARES = {
    1: (0.2126, 0.0722),
    9: (0.2627, 0.0593),
}  # weights of red and blue, by matrix number (ITU-T H.273)
_USUAL_SHARES = (0.299, 0.114)


def read_uncompressed(stream: BinaryIO, items: Items, item: Item, size: tuple[int, int], limits: DecodeLimits) -> Array:
    """Samples uint16 [H, W, C] from 0 to 65535 of 1 to 4 channels (grey or RGB, and alpha). ``size`` is width and
    height. Raises MediaError."""
    try:
        layout, packing = boxes.read_layout(item), boxes.read_packing(item)
    except ValueError as exc:
        raise MediaError(f"an uncompressed HEIF picture whose header is damaged ({exc})", stage="open") from None
    if reason := _unsupported(layout, size):
        raise MediaError(f"not supported: an uncompressed HEIF picture with {reason}", stage="open")
    check_bytes(size, _CODED_BYTES * len(layout.components) * size[0] * size[1], limits)
    tile = size[0] // layout.columns, size[1] // layout.rows
    expected = sum(_tile_bytes(layout, tile)) * layout.columns * layout.rows
    data = _unpacked(_content(stream, items, item, expected), packing, expected)
    if len(data) < expected:
        held = f"{len(data)} bytes instead of {expected}"
        raise MediaError(f"an uncompressed HEIF picture that is cut off: {held}", stage="decode")
    planes = _planes(np.frombuffer(data, np.uint8), layout, tile)
    return _channels(layout, planes, _matrix(item))


def _unsupported(layout: Layout, size: tuple[int, int]) -> str:
    kinds = [each.kind for each in layout.components]
    if any(each.format or each.bits > 16 or each.align > 2 for each in layout.components):
        return "samples that are floats or of more than 16 bits"
    if layout.block:
        return "samples in blocks"
    if layout.pixel_bytes and 8 * layout.pixel_bytes < _in_pixel(layout.components)[1]:
        return "less room for a pixel than it takes"
    packed = _in_pixel(layout.components)[1] % 8 and any(each.align for each in layout.components)
    if layout.interleave == boxes.BY_PIXEL and packed and not layout.pixel_bytes:
        return "pixels that begin in the middle of a byte"
    if layout.interleave == boxes.SEVERAL_LUMA or layout.sampling == (4, 1):
        return "several luma samples in one unit"
    if layout.sampling != (1, 1) and layout.interleave not in (boxes.BY_COMPONENT, boxes.MIXED):
        return "shared colour in this order"
    if size[0] % (layout.columns * layout.sampling[0]) or size[1] % (layout.rows * layout.sampling[1]):
        return f"{layout.columns} x {layout.rows} tiles that do not divide {size[0]} x {size[1]} pixels"
    colours = set(kinds) - {boxes.ALPHA, boxes.PADDING}
    sets = ({boxes.MONO}, {boxes.LUMA}, {boxes.RED, boxes.GREEN, boxes.BLUE}, {1, 2, 3})
    if colours not in sets or len(colours) != len([kind for kind in kinds if kind in colours]):
        return "channels that are no grey, RGB or YCbCr"
    return ""


def _content(stream: BinaryIO, items: Items, item: Item, expected: int) -> bytes:
    """The item's bytes, at most a little more than bare samples take. `Items.content` would stop at 16 MiB."""
    parts, most = [], expected + 65536
    for local, offset, length in item.extents[:4096]:
        if local:
            parts.append(items.local_data[offset : offset + min(length, most)])
        else:
            stream.seek(offset)
            parts.append(stream.read(min(length, most) if length else most))
    return b"".join(parts)


def _unpacked(data: bytes, packing: Packing | None, expected: int) -> bytes:
    if packing is None:
        return data
    whole, parts, left = ((0, len(data)),), [], expected
    for start, length in packing.units or whole:
        parts.append(_inflated(data[start : start + length], packing.method, left))
        left -= len(parts[-1])
    return b"".join(parts)


def _inflated(data: bytes, method: bytes, most: int) -> bytes:
    if method in (b"zlib", b"defl"):
        return zlib.decompressobj(15 if method == b"zlib" else -15).decompress(data, max(1, most))
    if method == b"brot":
        from imgsearch.media.formats.other_readers import imagecodecs_for

        return bytes(imagecodecs_for("an HEIF picture packed by Brotli").brotli_decode(data, out=max(1, most)))
    name = method.decode("latin-1")
    raise MediaError(f"not supported: an uncompressed HEIF picture packed by {name!r}", stage="open")


# The place of a component's samples in a tile, in bits from the tile's first byte.


@dataclass(frozen=True, slots=True)
class _Plane:
    component: Component
    start: int  # bits
    step: int  # bits from one sample to the next
    stride: int  # bits from one row to the next
    size: tuple[int, int]  # samples across and down


def _aligned(count: int, step: int) -> int:
    return -(-count // step) * step if step else count


def _row_bytes(bits: int, layout: Layout) -> int:
    return _aligned(-(-bits // 8), layout.row_align)


def _shared(component: Component, layout: Layout, tile: tuple[int, int]) -> tuple[int, int]:
    across, down = layout.sampling if component.kind in (boxes.BLUE_DIFFERENCE, boxes.RED_DIFFERENCE) else (1, 1)
    return tile[0] // across, tile[1] // down


def _tile_bytes(layout: Layout, tile: tuple[int, int]) -> list[int]:
    """Bytes of one tile, or of each component's tile if these are stored separately."""
    if layout.interleave == boxes.BY_TILE_COMPONENT:
        return [
            _aligned(_row_bytes(tile[0] * each.step, layout) * tile[1], layout.tile_align) for each in layout.components
        ]
    return [_aligned(_laid_out(layout, tile)[1], layout.tile_align)]


def _laid_out(layout: Layout, tile: tuple[int, int]) -> tuple[list[_Plane], int]:
    """The planes of a tile that holds all components, and its bytes before alignment."""
    components = layout.components
    if layout.interleave == boxes.BY_PIXEL:
        starts, packed = _in_pixel(components)
        bits = 8 * layout.pixel_bytes or packed
        stride = _row_bytes(tile[0] * bits, layout)
        planes = [_Plane(each, at, bits, 8 * stride, tile) for each, at in zip(components, starts, strict=True)]
        return planes, stride * tile[1]
    if layout.interleave == boxes.BY_ROW:
        rows = [_row_bytes(tile[0] * each.step, layout) for each in components]
        starts = [8 * sum(rows[:place]) for place in range(len(rows))]
        stride = 8 * sum(rows)
        planes = [_Plane(each, at, each.step, stride, tile) for each, at in zip(components, starts, strict=True)]
        return planes, sum(rows) * tile[1]
    return _one_behind_another(layout, tile)


def _in_pixel(components: tuple[Component, ...]) -> tuple[list[int], int]:
    """The bit at which each component's field begins, and the bits of all fields. An aligned field begins at a byte."""
    starts, at = [], 0
    for each in components:
        at = _aligned(at, 8) if each.align else at
        starts.append(at)
        at += each.step
    return starts, at


def _one_behind_another(layout: Layout, tile: tuple[int, int]) -> tuple[list[_Plane], int]:
    """Planes in sequence. In the mixed form both colour differences lie together, where the first of them would be."""
    planes, at, pair = list[_Plane](), 0, None
    for component in layout.components:
        size = _shared(component, layout, tile)
        differs = component.kind in (boxes.BLUE_DIFFERENCE, boxes.RED_DIFFERENCE)
        if layout.interleave == boxes.MIXED and differs:
            if pair is not None:
                planes.append(_Plane(component, pair.start + pair.component.step, pair.step, pair.stride, size))
                continue
            both = sum(each.step for each in layout.components if each.kind in (2, 3))
            stride = _row_bytes(size[0] * both, layout)
            pair = _Plane(component, 8 * at, both, 8 * stride, size)
            planes.append(pair)
        else:
            stride = _row_bytes(size[0] * component.step, layout)
            planes.append(_Plane(component, 8 * at, component.step, 8 * stride, size))
        at += stride * size[1]
    return planes, at


def _tiles(layout: Layout, tile: tuple[int, int]) -> Iterator[tuple[int, int, int, _Plane, int]]:
    """(component, column, row, plane, the tile's first byte) of each tile."""
    sizes, count = _tile_bytes(layout, tile), layout.columns * layout.rows
    for place in range(count):
        row, column = divmod(place, layout.columns)
        if layout.interleave == boxes.BY_TILE_COMPONENT:
            for index, component in enumerate(layout.components):
                stride = 8 * _row_bytes(tile[0] * component.step, layout)
                plane = _Plane(component, 0, component.step, stride, tile)
                yield index, column, row, plane, sum(sizes[:index]) * count + place * sizes[index]
        else:
            for index, plane in enumerate(_laid_out(layout, tile)[0]):
                yield index, column, row, plane, place * sizes[0]


def _planes(data: Array, layout: Layout, tile: tuple[int, int]) -> list[Array]:
    """uint16 [H, W] of each component, at its stored size."""
    found: list[Array] = []
    for component in layout.components:
        width, height = _shared(component, layout, tile)
        found.append(np.zeros((height * layout.rows, width * layout.columns), np.uint16))
    for index, column, row, plane, start in _tiles(layout, tile):
        width, height = plane.size
        samples = _samples(data[start:], plane, layout.little_endian)
        found[index][row * height : (row + 1) * height, column * width : (column + 1) * width] = samples
    return found


def _samples(data: Array, plane: _Plane, little_endian: bool) -> Array:
    """The samples of one component in one tile."""
    width, height = plane.size
    bits, step = plane.component.bits, plane.component.step
    last = plane.start + (height - 1) * plane.stride + (width - 1) * plane.step + step
    if last > 8 * len(data):  # a false layout must not read beyond the buffer
        raise MediaError("an uncompressed HEIF picture whose layout is damaged", stage="decode")
    if plane.start % 8 == 0 and plane.step % 8 == 0 and step in (8, 16):
        shape, strides = (height, width, step // 8), (plane.stride // 8, plane.step // 8, 1)
        parts = np.lib.stride_tricks.as_strided(data[plane.start // 8 :], shape, strides, writeable=False)
        if step == 8:
            narrow: Array = parts[..., 0] & np.uint8((1 << bits) - 1)
            return narrow
        first, second = (parts[..., 1], parts[..., 0]) if little_endian else (parts[..., 0], parts[..., 1])
        both: Array = (first.astype(np.uint16) << 8 | second) & np.uint16((1 << bits) - 1)
        return both
    found = np.zeros((height, width), np.uint16)
    places = plane.start % 8 + step - bits + plane.step * np.arange(width)
    for row in range(height):
        begin = (plane.start + row * plane.stride) // 8
        line = np.unpackbits(data[begin : begin + (int(places[-1]) + bits + 7) // 8])
        for bit in range(bits):
            found[row] |= line[places + bit].astype(np.uint16) << (bits - 1 - bit)
    return found


def _matrix(item: Item) -> tuple[int, bool]:
    """The matrix's number, and whether samples use their full range. Where nothing says, libheif's guess is used."""
    for name, content in item.properties:
        if name == b"colr" and content[:4] == b"nclx" and len(content) >= 11:
            return int.from_bytes(content[8:10], "big"), bool(content[10] & 0x80)
    return 6, True


def _channels(layout: Layout, planes: list[Array], matrix: tuple[int, bool]) -> Array:
    by_kind = {each.kind: (each.bits, plane) for each, plane in zip(layout.components, planes, strict=True)}
    unlike = (boxes.PADDING, boxes.BLUE_DIFFERENCE, boxes.RED_DIFFERENCE)
    full = {kind: _full_range(plane, bits) for kind, (bits, plane) in by_kind.items() if kind not in unlike}
    if boxes.RED in full:
        colours = [full[each] for each in (boxes.RED, boxes.GREEN, boxes.BLUE)]
    elif boxes.BLUE_DIFFERENCE in by_kind:
        across, down = layout.sampling
        shared = [by_kind[each] for each in (boxes.BLUE_DIFFERENCE, boxes.RED_DIFFERENCE)]
        blue, red = ((bits, plane.repeat(down, axis=0).repeat(across, axis=1)) for bits, plane in shared)
        colours = _rgb(by_kind[boxes.LUMA], blue, red, matrix)
    else:
        colours = [full[boxes.MONO] if boxes.MONO in full else full[boxes.LUMA]]
    alpha = [full[boxes.ALPHA]] if boxes.ALPHA in full else []
    return np.stack([*colours, *alpha], axis=-1)


def _full_range(plane: Array, bits: int) -> Array:
    """Samples scaled to 0..65535. 8-bit samples are multiplied by 257, so that they can be told from true 16-bit
    ones."""
    scaled: Array = (plane.astype(np.uint32) * 65535 + (1 << bits >> 1) - 1) // ((1 << bits) - 1)
    return scaled.astype(np.uint16)


_Stored = tuple[int, Array]  # bits a sample, samples


def _rgb(luma: _Stored, blue: _Stored, red: _Stored, matrix: tuple[int, bool]) -> list[Array]:
    """RGB from YCbCr (ITU-T H.273, 8.3). The identity matrix stores green, blue, red."""
    number, full = matrix
    if number == 0:
        return [_full_range(plane, bits) for bits, plane in (red, luma, blue)]
    red_share, blue_share = _LUMA_SHARES.get(number, _USUAL_SHARES)
    light, b, r = _unit(luma, 0, full), _unit(blue, 128, full), _unit(red, 128, full)
    red_light = light + np.float32(2 - 2 * red_share) * r
    blue_light = light + np.float32(2 - 2 * blue_share) * b
    green = (light - red_share * red_light - blue_share * blue_light) / np.float32(1 - red_share - blue_share)
    return [np.asarray(np.clip(each * 65535 + 0.5, 0, 65535), np.uint16) for each in (red_light, green, blue_light)]


def _unit(stored: _Stored, middle: int, full: bool) -> Array:
    """Samples as float32 from 0 to 1, or from -0.5 to 0.5 around ``middle`` (in 8 bits)."""
    bits, plane = stored
    whole = np.float32(2.0 ** (bits - 8))  # one step of 8 bits
    zero = middle * whole if full or middle else 16 * whole
    span = np.float32((1 << bits) - 1) if full else (224 if middle else 219) * whole
    found: Array = (plane.astype(np.float32) - zero) / span
    return found
