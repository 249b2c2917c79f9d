"""The password's page."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from flask import Blueprint, current_app, redirect, render_template, request, session
from flask.typing import ResponseReturnValue
from werkzeug.security import check_password_hash

from web.http.context import current_config, rooted
from web.http.security import local_path, logged_in, password_mark
from web.problems import TooManyAttempts

blueprint = Blueprint("login", __name__)

ATTEMPTS, WINDOW_S = 10, 300
"""Wrong passwords that one address may give in five minutes: 2,880 a day, while a password of four random words has
10^15 possibilities."""

_ALL_ATTEMPTS = 100
"""From all addresses together, since addresses are cheap; each costs 50 ms of a core."""

_ADDRESSES = 1000
_LONGEST_PASSWORD = 1000


class Attempts:
    """Counts failures within a sliding time, by address and in total. Safe between threads; bounded."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failed: OrderedDict[str, list[float]] = OrderedDict()

    def wait_s(self, address: str) -> int:
        """Seconds until ``address`` may try again; 0 if it may now."""
        with self._lock:
            now = self._clock()
            mine = self._recent(address, now)
            every = sorted(at for name in list(self._failed) for at in self._recent(name, now))
            waits = [0.0]
            if len(mine) >= ATTEMPTS:
                waits.append(mine[-ATTEMPTS] + WINDOW_S - now)
            if len(every) >= _ALL_ATTEMPTS:
                waits.append(every[-_ALL_ATTEMPTS] + WINDOW_S - now)
            return -int(-max(waits) // 1)

    def failed(self, address: str) -> None:
        """Count one more wrong password."""
        with self._lock:
            self._failed.setdefault(address, []).append(self._clock())
            self._failed.move_to_end(address)
            while len(self._failed) > _ADDRESSES:
                self._failed.popitem(last=False)

    def forget(self, address: str) -> None:
        """Forget an address that gave the right password."""
        with self._lock:
            self._failed.pop(address, None)

    def _recent(self, address: str, now: float) -> list[float]:
        """The failures that still count; drops the rest."""
        kept = [at for at in self._failed.get(address, ()) if at > now - WINDOW_S]
        if kept:
            self._failed[address] = kept
        else:
            self._failed.pop(address, None)
        return kept


_ONE_AT_A_TIME = threading.Lock()
"""scrypt takes 32 MB: simultaneous guesses must not take 32 MB each."""


@blueprint.get("/login")
def show_login() -> ResponseReturnValue:
    """The form; a browser that needs no login is sent on."""
    target = local_path(request.args.get("next", rooted("/")), rooted("/"))
    if logged_in() or not current_config().guarded:
        return redirect(target)
    return _form(target)


@blueprint.post("/login")
def log_in() -> ResponseReturnValue:
    """Check the password. 401 with the form if it is wrong, 429 after too many."""
    config, attempts = current_config(), _attempts()
    address = request.remote_addr or ""
    password = request.form.get("password", "")
    target = local_path(request.form.get("next", rooted("/")), rooted("/"))
    known = config.password_hash
    with _ONE_AT_A_TIME:
        wait_s = attempts.wait_s(address)
        if wait_s:
            raise TooManyAttempts("too many wrong passwords", f"try again in {wait_s} s", retry_after_s=wait_s)
        right = known is not None and len(password) <= _LONGEST_PASSWORD and check_password_hash(known, password)
        (attempts.forget if right else attempts.failed)(address)
    if not right:
        return _form(target, "That is not the password."), 401
    session.clear()
    session.permanent = True
    session["user"] = password_mark(config)
    return redirect(target)


@blueprint.post("/logout")
def log_out() -> ResponseReturnValue:
    """Forget this browser."""
    session.clear()
    return redirect(rooted("/login" if current_config().guarded else "/"))


def _form(target: str, error: str = "") -> str:
    return render_template(
        "login.html", target=target, error=error, password_set=current_config().password_hash is not None
    )


def _attempts() -> Attempts:
    found: Attempts = current_app.extensions.setdefault("imgsearch.attempts", Attempts())
    return found
