"""Requests that waitress refuses by itself: too long a head or body, no HTTP. They are answered as the app answers its
own errors, and the client is heard out first: a socket that is closed with unread bytes takes the answer with it."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from waitress.task import ErrorTask

LINGER_S, LINGER_BYTES = 10.0, 256_000_000
"""How long, and how much, a refused client is listened to. A browser reads an answer only once it has sent its body."""

_ACCEPT = re.compile(rb"^accept:[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
_START = re.compile(rb"^[A-Z]+ +(\S*)")

Refusing = Callable[[int, str, str | None], tuple[list[tuple[str, str]], bytes]]
"""(status, path, Accept or None where it is not known) -> headers and body of the answer."""


class RefusalTask(ErrorTask):  # type: ignore[misc]  # waitress has no types
    """Answers a request that the parser refused."""

    def execute(self) -> None:
        error, refusing = self.request.error, self.channel.server.refusing
        self.channel.linger()
        if refusing is None:
            super().execute()
            return
        path, accept = asked_of(self.request)
        headers, body = refusing(int(error.code), path, accept)
        self.status = f"{error.code} {error.reason}"
        self.response_headers.extend(headers)
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(b"" if getattr(self.request, "command", "") == "HEAD" else body)


def asked_of(request: Any) -> tuple[str, str | None]:
    """The path and the Accept header of a refused request. Of one whose head is too long the parser keeps what it had
    read before; where the header is not in that, None."""
    raw = bytes(request.header_plus or b"").lstrip()
    if not raw:
        return str(getattr(request, "path", "") or "/"), request.headers.get("ACCEPT")
    start, accept = _START.match(raw), _ACCEPT.search(raw)
    path = start[1].partition(b"?")[0].decode("latin-1")[:200] if start else "/"
    return path, None if accept is None else accept[1].decode("latin-1")


class Lingering:
    """What a channel needs to hear a refused client out; mixed into waitress's HTTPChannel."""

    _until: float | None = None
    _left = LINGER_BYTES
    ended_sending = False

    def linger(self) -> None:
        """Read on, and throw away, once the answer is sent."""
        self._until = time.monotonic() + LINGER_S

    @property
    def lingers(self) -> bool:
        """Whether the client is still listened to."""
        return self._until is not None and time.monotonic() < self._until and self._left > 0

    def end_sending(self, sock: socket.socket) -> None:
        """Say that nothing more comes."""
        if not self.ended_sending:
            self.ended_sending = True
            with suppress(OSError):
                sock.shutdown(socket.SHUT_WR)

    def throw_away(self, data: bytes) -> None:
        """Count bytes that nobody wants."""
        self._left -= len(data)
