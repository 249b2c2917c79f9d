"""Starts a Ray, or joins one, and leaves the process as it was."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from imgsearch.errors import ImgsearchError
from imgsearch.settings import available_cores
from imgsearch.wording import one_line
from indexer.jobs.spec import JobSpec

CONNECT_S = 10.0
"""For a cluster to answer at all."""

_OBJECT_STORE = 100 * 2**20  # of a Ray of our own: lines of JSON need no gigabytes


@contextlib.contextmanager
def connected(ray: Any, spec: JobSpec, address: str) -> Iterator[None]:
    """Ray, started or joined unless this process has one already."""
    if ray.is_initialized():
        yield
        return
    require_reachable(address)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anybody
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    alone: dict[str, Any] = {
        "num_cpus": available_cores(),
        "object_store_memory": _OBJECT_STORE,
        "include_dashboard": False,
    }
    try:
        with _own_signals(), _stderr_to(spec.layout.events / "ray.log"):
            ray.init(
                address=address or "local",
                logging_level=logging.ERROR,
                log_to_driver=False,
                **({} if address else alone),
            )
    except (ConnectionError, RuntimeError, ValueError, OSError) as exc:
        raise _no_ray(address, one_line(str(exc))[:200]) from exc
    try:
        yield
    finally:
        ray.shutdown()


def require_reachable(address: str) -> None:
    """Raise ImgsearchError if nothing listens at ``address``: Ray itself tries for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdecimal():  # "", "auto", a name
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_S).close()
    except (OSError, OverflowError, UnicodeError) as exc:
        raise _no_ray(address, str(exc)) from exc


def _no_ray(address: str, reason: str) -> ImgsearchError:
    return ImgsearchError(
        f"there is no Ray at {one_line(address) or 'this machine'}: {reason}",
        "name a running cluster with --address HOST:6379, or leave it out to use this machine",
    )


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Ray puts a handler of SIGTERM in the place of the one by which a run is stopped."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _stderr_to(path: Path) -> Iterator[None]:
    """What Ray's libraries say at their start goes into a file."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with contextlib.suppress(OSError), path.open("ab") as file:
            os.dup2(file.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
