"""Image bytes: thumbnails made on first request, and originals as they lie on the disk. Only by id."""

from __future__ import annotations

import contextlib
import io
import os
import threading
import unicodedata
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from typing import IO, Any, BinaryIO, cast
from urllib.parse import quote

from flask import Blueprint, Response, current_app, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import RequestedRangeNotSatisfiable
from werkzeug.wsgi import wrap_file

from imgsearch.errors import MediaError, UsageError
from imgsearch.media.limits import LIMITS
from imgsearch.media.sniff import sniff
from imgsearch.media.source import OpenFile, open_source, read_known
from imgsearch.media.thumbnail import LONG_RECIPE, RECIPE, SIDES, is_long, make_thumbnail, side_of
from imgsearch.storage.caches.thumbnails import ThumbStore
from imgsearch.storage.reads.gallery import ImageDetails, ImagePlace
from web.http.answers import read_number, thumbnail_version
from web.http.context import current_config, current_service
from web.http.routes.pictures import find_picture, named_places
from web.problems import Gone, Overloaded, printable

blueprint = Blueprint("images", __name__, url_prefix="/api/v1/pictures")

_THUMBS = "imgsearch.thumbs"
_WAIT_S = 20.0
"""How long a thumbnail may wait for its turn: a page of 50 new ones takes 3 s of one core."""

_FOR_EVER = "private, max-age=31536000, immutable"
_ASK_AGAIN = "private, no-cache"
BROWSER_TYPES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "BMP": "image/bmp",
    "AVIF": "image/avif",
}
"""Types that every browser shows; anything else is a download without a type."""


class OpenFilePart(io.RawIOBase):
    """The bytes from ``first`` to before ``stop`` of an open file, as a file; ``closing`` is called at its end."""

    def __init__(self, stream: BinaryIO, first: int, stop: int, closing: Callable[[], None]) -> None:
        self._stream, self._first, self._stop, self._closing = stream, first, stop, closing
        stream.seek(first)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._stream.tell() - self._first

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        begin = {io.SEEK_SET: self._first, io.SEEK_CUR: self._stream.tell(), io.SEEK_END: self._stop}[whence]
        self._stream.seek(begin + offset)
        return self.tell()

    def readinto(self, buffer: Any) -> int:
        wanted = max(0, min(len(buffer), self._stop - self._stream.tell()))
        content = self._stream.read(wanted)
        buffer[: len(content)] = content
        return len(content)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._closing()


class Thumbnails:
    """Thumbnails of one app's library: kept ones, and new ones made a few at a time, each once."""

    def __init__(self, store: ThumbStore, at_once: int) -> None:
        self._store = store
        self._turns = threading.BoundedSemaphore(at_once)
        self._lock = threading.Lock()
        self._making: dict[tuple[str, str], Future[bytes]] = {}

    def of(self, picture: ImageDetails, size: str) -> bytes:
        """The WebP. Raises Gone if no file holds the image any more, Overloaded if too many are being made."""
        key = (_key_of(picture), size)
        kept = self._store.get(*key)
        if kept is not None:
            return kept
        with self._lock:
            other = self._making.get(key)
            if other is None:
                mine = self._making[key] = Future()
        if other is not None:
            return _awaited(other)
        try:
            mine.set_result(self._make(picture, size))
        except BaseException as error:  # noqa: BLE001  raised for whoever waits
            mine.set_exception(error)
        finally:
            with self._lock:
                del self._making[key]
        return mine.result()

    def _make(self, picture: ImageDetails, size: str) -> bytes:
        if not self._turns.acquire(timeout=_WAIT_S):
            raise _busy()
        try:
            content = _first_that_works(picture, size)
            self._store.put(_key_of(picture), size, content)
            return content
        finally:
            self._turns.release()


def _key_of(picture: ImageDetails) -> str:
    """Of an image's thumbnails among those of this recipe."""
    facts = picture.record.facts
    return f"{facts.shown_key}-long{LONG_RECIPE}" if is_long(facts.width, facts.height) else facts.shown_key


@blueprint.get("/<int:image_id>/thumbnail")
@blueprint.get("/<int:image_id>/thumbnail/<version>")
def show_thumbnail(image_id: int, version: str = "") -> ResponseReturnValue:
    """The image as a small WebP. Under its own version it may be kept for ever."""
    size = request.args.get("size", "small")
    if size not in SIDES:
        raise UsageError(f"got size={printable(size[:40])}, expected one of {', '.join(SIDES)}", "leave size out")
    picture = find_picture(image_id)
    answer = Response(mimetype="image/webp")
    answer.set_etag(f"{_key_of(picture)}-{size}-{RECIPE}")
    answer.headers["Cache-Control"] = _FOR_EVER if version == thumbnail_version(picture.record) else _ASK_AGAIN
    if not request.if_none_match.contains(answer.get_etag()[0] or ""):
        answer.set_data(_thumbnails().of(picture, size))
    return answer.make_conditional(request)


@blueprint.get("/<int:image_id>/original")
def show_original(image_id: int) -> ResponseReturnValue:
    """The file itself, byte for byte, or a range of it; as a download if a browser cannot show it or the request says
    so."""
    wants_download = bool(read_number(request.args, "download", 0, 0, 1))
    picture = find_picture(image_id)
    picture = replace(picture, places=named_places(picture, request.args.get("q", "")))
    with contextlib.ExitStack() as held:
        place, source = first_that_is_true(picture, held)
        kind = BROWSER_TYPES.get(sniff(source.head, source.name).format)
        answer = Response(mimetype=kind or "application/octet-stream")
        answer.set_etag(picture.record.facts.content_hash)
        answer.headers["Cache-Control"] = _ASK_AGAIN
        answer.headers["Content-Disposition"] = disposition(place.path.name, download=wants_download or kind is None)
        answer.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
        answer.headers["Accept-Ranges"] = "bytes"
        if request.if_none_match.contains(picture.record.facts.content_hash):
            answer.status_code = 304
            return answer
        first, stop = asked_range(answer, source.size_bytes)
        part = OpenFilePart(source.stream, first, stop, held.pop_all().close)
    # The server's own wrapper sends from the file: a client that reads slowly holds no worker.
    answer.response = wrap_file(request.environ, cast(IO[bytes], part), 1 << 16)
    answer.direct_passthrough = True
    answer.content_length = stop - first
    return answer


def asked_range(answer: Response, size_bytes: int) -> tuple[int, int]:
    """(first, stop) of the bytes to send; for one range a 206, for none or several the whole file (RFC 9110, 14.2).
    Raises RequestedRangeNotSatisfiable."""
    asked, version = request.range, request.headers.get("If-Range")
    single = asked is not None and asked.units == "bytes" and len(asked.ranges) == 1
    if asked is None or not single or (version is not None and version != answer.headers.get("ETag")):
        return 0, size_bytes
    found = asked.range_for_length(size_bytes)
    if found is None or found[0] is None or found[1] is None:
        raise RequestedRangeNotSatisfiable(size_bytes)
    answer.status_code = 206
    answer.headers["Content-Range"] = f"bytes {found[0]}-{found[1] - 1}/{size_bytes}"
    return found[0], found[1]


def _thumbnails() -> Thumbnails:
    found = current_app.extensions.get(_THUMBS)
    if found is None:
        store = ThumbStore(current_service().store.layout.thumbs, RECIPE, current_config().thumbs_bytes)
        # Decoding takes up to 640 MiB an image (media/limits.py) and both cores.
        found = current_app.extensions.setdefault(_THUMBS, Thumbnails(store, min(4, os.cpu_count() or 1)))
    return cast(Thumbnails, found)


def _busy() -> Overloaded:
    return Overloaded("too many thumbnails are being made at once", retry_after_s=2)


def _awaited(other: Future[bytes]) -> bytes:
    try:
        return other.result(timeout=_WAIT_S)
    except TimeoutError as exc:
        raise _busy() from exc


def _first_that_works(picture: ImageDetails, size: str) -> bytes:
    """A thumbnail from the first file that still holds the image. Raises Gone."""
    facts, reason = picture.record.facts, ""
    for place in picture.places:
        try:
            told = facts.told_orientation
            side = side_of(facts.width, facts.height, SIDES[size])
            return make_thumbnail(place.path, side, content_hash=facts.content_hash, told=told)
        except MediaError as error:
            reason = reason or reason_of(place, error)
    raise Gone(f"the picture cannot be shown: {reason}", "`imgsearch index` brings the library up to date")


def first_that_is_true(picture: ImageDetails, held: contextlib.ExitStack) -> tuple[ImagePlace, OpenFile]:
    """The first file that still holds the image, opened. Its size and date decide, as in an index run; if they
    differ, its bytes. Raises Gone."""
    facts, reason = picture.record.facts, ""
    for place in picture.places:
        with contextlib.ExitStack() as tried:
            try:
                source = tried.enter_context(open_source(os.fspath(place.path), LIMITS))
                if (source.size_bytes, source.mtime_ns) != (place.size_bytes, place.mtime_ns):
                    read_known(source, facts.content_hash)
            except MediaError as error:
                reason = reason or reason_of(place, error)
                continue
            held.push(tried.pop_all())
            return place, source
    raise Gone(f"the original cannot be shown: {reason}", "`imgsearch index` brings the library up to date")


def reason_of(place: ImagePlace, error: MediaError) -> str:
    return "its folder is offline" if place.offline else printable(error.message)


def disposition(name: str, *, download: bool) -> str:
    """RFC 6266: the name in ASCII for all, and the real one in UTF-8. Control characters would end the header."""
    name = "".join(c for c in printable(name) if unicodedata.category(c)[0] != "C") or "picture"
    plain = "".join(c if c.isascii() and c not in '"\\%' else "_" for c in name)
    kind = "attachment" if download else "inline"
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
