"""The images of a TIFF: its pages without thumbnails, masks and depth maps, and which of them is the main one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from imgsearch.media.containers.header import Header, load_exif_from
from imgsearch.media.containers.tiff.directories import Directory, DirectoryReader, at_directory

_LOSSY = frozenset({6, 7, 34712, 33003, 33005, 34892, 34933, 34934, 50001, 52546})


@dataclass(frozen=True, slots=True)
class Pages:
    """The images of a TIFF in file order. ``main`` is the index of the main one in ``pages``, ``first`` the file's
    first directory (the one that Pillow opens), ``raw`` whether it is a DNG."""

    pages: tuple[Directory, ...]
    main: int
    first: Directory
    raw: bool

    @property
    def main_page(self) -> Directory:
        return self.pages[self.main]


def read_pages(stream: BinaryIO) -> Pages | None:
    """All pages; None if the bytes are no readable TIFF. Reads only the directories: 40 us each."""
    reader = DirectoryReader.of(stream)
    if reader is None:
        return None
    chain = list(reader.chain())
    if not chain:
        return None
    pages: list[Directory] = []
    starts: list[int] = []
    for directory in chain:
        starts.append(len(pages))
        pages += _shown(reader, directory)
    first = chain[0]
    raw = first.is_dng
    if not pages:
        return Pages((first,), 0, first, raw)
    # An ordinary TIFF opens at its first page. If the first directory is no page, the largest page is the main one.
    stop = starts[1] if len(starts) > 1 else len(pages)
    choice = range(stop) if first.is_image else range(len(pages))
    return Pages(tuple(pages), max(choice, key=lambda at: pages[at].pixels), first, raw)


def main_page(stream: BinaryIO) -> Pages | None:
    """`read_pages` if the main image is not in the first directory. None for ordinary files, of which only the first
    directory is read."""
    return main_directory(stream)[1]


def main_directory(stream: BinaryIO) -> tuple[Directory | None, Pages | None]:
    """The directory of the main image, None if the bytes are no readable TIFF, and all pages if it is not the first."""
    reader = DirectoryReader.of(stream)
    first = None if reader is None else reader.read(reader.first)
    if reader is None or first is None:
        return None, None
    if first[0].is_image and not first[0].sub_directories:
        return first[0], None
    pages = read_pages(stream)
    if pages is None or pages.main_page.offset == pages.first.offset:
        return first[0], None
    return pages.main_page, pages


def read_header(stream: BinaryIO) -> tuple[Header, Pages]:
    """The header and all pages. Metadata are those of the main page, or else of the first directory. Raises ValueError
    for bytes that are no TIFF."""
    pages = read_pages(stream)
    if pages is None:
        raise ValueError("no directory")
    page, first = pages.main_page, pages.first
    header = Header(images=len(pages.pages), main=pages.main, depth=page.depth, raw=pages.raw, space=page.space)
    header.has_alpha = page.has_alpha
    header.lossless = page.compression not in _LOSSY
    header.icc = page.icc or first.icc
    header.extent = page.size
    header.exif = load_exif_from(at_directory(stream, page.offset))
    if page.offset != first.offset:  # cameras and scanners write metadata into the first directory, that of a thumbnail
        header.more_exif = load_exif_from(at_directory(stream, first.offset))
    header.xmp = page.xmp or first.xmp
    header.iptc = page.iptc or first.iptc
    return header, pages


def _shown(reader: DirectoryReader, directory: Directory) -> list[Directory]:
    """The images that a directory of the chain adds: itself, or the larger ones in its SubIFDs."""
    subs = [found[0] for offset in directory.sub_directories if (found := reader.read(offset)) is not None]
    masters = [sub for sub in subs if sub.is_image and sub.pixels > directory.pixels]
    if directory.is_image:
        return masters or [directory]
    return masters if directory.is_reduced else []
