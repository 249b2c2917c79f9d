"""Full-size images that browsers cannot show as they lie on the disk: a JPEG is made on request."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from typing import BinaryIO, cast

from flask import Blueprint, Response, current_app, redirect, request
from flask.typing import ResponseReturnValue

from imgsearch.errors import MediaError
from imgsearch.media.containers.header import read_at
from imgsearch.media.containers.reading import read_header
from imgsearch.media.decode_pool import HardenedPool
from imgsearch.media.decode_pool.jobs import Job
from imgsearch.media.limits import read_jpeg_layout
from imgsearch.media.rendition import LONGEST, RECIPE
from imgsearch.media.sniff import Kind, sniff
from imgsearch.media.source import ContentChanged
from imgsearch.storage.caches.file_cache import FileCache
from imgsearch.storage.reads.gallery import ImageDetails
from web.http.context import current_config, current_service, rooted
from web.http.routes.images import BROWSER_TYPES, first_that_is_true, reason_of
from web.http.routes.pictures import find_picture
from web.problems import Gone, Overloaded

blueprint = Blueprint("renditions", __name__, url_prefix="/api/v1/pictures")

_RENDITIONS = "imgsearch.renditions"
_TASK = "imgsearch.media.rendition:rendition_task"
_FOLDER = "full"  # below the thumbnails, whose budget does not count it
_TIME_LIMIT_S = 20.0
"""For one image; six times that for one that takes much memory. 48 megapixels of HEIC take 4 s."""

_AT_ONCE = 2
_WAIT_S = 30.0
_ASK_AGAIN = "private, no-cache"


class Renditions:
    """Renditions of one app's library: kept ones, and new ones made in processes that a hostile file cannot harm."""

    def __init__(self, cache: FileCache, at_once: int = _AT_ONCE) -> None:
        self._cache = cache
        self._turns = threading.BoundedSemaphore(at_once)

    def of(self, picture: ImageDetails) -> bytes:
        """The JPEG. Raises MediaError if none can be made, Gone if no file holds the image any more, Overloaded while
        others are being made."""
        key = f"{picture.record.facts.shown_key}-{RECIPE}"
        kept = self._kept(key)
        if kept is not None:
            return kept
        if not self._turns.acquire(timeout=_WAIT_S):
            raise Overloaded("too many pictures in full size are being made at once", retry_after_s=5)
        try:
            kept = self._kept(key)  # another request may have made it in the meantime
            if kept is None:
                kept = _made(picture)
                self._cache.write(key, kept)
            return kept
        finally:
            self._turns.release()

    def _kept(self, key: str) -> bytes | None:
        content = self._cache.read(key)
        if content is not None and not (content.startswith(b"\xff\xd8") and content.endswith(b"\xff\xd9")):
            self._cache.drop(key)  # torn by a power cut
            return None
        return content


@blueprint.get("/<int:image_id>/full")
def show_full(image_id: int) -> ResponseReturnValue:
    """The image in full size as every browser shows it: the original if browsers show it, else a JPEG made from it."""
    picture = find_picture(image_id)
    if _browsers_show(picture):
        onward = redirect(rooted(f"/api/v1/pictures/{image_id}/original"), 307)
        onward.headers["Vary"] = "Accept"
        return onward
    answer = Response(mimetype="image/jpeg")
    answer.headers["Vary"] = "Accept"
    answer.set_etag(f"{picture.record.facts.shown_key}-full-{RECIPE}")
    answer.headers["Cache-Control"] = _ASK_AGAIN
    answer.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    if not request.if_none_match.contains(answer.get_etag()[0] or ""):
        answer.set_data(_renditions().of(picture))
    return answer.make_conditional(request)


def _browsers_show(picture: ImageDetails) -> bool:
    """Decided by the first file that still holds it. A file that only a sidecar turns is not shown upright by
    itself."""
    facts = picture.record.facts
    if facts.told_orientation or facts.format not in (*BROWSER_TYPES, "MPO"):
        return False
    with contextlib.ExitStack() as held:
        try:
            source = first_that_is_true(picture, held)[1]
        except Gone:
            return False  # a kept rendition may still do
        kind = sniff(source.head, source.name)
        usual = _USUAL.get(kind.format)
        return kind.format in BROWSER_TYPES and (usual is None or usual(source.stream, kind))


def _is_usual_jpeg(stream: BinaryIO, _: Kind) -> bool:
    """Whether it has 8 bits, and is baseline, extended or progressive: no browser reads what is lossless, coded
    arithmetically or hierarchical."""
    layout = read_jpeg_layout(stream)
    return layout.depth in (0, 8) and layout.marker in (0, 0xC0, 0xC1, 0xC2)


def _is_usual_bmp(stream: BinaryIO, _: Kind) -> bool:
    """Whether it is a bitmap of Windows without compression, or with plain masks; others are shown by some browsers."""
    head = read_at(stream, 0, 34)
    size, depth, method = (int.from_bytes(head[at : at + n], "little") for at, n in ((14, 4), (28, 2), (30, 4)))
    return head[:2] == b"BM" and size in (40, 52, 56, 108, 124) and depth in (1, 4, 8, 16, 24, 32) and method in (0, 3)


def _is_usual_avif(stream: BinaryIO, kind: Kind) -> bool:
    """Whether it has 8 bits and no brightness beyond a screen's (PQ, HLG), and this client says that it shows AVIF."""
    if "image/avif" not in request.headers.get("Accept", ""):
        return False
    try:
        header = read_header(stream, kind)
    except MediaError:
        return False
    return header.depth <= 8 and (header.cicp is None or header.cicp[1] not in _HDR_TRANSFERS)


_HDR_TRANSFERS = (16, 18)  # PQ and HLG (ITU-T H.273)
_USUAL: dict[str, Callable[[BinaryIO, Kind], bool]] = {
    "JPEG": _is_usual_jpeg,
    "BMP": _is_usual_bmp,
    "AVIF": _is_usual_avif,
}
"""Formats of which browsers show only some files."""


def _made(picture: ImageDetails) -> bytes:
    """Made from the first file that still holds the image. Raises Gone, MediaError."""
    facts, reason = picture.record.facts, ""
    failed: MediaError | None = None
    with HardenedPool(_TASK, {"longest": LONGEST}, workers=1, ahead=1, time_limit_s=_TIME_LIMIT_S) as pool:
        for place in picture.places:
            job = Job([os.fspath(place.path), facts.content_hash, facts.told_orientation], place.size_bytes)
            _, outcome = next(iter(pool.run([job])))
            if not isinstance(outcome, MediaError):
                return outcome.body
            if not isinstance(outcome, ContentChanged) and outcome.stage not in ("read", "walk"):
                failed = failed or outcome
            reason = reason or reason_of(place, outcome)
    if failed is not None:
        raise MediaError(f"the picture cannot be shown in full size: {failed.message}", stage=failed.stage) from failed
    raise Gone(f"the picture cannot be shown: {reason}", "`imgsearch index` brings the library up to date")


def _renditions() -> Renditions:
    found = current_app.extensions.get(_RENDITIONS)
    if found is None:
        folder = current_service().store.layout.thumbs / _FOLDER
        cache = FileCache(folder, ".jpg", current_config().renditions_bytes)
        found = current_app.extensions.setdefault(_RENDITIONS, Renditions(cache))
    return cast(Renditions, found)
