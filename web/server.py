"""waitress, with six additions: gzip, a drain, an end for connections that stall, threads that streams cannot use up,
connections that stay open after an answer without a body, and refusals in the app's own words.

waitress reads whole requests in its own thread and hands them to workers, so a slow sender costs no worker; its thread
also sends the answers. `Server.run` serves until `Server.stop`; then nothing new is accepted, requests that were read
are answered with ``Connection: close``, and the connections are closed. It relies on waitress 3.0's ``TcpWSGIServer``,
``HTTPChannel`` and ``wasyncore``; tests/web/test_serving.py holds it to that."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher, WSGITask

from web.packing import packed
from web.refusals import Lingering, RefusalTask, Refusing

DRAIN_S = 30.0
"""The time that running requests get when the server is asked to stop; searches take seconds at most."""

GRACE_S = 1.0
"""A kept connection that is idle is closed this long after the server was asked to stop, so that a request already
sent by then is answered."""

HEAD_S, BODY_S, STALL_S = 30.0, 300.0, 60.0
"""Seconds within which a request's head and its body must arrive, and within which part of an answer must be taken.
32 MB in 300 s is 0.1 MB/s."""

CLEANUP_S = 5
"""Seconds between two checks for such clients."""

CONNECTIONS = 512

SWITCH_S = 0.0005
"""The time after which a waiting thread gets the interpreter while the server runs, instead of Python's 5 ms. A thread
that computes hands it over at each call into NumPy, and would wait 5 ms for a thread that writes JSON in the meantime.
64 clients, two cores: 22.4 answers a second instead of 18.0 (a busy machine)."""


class _Task(WSGITask):  # type: ignore[misc]  # waitress has no types
    _building = False

    def get_environment(self) -> Any:
        environ = super().get_environment()
        environ["imgsearch.watch_client"] = self.channel.watch
        return environ

    def build_response_header(self) -> Any:
        channel = self.channel
        if channel.server.leaving and len(channel.requests) == 1 and channel.request is None:
            self.set_close_on_finish()
        self._building = True
        try:
            return super().build_response_header()
        finally:
            self._building = False

    def set_close_on_finish(self) -> None:
        """waitress closes after every answer without a Content-Length. 304 and 204 have none and end with their head
        (RFC 9112, 6.3): a page of thumbnails that are still true would need a connection for each."""
        asked = str(self.request.headers.get("CONNECTION", "")).lower() == "close"
        if asked or not self._building or self.has_body or self.version != "1.1":
            super().set_close_on_finish()


class _Channel(Lingering, HTTPChannel):  # type: ignore[misc]
    """One connection. ``began``: when the first byte of the request that is not yet whole arrived."""

    task_class = _Task
    error_task_class = RefusalTask
    began: float | None = None
    watching = False

    def watch(self) -> Callable[[], bool]:
        """Watch for the client hanging up while its request is worked on; returns a function that says whether it did.
        Otherwise this is noticed only on sending. A client that closes only its own half is cut off."""
        self.watching = True
        self.server.pull_trigger()
        found: Callable[[], bool] = self.check_client_disconnected
        return found

    def readable(self) -> Any:
        if self.lingers and not self.will_close:
            return True
        if not self.requests:
            self.watching = False
        return super().readable() and (self.watching or not self.requests)

    def handle_write(self) -> None:
        if self.close_when_flushed and not self.will_close and self.lingers and self.connected:
            self._flush_exception(self._flush_some)
            if not self.total_outbufs_len:
                self.end_sending(self.socket)
        else:
            super().handle_write()

    def writable(self) -> Any:
        # Once all is sent, only the client's end or `close_late` ends the lingering.
        waiting = self.close_when_flushed and self.lingers and self.connected and not self.total_outbufs_len
        return super().writable() and not (waiting and self.ended_sending)

    def received(self, data: bytes) -> Any:
        if self.lingers:
            self.throw_away(data)
            return False
        answer = super().received(data)
        if self.request is None:
            self.began = None
        elif self.began is None:
            self.began = time.monotonic()
        return answer

    def late(self, now: float) -> bool:
        """Whether the client takes longer to send or to read than it may."""
        partial, began = self.request, self.began
        if partial is not None and began is not None:
            return now - began > (BODY_S if partial.headers_finished else HEAD_S)
        return bool(self.total_outbufs_len) and time.time() - self.last_activity > STALL_S

    def idle(self) -> bool:
        """Whether nothing was requested and nothing is left to send."""
        return not self.requests and self.request is None and not self.total_outbufs_len


class _Listener(TcpWSGIServer):  # type: ignore[misc]
    channel_class = _Channel
    leaving = ended = False
    refusing: Refusing | None = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._waking = threading.RLock()  # a signal may come while its thread has it
        super().__init__(*arguments, **options)

    def pull_trigger(self) -> None:
        with self._waking:
            if not self.ended:  # otherwise its file number may be another file's by now
                super().pull_trigger()

    def close_late(self) -> None:
        """Hang up on clients that stall. waitress's own ``will_close`` waits until something can be sent, which never
        happens with a client that does not read."""
        now = time.monotonic()
        for channel in list(self.active_channels.values()):
            if channel.late(now):
                channel.handle_close()

    def end(self) -> None:
        """Close everything that is still open."""
        with self._waking:
            self.ended = True
            wasyncore.close_all(self._map)

    def stop_listening(self) -> None:
        """Take in connections that the system has already accepted, then close the listening socket."""
        for _ in range(self.adj.backlog):
            before = len(self.active_channels)
            self.handle_accept()
            if len(self.active_channels) == before:
                break
        wasyncore.dispatcher.close(self)


class Server:
    """Serves ``app`` on one address with ``threads`` workers. ``draining`` is set when it has been asked to stop.

    Raises OSError if the address is not available. ``port`` 0 takes a free one; ``address`` says which. ``proxy``: the
    app gets a proxy's headers about the request. ``refusing`` words the answers to requests that waitress refuses."""

    def __init__(
        self,
        app: Callable[..., Any],
        host: str,
        port: int,
        *,
        threads: int,
        max_body_bytes: int,
        draining: threading.Event,
        proxy: bool = False,
        refusing: Refusing | None = None,
    ) -> None:
        adjustments = Adjustments(
            host=host,
            port=port,
            threads=threads,
            connection_limit=CONNECTIONS,
            channel_timeout=120,
            channel_request_lookahead=1,  # see _Channel.watch
            max_request_header_size=32_768,
            max_request_body_size=max_body_bytes,
            asyncore_use_poll=True,
            ident="imgsearch",
            clear_untrusted_proxy_headers=not proxy,  # X-Forwarded-* reach the app only if they are trusted
        )
        dispatcher = ThreadedTaskDispatcher()
        self._map: dict[int, Any] = {}
        info = adjustments.listen[0]
        app = packed(app)
        try:
            self._listener = _Listener(app, self._map, dispatcher=dispatcher, adj=adjustments, sockinfo=info)
        except BaseException:
            wasyncore.close_all(self._map)
            raise
        self._listener.refusing = refusing
        dispatcher.set_thread_count(threads)
        self._dispatcher, self._draining = dispatcher, draining
        self._asked = False
        self._next_look = 0.0

    @property
    def address(self) -> tuple[str, int]:
        """The address on which it listens."""
        return str(self._listener.effective_host), int(self._listener.effective_port)

    def run(self) -> bool:
        """Serve until ``stop``, then drain. False if connections were left when `DRAIN_S` was over."""
        before = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_S)
        try:
            return self._serve()
        finally:
            sys.setswitchinterval(before)

    def _serve(self) -> bool:
        while not self._asked:
            self._turn(1.0)
        started = time.monotonic()
        self._draining.set()
        self._listener.leaving = True
        self._listener.stop_listening()
        while self._listener.active_channels and time.monotonic() - started < DRAIN_S:
            if time.monotonic() - started > GRACE_S:
                for channel in list(self._listener.active_channels.values()):
                    if channel.idle():
                        channel.handle_close()
            self._turn(0.05)
        clean = not self._listener.active_channels
        self._dispatcher.shutdown(cancel_pending=True, timeout=1)
        self._listener.end()
        return clean

    def stop(self) -> None:
        """Ask it to stop; from any thread, and from a signal handler."""
        self._asked = True
        self._listener.pull_trigger()

    def _turn(self, timeout_s: float) -> None:
        """Wait for an event and handle it."""
        wasyncore.loop(timeout_s, True, self._map, count=1)
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + CLEANUP_S
            self._listener.close_late()

    def leave_on_signals(self) -> None:
        """SIGTERM and Ctrl-C drain; a second one stops at once. Main thread only."""

        def on_signal(number: int, _frame: FrameType | None) -> None:
            if self._asked:
                os._exit(128 + number)
            self.stop()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, on_signal)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach ``host``: every address of the name is a loopback one.
    Raises OSError for an unknown name."""
    import ipaddress

    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return bool(found) and all(ipaddress.ip_address(entry[4][0]).is_loopback for entry in found)
