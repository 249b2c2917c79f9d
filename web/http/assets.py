"""The pages' styles, scripts and icons, under paths that name their content: fetched once, packed once, kept for ever.

Modules name each other by relative paths, so one version in the path holds for all of them. Style sheets that a page
needs together are joined ("css/base+search.css"): on a slow line each request costs more than its bytes. Comments
on lines of their own are not sent: they were 16 % of a first page's styles and scripts."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
import re
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from flask import Flask, Response, current_app, request
from flask.typing import ResponseReturnValue

from web.http.context import rooted
from web.problems import NotFound, printable

_KEY = "imgsearch.assets"
_VERSION = re.compile("[0-9a-f]{12}")
_KEPT = 100  # a page needs 30
_JOINED = 8  # style sheets in one answer, at most
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}

_COMMENTS = {
    ".js": re.compile(rb"^[ \t]*(?://[^\n]*|/\*\*(?:[^*]|\*(?!/))*\*/)[ \t]*\n", re.MULTILINE),
    ".css": re.compile(rb"^/\*(?:[^*]|\*(?!/))*\*/\n|[ \t]*/\*(?:[^*]|\*(?!/))*\*/", re.MULTILINE),
}
"""In scripts on lines of their own, in style sheets all."""

_NOTHING = re.compile(rb"(?!)")


@dataclass(frozen=True, slots=True)
class Asset:
    """One file, or several style sheets joined: plain and packed with gzip."""

    content: bytes
    packed: bytes
    mimetype: str


@dataclass
class Assets:
    """The files below ``folder`` as they were when the server started. ``version`` names all of them."""

    folder: Path
    version: str = ""
    _files: dict[str, bytes] = field(default_factory=dict)
    _made: dict[str, Asset] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        for path in sorted(self.folder.rglob("*")):
            if path.is_file() and not path.name.startswith("."):
                comments = _COMMENTS.get(path.suffix, _NOTHING)
                self._files[path.relative_to(self.folder).as_posix()] = comments.sub(b"", path.read_bytes())
        whole = hashlib.sha256()
        for name, content in self._files.items():
            whole.update(name.encode() + b"\0" + hashlib.sha256(content).digest())
        self.version = whole.hexdigest()[:12]

    def get(self, name: str) -> Asset | None:
        """The asset of a name such as "js/search.js" or "css/base+search.css"; None if there is none."""
        with self._lock:
            if name not in self._made:
                content = self._content(name)
                if content is None:
                    return None
                kind = _TYPES.get(Path(name).suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
                made = Asset(content, gzip.compress(content, 9, mtime=0), kind)
                if len(self._made) >= _KEPT:  # somebody asks for style sheets in every order
                    return made
                self._made[name] = made
            return self._made[name]

    def _content(self, name: str) -> bytes | None:
        folder, _, last = name.rpartition("/")
        stem, dot, suffix = last.rpartition(".")
        names = [f"{folder}/{part}{dot}{suffix}" for part in stem.split("+")] if "+" in stem else [name]
        unlike = len(set(names)) != len(names) or len(names) > _JOINED or (len(names) > 1 and suffix != "css")
        if unlike or any(each not in self._files for each in names):
            return None
        return b"\n".join(self._files[each] for each in names)


def install_assets(app: Flask, folder: Path) -> None:
    """Read the files of ``folder``, serve them, and let templates name them: ``{{ asset("js/search.js") }}``."""
    assets = app.extensions[_KEY] = Assets(folder)
    app.jinja_env.globals["asset"] = lambda name: rooted(f"/static/{assets.version}/{name}")
    app.add_url_rule("/static/<path:filename>", "static", show_asset)


def show_asset(filename: str) -> ResponseReturnValue:
    """A file of the pages. Behind the present version it may be kept for ever; behind another one, which a page of an
    older server asks for, and behind none it is sent as it is now."""
    assets = cast(Assets, current_app.extensions[_KEY])
    version, _, name = filename.partition("/")
    if not _VERSION.fullmatch(version):
        version, name = "", filename
    asset = assets.get(name)
    if asset is None:
        raise NotFound(f"there is no file {printable(name[:80])!r}", "load the page again")
    packed = request.accept_encodings.quality("gzip") > 0
    answer = Response(asset.packed if packed else asset.content, mimetype=asset.mimetype)
    if packed:
        answer.headers["Content-Encoding"] = "gzip"
    answer.headers["Vary"] = "Accept-Encoding"
    forever = version == assets.version
    answer.headers["Cache-Control"] = "public, max-age=31536000, immutable" if forever else "no-cache"
    answer.set_etag(hashlib.sha256(asset.content).hexdigest()[:16], weak=True)
    return answer.make_conditional(request)
