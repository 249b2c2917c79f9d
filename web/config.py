"""The settings of a server, fixed before it starts. Nothing of Flask here."""

from __future__ import annotations

from dataclasses import dataclass

MAX_QUERY_CHARS = 1000
"""A query of the language in docs/search.md: 50 words count, the rest are filters."""

MAX_UPLOAD_BYTES = 32_000_000
"""One uploaded image: a phone's largest JPEG has 20 MB."""


@dataclass(frozen=True, slots=True)
class WebConfig:
    """Settings of one server.

    ``hosts``: names, in lower case and without port, that a request's Host header may have beside IP addresses.
    ``password_hash``: werkzeug's scrypt hash, None if nobody has to log in. ``token_hashes``: sha256 in hex of the
    tokens that programs send as ``Authorization: Bearer``. ``secret_key`` signs session cookies. ``searches``: how many
    may wait or run at once; ``streams``: how many event streams may be open beside them. ``thumbs_bytes``: disk that
    thumbnails may fill: 20 kB a small one, 120 a large one. ``renditions_bytes``: the same for full-size images that
    browsers cannot show otherwise: 3 to 6 MB each. ``secure_cookie``: send the session cookie over HTTPS only.
    ``proxy``: trust the headers that one proxy in front sets (X-Forwarded-For, -Proto, -Host). ``prefix``: the path
    under which it serves this library, "/photos"; "" for none. ``folders``: those below which the page may offer and
    read folders."""

    hosts: tuple[str, ...] = ("localhost",)
    password_hash: str | None = None
    token_hashes: tuple[str, ...] = ()
    secret_key: bytes = b""
    max_query_chars: int = MAX_QUERY_CHARS
    max_upload_bytes: int = MAX_UPLOAD_BYTES
    searches: int = 96
    streams: int = 16
    thumbs_bytes: int = 1_000_000_000
    renditions_bytes: int = 2_000_000_000
    secure_cookie: bool = False
    proxy: bool = False
    prefix: str = ""
    folders: tuple[str, ...] = ()

    @property
    def guarded(self) -> bool:
        """Whether a person must log in and a program needs a token."""
        return self.password_hash is not None or bool(self.token_hashes)
