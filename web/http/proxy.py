"""Behind a reverse proxy: the prefix under which it serves the library, and its headers about the request."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, request
from werkzeug.middleware.proxy_fix import ProxyFix

from imgsearch.errors import UsageError
from web.config import WebConfig

Environment = dict[str, Any]
Application = Callable[[Environment, Callable[..., Any]], Iterable[bytes]]

_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")
_PORTS = {"http": 80, "https": 443}


class Prefix:
    """Takes the prefix off a request's path and keeps it as SCRIPT_NAME, from which all links are made. A proxy may
    pass it on or remove it: a path without it is served too, with the same links."""

    def __init__(self, app: Application, prefix: str) -> None:
        self._app, self._prefix = app, prefix

    def __call__(self, environment: Environment, start: Callable[..., Any]) -> Iterable[bytes]:
        path = environment.get("PATH_INFO", "")
        if path == self._prefix:
            query = environment.get("QUERY_STRING", "")
            start("308 Permanent Redirect", [("Location", f"{self._prefix}/{'?' + query if query else ''}")])
            return [b""]
        if path.startswith(f"{self._prefix}/"):
            environment["PATH_INFO"] = path[len(self._prefix) :]
        environment["SCRIPT_NAME"] = self._prefix
        return self._app(environment, start)


class _Root:
    """The prefix in templates, also inside macros, which do not see the request."""

    def __str__(self) -> str:
        return request.script_root


def install_proxy(app: Flask, config: WebConfig) -> None:
    """Serve under the prefix; trust X-Forwarded-For, -Proto and -Host of one proxy if that was requested. Others
    (-Port, -Prefix) are never trusted: a proxy that does not set them passes on the client's."""
    app.jinja_env.globals["root"] = _Root()
    app.config.update(SESSION_COOKIE_PATH=config.prefix or "/", APPLICATION_PREFIX=config.prefix)
    if config.prefix:
        app.wsgi_app = Prefix(app.wsgi_app, config.prefix)  # type: ignore[method-assign, assignment]
    if config.proxy:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=1, x_proto=1, x_host=1, x_port=0, x_prefix=0
        )


def read_prefix(text: str) -> str:
    """ "/photos" for "photos", "/photos" or "/photos/"; "" for "/". Raises UsageError for anything but a path."""
    prefix = "/" + text.strip("/") if text.strip("/") else ""
    if prefix and (not _PREFIX.fullmatch(prefix) or {".", ".."} & set(prefix.split("/"))):
        raise UsageError(f"got the prefix {text!r}, expected a path of letters, digits and -._~", "--prefix /photos")
    return prefix


def same_site(origin: str, host: str, own_port: int | None = None) -> bool:
    """Whether a page of ``origin`` is one of ours, if the request named us ``host`` and we listen at ``own_port``.

    An origin leaves out the port that is its scheme's own. Many proxies leave the port out of the Host header that they
    pass on, or put ours in. A port that is missing on one side does not count, except for this machine's own names,
    where every port may be another program's: there it must be ours or the scheme's own."""
    try:
        theirs, ours = urlsplit(origin), urlsplit(f"//{host}")
        port = theirs.port or _PORTS.get(theirs.scheme)
        if theirs.scheme not in _PORTS or theirs.hostname is None or theirs.hostname != ours.hostname:
            return False
        if ours.port is not None:
            return ours.port == port or (theirs.port is None and ours.port == own_port)
        return port in (*_PORTS.values(), own_port) or not _is_own(theirs.hostname)
    except ValueError:
        return False


def listening_port(environment: Environment) -> int | None:
    """The port where this server takes requests, whatever port a proxy gives; None if it is unknown."""
    told = environment.get("werkzeug.proxy_fix.orig", environment).get("SERVER_PORT")
    return int(told) if isinstance(told, str) and told.isdecimal() else None


def _is_own(name: str) -> bool:
    """Whether the name refers to this machine alone."""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")
