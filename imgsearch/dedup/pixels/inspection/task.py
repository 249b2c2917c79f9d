"""Dedup's tasks in the hardened pool's workers: traits, samples, and a closer look at two files."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from imgsearch.dedup.pixels.inspection.cells import cell_means
from imgsearch.dedup.pixels.inspection.detail import detail_strength
from imgsearch.dedup.pixels.inspection.grain import ANOTHER_GRAIN, PERHAPS_ANOTHER_SHOT, is_another_grain
from imgsearch.dedup.pixels.inspection.judge import OTHER_DRAWING, Inspection, inspect_pictures
from imgsearch.dedup.pixels.inspection.picture import InspectedImage
from imgsearch.dedup.pixels.inspection.planes import common_size
from imgsearch.dedup.pixels.inspection.saved_again import MOST_UNEXPLAINED, share_unexplained, was_made_of
from imgsearch.errors import MediaError
from imgsearch.media.containers.header import load_exif_from
from imgsearch.media.containers.tiff.directories import at_directory
from imgsearch.media.containers.tiff.pages import main_page
from imgsearch.media.decode import open_upright
from imgsearch.media.decode_pool.batches import call_all
from imgsearch.media.limits import DecodeLimits, TooMuchMemory
from imgsearch.media.metadata.exif import exif_of, orientation_of
from imgsearch.media.opening import decoding, open_image, readable_kind, translated
from imgsearch.media.orientation import orient_image
from imgsearch.media.samples.whole import FileTraits, describe_and_read, describe_file
from imgsearch.media.signature import INVERSE_ORIENTATION
from imgsearch.media.source import open_source
from imgsearch.records import UInt8

Answer = tuple[dict[str, Any], bytes]

_FULL = 1 << 24  # pixels a side, more than any image has: decode at full size
_STRONGER, _NO_DETAIL, _NOT_COMPRESSED = 1.4, 0.2, 0.8
_TRANSPARENCY = 24.0  # of 255, over 3 x 3 pixels, by which the transparency of two copies may differ


def answer(arguments: list[Any], settings: dict[str, Any], limits: DecodeLimits) -> Answer:
    """["describe", "samples", "inspect" or "cells", its arguments] -> its answer, so that one process does all."""
    task, given = arguments
    return _TASKS[task](given, settings, limits)


def describe(arguments: list[Any], settings: dict[str, Any], limits: DecodeLimits) -> Answer:
    """[[path, sha256, bytes, mtime in ns], ...] -> `FileTraits` of each (`several`). The content is hashed only if size
    or time differ. Raises MediaError, ContentChanged."""
    return call_all(lambda file, limits: (describe_indexed(file, limits).to_json(), b""), arguments, limits)


def samples(arguments: list[Any], settings: dict[str, Any], limits: DecodeLimits) -> Answer:
    """[[path, sha256], ...] -> {"samples": `Samples`, "traits": `FileTraits` or None} of each (`several`), the digests
    in the body. Raises MediaError."""
    return call_all(_samples, arguments, limits)


def inspect(arguments: list[Any], settings: dict[str, Any], limits: DecodeLimits) -> Answer:
    """[[[path, sha256, bytes, has alpha], the same of the second, orientation, levels move], ...] -> `Inspection` of
    each (`several`). Both are decoded at full size, once for pairs that follow each other; but one only if it is a
    drawing and levels are known to move (`dedup.tiers.moved_levels`). Raises MediaError, whose message begins with the
    path at fault."""
    held = _OpenImages()
    return call_all(lambda pair, limits: (inspect_pair(pair, limits, held).to_json(), b""), arguments, limits)


def cells(arguments: list[Any], settings: dict[str, Any], limits: DecodeLimits) -> Answer:
    """[[path, sha256, cells across, down], ...] -> {} of each (`several`), `cell_means` of its upright picture, float32
    row by row, in the body. Raises MediaError."""
    return call_all(_cells, arguments, limits)


def _cells(arguments: list[Any], limits: DecodeLimits) -> Answer:
    path, content_hash, across, down = arguments
    image = open_upright(path, _FULL, limits=limits, content_hash=content_hash)
    return {}, cell_means(image, (across, down)).tobytes()


_TASKS = {"describe": describe, "samples": samples, "inspect": inspect, "cells": cells}


def describe_indexed(arguments: list[Any], limits: DecodeLimits) -> FileTraits:
    """One of `describe`'s files."""
    path, content_hash, *indexed = arguments
    with translated("read"):
        try:
            status = Path(path).stat()
            changed = [status.st_size, status.st_mtime_ns] != indexed
        except OSError:
            changed = True  # the reader says why
    return describe_file(path, content_hash=content_hash if changed else None, limits=limits)


def _samples(arguments: list[Any], limits: DecodeLimits) -> Answer:
    path, content_hash = arguments
    traits, read = describe_and_read(path, content_hash=content_hash, limits=limits)
    found = asdict(read)
    digest = found.pop("digest")
    found.pop("main_digest")
    return {"samples": found, "traits": None if traits is None else traits.to_json()}, digest


class _OpenImages:
    """The two images of the last look: one of them is often in the next."""

    def __init__(self) -> None:
        self._pictures: dict[tuple[str, str], InspectedImage] = {}

    def put_away(self, wanted: Collection[tuple[str, str]]) -> None:
        """Drop all but these, before another is decoded."""
        self._pictures = {key: picture for key, picture in self._pictures.items() if key in wanted}

    def at_hand_first(self, wanted: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        """The same, those that are held before the others."""
        return sorted(wanted, key=lambda key: key not in self._pictures)

    def opened(self, path: str, digest: str, limits: DecodeLimits) -> InspectedImage:
        if (path, digest) not in self._pictures:
            with _naming(path):
                image = open_upright(path, _FULL, limits=limits, content_hash=digest)
            self._pictures[path, digest] = InspectedImage(image)
        return self._pictures[path, digest]


def inspect_pair(arguments: list[Any], limits: DecodeLimits, held: _OpenImages | None = None) -> Inspection:
    """One of `inspect`'s pairs."""
    (path, digest, size, clear), (other_path, other_digest, other_size, other_clear), orientation, moves = arguments
    held = held or _OpenImages()
    both = (path, digest), (other_path, other_digest)
    held.put_away(both)
    if moves and any(held.opened(*key, limits).has_areas for key in held.at_hand_first(both)):
        return Inspection(False, 0.0, OTHER_DRAWING)
    first = held.opened(path, digest, limits)
    second = held.opened(other_path, other_digest, limits).turned(orientation)
    found = inspect_pictures(first, second, turned=orientation != 1)
    if found.same and not found.altered and orientation == 1:
        steps: Sequence[int] = ()
        turned = 1
        if first.size == second.size:
            gentle, harsh, harsh_path = (first, second, other_path) if size > other_size else (second, first, path)
            steps, turned = _steps_of_jpeg(harsh_path, limits)
        found = _unless_another_shot(found, (first, second), sum(steps))
    if found.same and not found.altered and orientation == 1 and first.size == second.size:
        found = _unless_softened(found, (first, size), (second, other_size))
        if steps:
            found = _unless_saved_again(found, _as_stored(gentle, turned), _as_stored(harsh, turned), steps)
    if found.same and clear and other_clear:
        found = _with_transparency(found, _alpha(path, limits), orient_image(_alpha(other_path, limits), orientation))
    return found


def _unless_saved_again(found: Inspection, gentle: UInt8, harsh: UInt8, steps: Sequence[int]) -> Inspection:
    """``harsh``: lightness of the smaller file, a JPEG, as stored; ``gentle``: of the larger one. If the larger one was
    made from the smaller, or neither from the other, neither counts as a mere copy."""
    if share_unexplained(gentle, harsh, steps) > MOST_UNEXPLAINED:
        return replace(found, why=PERHAPS_ANOTHER_SHOT, altered=True)
    if was_made_of(gentle, steps):
        return replace(found, why="the larger file was made of the smaller one", altered=True)
    return found


def _as_stored(picture: InspectedImage, orientation: int) -> UInt8:
    """Its lightness before a file with that EXIF orientation was turned upright."""
    if orientation == 1:
        return picture.luma
    return np.asarray(orient_image(Image.fromarray(picture.luma), INVERSE_ORIENTATION[orientation]))


def _steps_of_jpeg(path: str, limits: DecodeLimits) -> tuple[Sequence[int], int]:
    """The 64 steps of a JPEG's lightness, none of another file, and the EXIF orientation."""
    with translated("read"), open_source(os.fspath(path), limits) as source:
        kind = readable_kind(source.head, source.name)
        if kind.format != "JPEG":
            return (), 1
        with open_image(source.stream, kind, source.size_bytes, limits) as image:
            return tuple(getattr(image, "quantization", {}).get(0, ())), orientation_of(exif_of(image))


def _unless_another_shot(found: Inspection, two: tuple[InspectedImage, InspectedImage], steps: int) -> Inspection:
    """Rejected if the two differ in their grain; a drawing has none."""
    first, second = two
    if first.is_drawn or second.is_drawn:
        return found
    size = common_size(first.size, second.size)
    if not is_another_grain(first.planes(size), second.planes(size), steps):
        return found
    return Inspection(False, 0.0, ANOTHER_GRAIN, difference=found.difference)


def _unless_softened(
    found: Inspection, first: tuple[InspectedImage, int], second: tuple[InspectedImage, int]
) -> Inspection:
    """Takes two images with the bytes of their files. If one has clearly less of the finest detail and is not much
    smaller, something other than compression removed it: noise reduction, or a blur."""
    strengths = [(detail_strength(np.asarray(picture.grey)), size) for picture, size in (first, second)]
    (weak, size), (strong, other_size) = sorted(strengths)
    if strong > _STRONGER * max(weak, _NO_DETAIL) and size > _NOT_COMPRESSED * other_size:
        return replace(found, why="softened", altered=True)
    return found


def _with_transparency(found: Inspection, first: Image.Image, second: Image.Image) -> Inspection:
    """Rejected unless the two are transparent at the same places. A file without any transparency is handled by its
    worth; a file with an unused alpha channel cannot be a transparent one saved again."""
    opaque = [picture.getextrema() == (255, 255) for picture in (first, second)]
    if all(opaque):
        return found
    if any(opaque):
        return Inspection(False, 0.0, "one of them alone has transparency", difference=found.difference)
    size = min(first.size, second.size, key=lambda each: each[0] * each[1])
    one, other = (
        np.asarray(each.resize(size, Image.Resampling.BOX).reduce(1 if min(size) < 12 else 3), np.float32)
        for each in (first, second)
    )
    if float(np.abs(one - other).max()) > _TRANSPARENCY:
        return Inspection(False, 0.0, "other transparency", difference=found.difference)
    return found


def _alpha(path: str, limits: DecodeLimits) -> Image.Image:
    """The upright alpha of the main image, mode L; 255 everywhere if it has none."""
    with _naming(path), translated("read"), open_source(os.fspath(path), limits) as source:
        kind = readable_kind(source.head, source.name)
        stream = source.stream
        pages = main_page(stream) if kind.format == "TIFF" else None
        if pages is not None:
            stream = at_directory(stream, pages.main_page.offset)
        with open_image(stream, kind, source.size_bytes, limits) as image, decoding(kind):
            image.load()  # before EXIF is read: a TIFF turns itself, and a PNG may have EXIF behind its pixels
            orientation = orientation_of(exif_of(image))
            if pages is not None and not pages.main_page.has_orientation:
                orientation = orientation_of(load_exif_from(at_directory(stream, pages.first.offset)))
            return orient_image(image.convert("RGBA").getchannel("A"), orientation)


@contextmanager
def _naming(path: str) -> Iterator[None]:
    """MediaErrors begin with the path at fault, because a look has two files."""
    try:
        yield
    except TooMuchMemory:
        raise
    except MediaError as error:
        raise MediaError(f"{path}: {error.message}", stage=error.stage, transient=error.transient) from error
