"""The checks of every request before a view sees it, and the security headers of every answer (docs/security.md)."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
import secrets
from datetime import timedelta
from urllib.parse import quote, urlsplit

from flask import Flask, Response, redirect, request, session
from flask.typing import ResponseReturnValue

from web.config import WebConfig
from web.http.access import knows_token
from web.http.context import current_config, rooted
from web.http.proxy import listening_port, same_site
from web.problems import Forbidden, LoginRequired, WebError, wants_page

CONTENT_POLICY = (
    "default-src 'self'; img-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
"""No inline script or style, nothing from another host; blob: shows an image that is being dropped on the page."""

_HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_NO_DOCUMENTS = frozenset({"image/webp", "text/css", "text/javascript"})
"""What no browser runs or frames anything from."""

_LIGHT_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_OPEN = frozenset({"static", "login.show_login", "login.log_in", "metrics.healthz", "metrics.readyz"})
"""Endpoints that answer everybody."""

_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_CHANGING_NOTHING = frozenset({"api.search_by_picture", "texts.ask", "texts.make_caption"})
"""POSTs that change nothing that a person made, and need no CSRF token: they carry an image to search for or a
question, or have a caption written anew."""

_SESSION_DAYS = 30
_TOKEN_BYTES = 24


class WrongHost(WebError):
    """The Host header names a host that this server does not answer for."""

    status = 400


def install_security(app: Flask, config: WebConfig) -> None:
    """Put the checks before every view and the headers behind it; the session's cookie is set up here too."""
    app.secret_key = config.secret_key or secrets.token_bytes(32)
    # Cookies know no ports: without a name of its own, a second server on this host would overwrite the session.
    suffix = hashlib.sha256(b"cookie" + config.secret_key).hexdigest()[:8]
    app.config.update(
        SECURITY_HEADERS=_HEADERS,
        SESSION_COOKIE_NAME=f"imgsearch_{suffix}",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=config.secure_cookie,
        PERMANENT_SESSION_LIFETIME=timedelta(days=_SESSION_DAYS),
        MAX_CONTENT_LENGTH=config.max_upload_bytes,
        MAX_FORM_MEMORY_SIZE=100_000,
        MAX_FORM_PARTS=20,
    )
    app.before_request(_check)
    app.after_request(_add_headers)
    app.jinja_env.globals["csrf_token"] = csrf_token
    app.jinja_env.globals["logged_in"] = logged_in


def csrf_token() -> str:
    """The session's token, made at the first call: a form's ``csrf_token``, a script's ``X-CSRF-Token``. Masked anew
    each time, so that the length of a compressed page, which also holds the query, tells nothing of it (BREACH)."""
    if not re.fullmatch(f"[0-9a-f]{{{2 * _TOKEN_BYTES}}}", str(session.get("csrf"))):
        session["csrf"] = secrets.token_hex(_TOKEN_BYTES)
    mask = secrets.token_bytes(_TOKEN_BYTES)
    return (mask + _mixed(mask, bytes.fromhex(str(session["csrf"])))).hex()


def _mixed(one: bytes, other: bytes) -> bytes:
    return bytes(left ^ right for left, right in zip(one, other, strict=True))


def _unmasked(given: str) -> bytes:
    """The token behind what `csrf_token` gave; empty for anything else."""
    try:
        whole = bytes.fromhex(given)
    except ValueError:
        return b""
    return _mixed(whole[:_TOKEN_BYTES], whole[_TOKEN_BYTES:]) if len(whole) == 2 * _TOKEN_BYTES else b""


def logged_in() -> bool:
    """Whether this browser has given the password that is valid now."""
    mark = password_mark(current_config())
    return mark is not None and hmac.compare_digest(str(session.get("user", "")), mark)


def password_mark(config: WebConfig) -> str | None:
    """The mark in a session of the present password; another password gives another mark."""
    if config.password_hash is None:
        return None
    return hashlib.sha256(b"session" + config.password_hash.encode()).hexdigest()[:32]


def local_path(target: str, home: str = "/") -> str:
    """``target`` if it is a path of this site, else ``home``: a login must not lead elsewhere."""
    parts = urlsplit(target.replace("\\", "/"))
    inside = target.startswith("/") and not parts.scheme and not parts.netloc and target.isprintable()
    return target if inside else home


def _check() -> ResponseReturnValue | None:
    if request.endpoint == "metrics.healthz":  # says nothing; a probe comes with the address of a container
        return None
    config = current_config()
    _check_host(config)
    _check_site()
    by_token = _has_token(config)
    if config.guarded and request.endpoint not in _OPEN and not by_token and not logged_in():
        if wants_page() and request.method in _READING:
            return redirect(rooted(f"/login?next={quote(rooted(request.full_path.rstrip('?')))}"))
        raise LoginRequired(
            "this needs a login or a token",
            "send `Authorization: Bearer TOKEN`; `imgsearch serve --new-token` makes one",
        )
    if request.method not in _READING and request.endpoint not in _CHANGING_NOTHING and not by_token:
        _check_csrf()
    return None


def _check_host(config: WebConfig) -> None:
    """Against DNS rebinding: a page of another site whose name was pointed here still sends its own name. An IP
    address cannot be redirected like that."""
    host = urlsplit(f"//{request.environ.get('HTTP_HOST', '')}").hostname if _plain_host() else None
    if host is None or not (host.rstrip(".") in config.hosts or _is_address(host)):
        raise WrongHost(
            f"this server does not answer for the host {request.environ.get('HTTP_HOST', '')[:80]!r}",
            "name it when the server starts: imgsearch serve --allow-host NAME",
        )


def _plain_host() -> bool:
    text = request.environ.get("HTTP_HOST", "")
    return bool(text) and not set(text) & set("/\\@?# ,") and text.isascii()


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _check_site() -> None:
    """Refuses requests that another site's page makes, except following a link: such a page may neither load images nor
    keep this server busy."""
    site = request.headers.get("Sec-Fetch-Site", "")
    followed = request.method == "GET" and request.headers.get("Sec-Fetch-Mode") == "navigate"
    if site in ("cross-site", "same-site") and not (followed and request.headers.get("Sec-Fetch-Dest") == "document"):
        raise Forbidden("another site's page asked for this", "open the library's own page")
    origin = request.headers.get("Origin")
    if origin is not None and request.method not in _READING and not _is_ours(origin):
        raise Forbidden(f"a page of {origin[:80]} asked for this", "open the library's own page")


def _is_ours(origin: str) -> bool:
    return same_site(origin, request.host, listening_port(request.environ))


def _has_token(config: WebConfig) -> bool:
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    return kind.lower() == "bearer" and knows_token(config.token_hashes, token.strip())


def _check_csrf() -> None:
    given = request.headers.get("X-CSRF-Token") or request.form.get("csrf_token", "")
    known = str(session.get("csrf", ""))
    if not known or not hmac.compare_digest(_unmasked(given).hex(), known):
        raise Forbidden(
            "the change came without the page's own token", "load the page again; programs send a Bearer token"
        )


def _add_headers(response: Response) -> Response:
    # A page of sixty thumbnails on a slow line: what only documents need costs 200 bytes a picture.
    light = response.mimetype in _NO_DOCUMENTS and response.status_code in (200, 206, 304)
    for name, value in (_LIGHT_HEADERS if light else _HEADERS).items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "no-store")
    return response
