"""Headers of HEIC, HEIF and AVIF: the images that are shown (not thumbnails, tiles, gain or depth maps), sequences and
videos."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO

from imgsearch.media.containers.boxes import file_boxes, find_box, inner_boxes, read_box
from imgsearch.media.containers.header import FilePart, Header, load_exif, stream_size, usual_depth
from imgsearch.media.containers.heif.items import ByteCursor, Item, Items, read_items

_IMAGES = frozenset(
    {b"hvc1", b"av01", b"avc1", b"vvc1", b"evc1", b"jpeg", b"j2k1", b"unci", b"mski", b"grid", b"iovl", b"iden"}
)
_SEQUENCE_BRANDS = frozenset({b"avis", b"msf1", b"hevc", b"hevx"})
_ALPHA = (b"alpha", b"auxid:1")
_PQ, _HLG = 16, 18
_MAX_BLOCKS = 64
_MONOCHROME = 0x10  # in the third byte of av1C


@dataclass(frozen=True, slots=True)
class Track:
    """One track of a movie box: the four letters of its handler, and its number of samples."""

    handler: bytes
    samples: int


def read_header(stream: BinaryIO) -> Header:
    """Read the boxes without the pixels. 0.2 ms. Raises ValueError if there is neither an image nor a sequence."""
    header, items, tracks, brands = Header(), Items(), list[Track](), set[bytes]()
    for box in file_boxes(stream, 0, stream_size(stream)):
        if box.name == b"ftyp":
            data = read_box(stream, box)
            brands = {data[at : at + 4] for at in (0, *range(8, len(data), 4))}
        elif box.name == b"meta":
            items = read_items(read_box(stream, box))
        elif box.name == b"moov":
            tracks = read_tracks(read_box(stream, box))
        elif box.name == b"mpvd":
            header.film = True
    shown = shown_items(items)
    frames = _count_frames(tracks, brands)
    if not shown and not frames:
        raise ValueError("no picture in it")
    is_sequence = bool(brands & _SEQUENCE_BRANDS)
    header.film = header.film or any(each.handler == b"soun" for each in tracks)
    header.film = header.film or (not is_sequence and any(each.handler == b"vide" for each in tracks))
    header.images = max(len(shown), frames)
    header.main = shown.index(items.primary) if items.primary in shown and frames <= len(shown) else 0
    header.has_alpha = any(each.handler == b"auxv" for each in tracks)
    primary = items.by_number.get(items.primary)
    if primary is not None:
        _describe(header, items, primary)
    _read_metadata(header, stream, items)
    return header


def shown_items(items: Items) -> list[int]:
    """The images that a viewer lists, in file order, without hidden ones, thumbnails, tiles and gain maps."""
    skipped = items.sources(b"thmb") | items.sources(b"auxl")
    for kind, source, targets in items.references:
        item = items.by_number.get(source)
        if kind == b"dimg" and item is not None:  # the first input of a tone map (tmap) is the image itself
            skipped |= set(targets[1:] if item.kind == b"tmap" else targets)
    return [
        number
        for number, item in items.by_number.items()
        if number == items.primary or (item.kind in _IMAGES and not item.hidden and number not in skipped)
    ]


def read_tracks(moov: bytes) -> list[Track]:
    """The tracks of a movie box."""
    tracks = []
    for box in inner_boxes(moov):
        if box.name != b"trak":
            continue
        media = find_box(moov[box.start : box.end], (b"mdia",))
        handler = find_box(media, (b"hdlr",))[8:12]
        sizes = find_box(media, (b"minf", b"stbl", b"stsz"))
        tracks.append(Track(handler, int.from_bytes(sizes[8:12], "big")))
    return tracks


def _count_frames(tracks: list[Track], brands: set[bytes]) -> int:
    """The number of frames in an image sequence. Some AVIF writers call its handler `vide`."""
    handlers = (b"pict", b"vide") if brands & _SEQUENCE_BRANDS else (b"pict",)
    return max((each.samples for each in tracks if each.handler in handlers), default=0)


def _describe(header: Header, items: Items, primary: Item) -> None:
    tiles = [items.by_number[at] for at in items.targets(b"dimg", primary.number) if at in items.by_number]
    header.depth = next((depth for item in (primary, *tiles[:1]) if (depth := _depth(item))), 8)
    cursor = ByteCursor(primary.property(b"ispe"), 4)
    header.extent = cursor.take(4), cursor.take(4)
    maps: list[int] = []
    for number in sorted(items.sources(b"auxl", primary.number)):
        auxiliary = items.by_number.get(number)
        if auxiliary is not None and any(name in auxiliary.property(b"auxC") for name in _ALPHA):
            header.has_alpha = True
        else:
            header.maps += 1
            maps.append(number)
    for item in items.by_number.values():
        if item.kind == b"tmap":
            header.maps += 1
            maps += [item.number, *items.targets(b"dimg", item.number)[1:]]
    header.map_parts = _parts_of(items, dict.fromkeys(each for each in maps if each in items.by_number))
    for name, content in [*primary.properties, *(each for tile in tiles[:1] for each in tile.properties)]:
        if name != b"colr":
            continue
        if content[:4] in (b"prof", b"rICC"):
            header.icc = header.icc or content[4:]
        elif content[:4] == b"nclx" and header.cicp is None:
            header.cicp = int.from_bytes(content[4:6], "big"), int.from_bytes(content[6:8], "big")
    if header.icc and header.cicp is not None and header.cicp[1] not in (_PQ, _HLG):
        header.cicp = None  # the profile is more exact
    pixi = primary.property(b"pixi")
    if pixi[4:5] == b"\1" or (primary.kind == b"av01" and _is_monochrome(primary)):
        header.space = "GRAY"


def _parts_of(items: Items, numbers: Iterable[int]) -> list[FilePart]:
    """Where the bytes of these items, or of their tiles, lie; empty if one of them is not in the file itself."""
    parts: list[FilePart] = []
    for number in numbers:
        is_grid = items.by_number[number].kind == b"grid"
        for each in items.targets(b"dimg", number) if is_grid else (number,):
            extents = items.by_number[each].extents if each in items.by_number else []
            if not extents or any(local for local, _, _ in extents):
                return []
            parts += [FilePart(offset, length) for _, offset, length in extents]
    return parts


def _depth(item: Item) -> int:
    """Bits a sample, from the pixel information or else from the codec's configuration."""
    pixi = item.property(b"pixi")
    if len(pixi) > 5:
        return usual_depth(max(pixi[5 : 5 + pixi[4]]) or 8)
    if len(hevc := item.property(b"hvcC")) > 17:
        return usual_depth((hevc[17] & 7) + 8)
    if len(av1 := item.property(b"av1C")) > 2:
        return (12 if av1[2] & 0x20 else 10) if av1[2] & 0x40 else 8
    return 0


def _is_monochrome(item: Item) -> bool:
    av1 = item.property(b"av1C")
    return len(av1) > 2 and bool(av1[2] & _MONOCHROME)


def _read_metadata(header: Header, stream: BinaryIO, items: Items) -> None:
    """Read EXIF and XMP that describe the primary image, or no image in particular."""
    told = [item for item in items.by_number.values() if item.kind in (b"Exif", b"mime")]
    for item in told[:_MAX_BLOCKS]:
        targets = items.targets(b"cdsc", item.number)
        if targets and items.primary not in targets:
            continue
        if item.kind == b"Exif" and not len(header.exif):
            data = items.content(stream, item)
            header.exif = load_exif(data[4 + int.from_bytes(data[:4], "big") :])
        elif item.kind == b"mime" and item.content_type == b"application/rdf+xml" and not header.xmp:
            header.xmp = items.content(stream, item)
