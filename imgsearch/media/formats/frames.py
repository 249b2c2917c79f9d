"""All images of a file, one after another, each decoded in full.

`open_frames` chooses how each format is read: a stream of its own for the images of an MPO, the offset of its directory
for a page, Pillow's `seek` for a frame, libheif for a collection.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol, cast

import numpy as np
from PIL import Image, ImageFile

from imgsearch.errors import MediaError
from imgsearch.media.colour.profile import profile_name
from imgsearch.media.colour.rows import ArrayRows, GreyPairRows, PillowRows, SampleRows
from imgsearch.media.containers import jpeg, plain
from imgsearch.media.containers.header import Header, load_exif_from
from imgsearch.media.containers.tiff import pages as tiff
from imgsearch.media.containers.tiff.directories import Directory, at_directory
from imgsearch.media.formats import deep
from imgsearch.media.limits import DecodeLimits, check_memory, read_jpeg_layout
from imgsearch.media.metadata.exif import exif_of, orientation_of
from imgsearch.media.opening import open_image, register_format
from imgsearch.media.sniff import Kind

TOO_DEEP = "samples of more than 8 bits"


@dataclass(frozen=True, slots=True)
class Frame:
    """One decoded image. ``duration`` is in milliseconds and only set for animations. ``depth`` is set if it is not the
    samples' own. ``lost`` says in words what could not be read."""

    rows: SampleRows
    profile: str
    duration: int = 0
    depth: int = 0
    lost: str = ""


@dataclass(frozen=True, slots=True)
class Opened:
    """A file with its headers, ready for reading. ``profile`` is the colour space of the main image."""

    stream: BinaryIO
    kind: Kind
    size_bytes: int
    header: Header
    profile: str
    limits: DecodeLimits

    def open(self, stream: BinaryIO | None = None) -> ImageFile.ImageFile:
        """Open the file, or one stream inside it, with its plugin. Its memory is checked when it is loaded."""
        image = open_image(stream or self.stream, self.kind, self.size_bytes, self.limits)
        assert isinstance(image, ImageFile.ImageFile)
        return image

    def check(self, mode: str, size: tuple[int, int], extra_bytes: int = 0) -> None:
        """Raises TooMuchMemory."""
        check_memory(
            self.kind.format, mode, size, size_bytes=self.size_bytes, extra_bytes=extra_bytes, limits=self.limits
        )


class Frames(Protocol):
    """The images of an opened file in their order."""

    count: int
    main: int

    def read(self, place: int) -> Frame:
        """Decode the image at ``place``. Reading in order is fastest. Raises MediaError, or whatever a codec raises."""


@contextmanager
def open_frames(file: Opened) -> Iterator[Frames]:
    """The images of a file. Raises MediaError if it cannot be opened."""
    name = file.kind.format
    if name == "TIFF":
        yield _TiffFrames(file)
    elif name == "JPEG":
        yield _JpegFrames(file)
    elif name == "PPM":
        yield _PnmFrames(file)
    elif name == "HEIF":
        yield _HeifFrames(file)
    else:
        with file.open() as image:
            yield _IconFrames(file, image) if name == "ICO" else _Frames(file, image)


class _Frames:
    """The frames of one Pillow image, or its only one."""

    def __init__(self, file: Opened, image: ImageFile.ImageFile) -> None:
        self._file, self._image = file, image
        counts = file.kind.format in ("PNG", "WEBP", "AVIF")  # for other formats Pillow reads every frame to count them
        self.count = int(getattr(image, "n_frames", 1)) if counts else file.header.images
        self.main = 0
        told, opened = file.header.extent, image.size
        file.header.extent = max(told[0], opened[0]), max(told[1], opened[1])

    def read(self, place: int) -> Frame:
        file, image, deep_file = self._file, self._image, self._file.header.depth > 8
        size = file.header.extent
        if self.count > 1:
            image.seek(place)
        if deep_file and file.kind.format == "PNG" and self.count == 1:
            file.check("RGBA", size, 4 * size[0] * size[1])
            return read_deep_png(image, file)
        file.check(image.mode if self.count == 1 else "RGBA", size)
        image.load()
        lost = TOO_DEEP if deep_file and (self.count > 1 or not image.mode.startswith("I")) else ""
        duration = round(float(image.info.get("duration") or 0))
        return Frame(PillowRows(image, _orientation_of(image)), file.profile, duration, file.header.depth, lost)


def read_deep_png(image: ImageFile.ImageFile, file: Opened) -> Frame:
    """A still 16-bit PNG."""
    key = image.info.get("transparency")
    if image.mode == "I;16":
        image.load()
        return Frame(
            PillowRows(image, _orientation_of(image), key=(key,) if isinstance(key, int) else ()), file.profile
        )
    if deep.take_both_bytes(image):
        image.load()
        return Frame(GreyPairRows(image, _orientation_of(image)), file.profile)
    low = file.open()
    if not (deep.take_low_bytes(low) and deep.take_high_bytes(image)):
        return Frame(PillowRows(_loaded(image)), file.profile, lost=TOO_DEEP)
    low.load()
    image.load()
    return Frame(PillowRows(image, _orientation_of(image), low, key if isinstance(key, tuple) else ()), file.profile)


class _JpegFrames:
    """The images of a JPEG or MPO, each a JPEG of its own."""

    def __init__(self, file: Opened) -> None:
        self._file = file
        self.count, self.main = file.header.images, 0

    def read(self, place: int) -> Frame:
        file, parts = self._file, self._file.header.parts
        if place >= len(parts):
            raise MediaError("it is not read", stage="decode")
        stream, profile = file.stream, file.profile
        if place:
            stream = _part(file, place)
            segments = jpeg.read_segments(stream)
            profile = profile_name(segments.profile, None, "CMYK" if segments.channels == 4 else "RGB")
        with file.open(stream) as image:
            layout = read_jpeg_layout(stream)
            if parts[place].length < layout.least_bytes:
                raise MediaError("it is cut off", stage="decode")
            file.check(image.mode, image.size, layout.coefficient_bytes)
            image.load()
            return Frame(PillowRows(image, _orientation_of(image)), profile)


class _PnmFrames:
    """The images of a PBM, PGM or PPM."""

    def __init__(self, file: Opened) -> None:
        self._file, self._found = file, plain.read_pnms(file.stream)
        self.count, self.main = len(self._found), 0

    def read(self, place: int) -> Frame:
        file, found = self._file, self._found[place]
        file.check("RGBA", (found.width, found.height), 10 * found.width * found.height if found.highest > 255 else 0)
        if found.highest > 255 and found.kind in (5, 6):
            return Frame(ArrayRows(deep.read_pnm(file.stream, found)), file.profile, depth=file.header.depth)
        with file.open(_part(file, place)) as image:
            image.load()
            if found.highest > 255 and image.mode == "I":
                return Frame(ArrayRows(deep.grey_of(image)), file.profile, depth=file.header.depth)
            return Frame(PillowRows(image), file.profile, lost=TOO_DEEP if found.highest > 255 else "")


class _IconFrames:
    """The sizes of an icon in Pillow's order, the largest first."""

    def __init__(self, file: Opened, image: ImageFile.ImageFile) -> None:
        for icon in plain.read_icons(file.stream):  # Pillow decodes some of them as soon as they are selected
            file.check("RGBA", (icon.width, icon.height))
        self._file, self._icons = file, cast(Any, image).ico
        self.count, self.main = file.header.images, 0

    def read(self, place: int) -> Frame:
        icon: Image.Image = self._icons.frame(place)
        is_deep = any(";16" in str(tile.args) for tile in getattr(icon, "tile", ()))
        return Frame(PillowRows(_loaded(icon)), self._file.profile, lost=TOO_DEEP if is_deep else "")


class _HeifFrames:
    """The images of a HEIC collection. libheif turns and crops them, and gives more than 8 bits as 16."""

    def __init__(self, file: Opened) -> None:
        import pillow_heif

        register_format("HEIF")
        file.check("RGB", file.header.extent)
        file.stream.seek(0)
        self._file, self._found = file, pillow_heif.open_heif(file.stream, convert_hdr_to_8bit=False)
        self.count, self.main = max(len(self._found), file.header.images), int(self._found.primary_index)

    def read(self, place: int) -> Frame:
        file = self._file
        if place >= len(self._found):
            raise MediaError("frames of a sequence are not read", stage="decode")
        image = self._found[place]
        width, height = image.size
        file.check("RGBA", (width, height), 4 * width * height if ";16" in image.mode else 0)
        samples = np.asarray(image)[:, :width]
        profile = (
            file.profile if place == self.main else profile_name(image.info.get("icc_profile") or b"", None, "RGB")
        )
        premultiplied = " premultiplied" if image.premultiplied_alpha else ""
        return Frame(ArrayRows(samples, "RGB" + premultiplied), profile, depth=int(image.info["bit_depth"]))


class _TiffFrames:
    """The pages of a TIFF, each opened at its own directory. Pillow turns them upright when it loads them."""

    def __init__(self, file: Opened) -> None:
        pages = tiff.read_pages(file.stream)
        if pages is None:
            raise MediaError("the TIFF picture has no directory that can be read", stage="open")
        self._file, self._pages = file, pages
        self.count, self.main = len(pages.pages), pages.main

    def read(self, place: int) -> Frame:
        file, page = self._file, self._pages.pages[place]
        profile = file.profile if place == self.main else profile_name(page.icc, None, page.space)
        with self._open(page) as image:
            width, height = image.size
            is_deep = page.bits > 8 and image.mode in ("RGB", "RGBA", "CMYK")
            file.check(image.mode, image.size, width * height * (12 if is_deep else 8))
            apart, lost = _apart(page), "channels that are neither colour nor transparency" * bool(page.unseen_channels)
            low = None
            if is_deep:
                apart += " premultiplied" if deep.is_premultiplied(image) else ""
                low = self._open(page)
                if page.planar or page.bits != 16 or not (deep.take_high_bytes(image) and deep.take_low_bytes(low)):
                    low, lost = None, TOO_DEEP
            for half in (image, low):
                if half is not None:
                    half.load()
            inverted = page.photometric == 0 and image.mode not in ("1", "L")  # Pillow inverts only these modes
            rows = PillowRows(image, self._orientation(page), low, inverted=inverted, apart=apart)
            return Frame(rows, profile, depth=page.depth, lost=lost)

    def _open(self, page: Directory) -> ImageFile.ImageFile:
        stream = self._file.stream
        return self._file.open(stream if page is self._pages.first else at_directory(stream, page.offset))

    def _orientation(self, page: Directory) -> int:
        """The page's orientation. A full-size image without one takes that of its thumbnail."""
        first = self._pages.first
        if page is not self._pages.main_page or page.offset == first.offset or page.has_orientation:
            return 1
        return orientation_of(load_exif_from(at_directory(self._file.stream, first.offset)))


def _apart(page: Directory) -> str:
    """A name for samples whose numbers have an unusual meaning, so that they equal no others."""
    if page.sample_format == 2 or page.bits > 16:
        return f"{page.bits} bits, format {page.sample_format}"
    return f"{page.bits} bits" if 8 < page.bits < 16 else ""


def _part(file: Opened, place: int) -> BinaryIO:
    part = file.header.parts[place]
    file.stream.seek(part.offset)
    return io.BytesIO(file.stream.read(part.length))


def _orientation_of(image: Image.Image) -> int:
    return orientation_of(exif_of(image))


def _loaded(image: Image.Image) -> Image.Image:
    image.load()
    return image
