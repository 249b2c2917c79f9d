"""Who may choose what a server reads: somebody who is logged in, or, where nobody has to, the person on this machine
who runs the server.

A server without a password listens to this machine alone (web/cli.py). That includes other accounts of the machine, and
a proxy in front that serves others; neither may look through the folders of the server's user."""

from __future__ import annotations

import contextlib
import ipaddress
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import request

from web.http.context import current_config
from web.http.proxy import listening_port
from web.problems import Forbidden

_FORWARDED = ("FORWARDED", "X_FORWARDED_FOR", "X_FORWARDED_HOST", "X_FORWARDED_PROTO", "X_REAL_IP", "VIA")
_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")


def require_setup() -> None:
    """Raise Forbidden if the client of this request may not choose models and folders."""
    if not may_set_up():
        raise Forbidden(
            "models and folders are chosen on the computer that runs this server, or behind a password",
            "imgsearch serve --set-password",
        )


def may_set_up() -> bool:
    """Whether the client may choose models and folders. Behind a password or a token everybody may who came in."""
    config = current_config()
    return config.guarded or (not config.proxy and _is_own(request.environ))


def _is_own(environ: dict[str, Any]) -> bool:
    """Whether a request comes from this machine, without a proxy, and, where the system tells, from a program of the
    user that runs the server, or of root."""
    host = urlsplit(f"//{environ.get('HTTP_HOST', '')}").hostname or ""
    if any(f"HTTP_{name}" in environ for name in _FORWARDED):
        return False
    if not _is_loopback(str(environ.get("REMOTE_ADDR", ""))) or not (host == "localhost" or _is_loopback(host)):
        return False
    user = _user_of(environ.get("REMOTE_PORT"), listening_port(environ))
    return user in (None, 0, _user())


def _user() -> int | None:
    return os.getuid() if hasattr(os, "getuid") else None


def _is_loopback(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback


def _user_of(client_port: object, server_port: int | None) -> int | None:
    """The user of the program at the other end of a connection on this machine, as Linux lists it; None where that is
    not known."""
    try:
        wanted = (f":{int(str(client_port)):04X}", f":{server_port or 0:04X}")
    except ValueError:
        return None
    for table in _TABLES:
        with contextlib.suppress(OSError, ValueError, IndexError):
            for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if fields[1].endswith(wanted[0]) and fields[2].endswith(wanted[1]):
                    return int(fields[7])
    return None
