"""The server itself: real sockets."""

from __future__ import annotations

import http.client
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from typing import Any

import pytest

from web import server as serving
from web.server import Server, is_loopback

WAIT_S = 30
GET = b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n"


class App:
    """/hold answers once ``go`` is set; /stream sends two events, the second once ``go`` is set; /large sends 64 MB;
    /echo the length of its body; anything else "ok"."""

    def __init__(self) -> None:
        self.go, self.entered = threading.Event(), threading.Semaphore(0)
        self.broken = threading.Event()

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/stream":
            start("200 OK", [("Content-Type", "text/event-stream")])
            return self._events()
        if path == "/large":
            start("200 OK", [("Content-Length", str(64 << 20))])
            return self._large()
        body = b"ok"
        if path == "/hold":
            self.entered.release()
            assert self.go.wait(WAIT_S)
        elif path == "/echo":
            body = str(len(environ["wsgi.input"].read())).encode()
        start("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    def _events(self) -> Iterator[bytes]:
        yield b"data: one\n\n"
        self.entered.release()
        assert self.go.wait(WAIT_S)
        yield b"data: two\n\n"

    def _large(self) -> Iterator[bytes]:
        try:
            for _ in range(64):
                yield bytes(1 << 20)
        except GeneratorExit:
            self.broken.set()
            raise


class Running:
    """A server in a thread of its own."""

    def __init__(self, threads: int = 4) -> None:
        self.app, self.draining = App(), threading.Event()
        self.server = Server(self.app, "127.0.0.1", 0, threads=threads, max_body_bytes=100_000, draining=self.draining)
        self.clean: bool | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        self.clean = self.server.run()

    def connect(self) -> socket.socket:
        return socket.create_connection(self.server.address, timeout=WAIT_S)

    def get(self, path: str) -> bytes:
        connection = http.client.HTTPConnection(*self.server.address, timeout=WAIT_S)
        with closing(connection):
            connection.request("GET", path)
            return connection.getresponse().read()

    def end(self) -> None:
        self.app.go.set()
        self.server.stop()
        self.thread.join(WAIT_S)
        assert not self.thread.is_alive()


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.setattr(serving, "GRACE_S", 0.3)
    server = Running()
    yield server
    server.end()


def read_all(connection: socket.socket) -> bytes:
    """Up to the end of the connection."""
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


def test_threads_change_places_often_only_while_it_serves() -> None:
    before = sys.getswitchinterval()  # other tests' servers may be at work in this process
    sys.setswitchinterval(0.004)
    try:
        served = Running()
        try:
            assert b"ok" in served.get("/")
            assert sys.getswitchinterval() == pytest.approx(serving.SWITCH_S)
        finally:
            served.end()
        assert sys.getswitchinterval() == pytest.approx(0.004)
    finally:
        sys.setswitchinterval(before)


def test_a_request_in_flight_is_answered_and_told_to_close(running: Running) -> None:
    with running.connect() as connection:
        connection.sendall(GET % b"/hold")
        assert running.app.entered.acquire(timeout=WAIT_S)
        running.server.stop()
        assert running.draining.wait(WAIT_S)
        running.app.go.set()
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 200 OK") and answer.endswith(b"ok")
    assert b"connection: close" in answer.lower()
    running.thread.join(WAIT_S)
    assert running.clean is True


def test_nothing_new_is_accepted_while_it_drains(running: Running) -> None:
    with running.connect() as connection:
        connection.sendall(GET % b"/hold")
        assert running.app.entered.acquire(timeout=WAIT_S)
        running.server.stop()
        assert running.draining.wait(WAIT_S)
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            try:
                running.connect().close()
            except OSError:
                break
        with pytest.raises(OSError):
            running.connect()
        running.app.go.set()
        assert read_all(connection).endswith(b"ok")


def test_requests_read_behind_one_in_flight_are_answered_too(running: Running) -> None:
    with running.connect() as connection:
        connection.sendall((GET % b"/hold") + (GET % b"/a") + (GET % b"/b"))
        assert running.app.entered.acquire(timeout=WAIT_S)
        running.server.stop()
        assert running.draining.wait(WAIT_S)
        running.app.go.set()
        answer = read_all(connection)
    assert answer.count(b"200 OK") == 3 and answer.lower().count(b"connection: close") == 1


def test_a_kept_connection_that_asks_within_the_grace_is_answered(running: Running) -> None:
    with running.connect() as idle, running.connect() as asking, running.connect() as slow:
        for connection in (idle, asking):
            connection.sendall(GET % b"/x")
            answer = b""
            while not answer.endswith(b"ok"):
                answer += (more := connection.recv(65536))
                assert more, answer
        head = b"Host: localhost\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n"
        slow.sendall(b"POST /echo HTTP/1.1\r\n" + head)
        assert b" 100 " in slow.recv(100)
        slow.sendall(b"01234")
        running.server.stop()
        assert running.draining.wait(WAIT_S)
        asking.sendall(GET % b"/y")
        answer = read_all(asking)
        assert answer.endswith(b"ok") and b"connection: close" in answer.lower()
        assert read_all(idle) == b""
        slow.sendall(b"56789")
        assert read_all(slow).endswith(b"10")
    running.thread.join(WAIT_S)
    assert running.clean is True


def test_a_stream_is_sent_as_it_happens_and_ended_by_the_drain(running: Running) -> None:
    with running.connect() as connection:
        connection.sendall(GET % b"/stream")
        assert running.app.entered.acquire(timeout=WAIT_S)
        first = connection.recv(65536)
        while b"data: one" not in first:
            first += connection.recv(65536)
        running.server.stop()
        assert running.draining.wait(WAIT_S)
        running.app.go.set()
        assert b"data: two" in read_all(connection)


def test_what_never_ends_is_cut_off_when_the_time_for_it_is_over(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "DRAIN_S", 0.5)
    with running.connect() as connection:
        connection.sendall(GET % b"/hold")
        assert running.app.entered.acquire(timeout=WAIT_S)
        running.server.stop()
        running.thread.join(WAIT_S)
        assert running.clean is False
        running.app.go.set()


def test_slow_senders_keep_nobody_waiting(running: Running) -> None:
    senders = [running.connect() for _ in range(40)]  # ten for each worker
    for sender in senders:
        sender.sendall(b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nx")
    assert [running.get("/x") for _ in range(5)] == [b"ok"] * 5
    for sender in senders:
        sender.close()


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\nHost: lo", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nx"])
def test_a_request_that_does_not_come_to_an_end_is_hung_up_on(monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr(serving, "HEAD_S", 0.2)
    monkeypatch.setattr(serving, "BODY_S", 0.2)
    monkeypatch.setattr(serving, "CLEANUP_S", 0)
    running = Running()
    with running.connect() as connection:
        connection.sendall(sent)
        with suppress(ConnectionError):  # hung up on while it sends
            for _ in range(3):
                time.sleep(0.05)
                connection.sendall(b"x")  # signs of life do not help
            assert read_all(connection) == b""
    assert running.get("/x") == b"ok"
    running.end()


def test_a_reader_that_stalls_gives_its_worker_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "STALL_S", 0.3)
    monkeypatch.setattr(serving, "CLEANUP_S", 0)
    running = Running(threads=1)
    with running.connect() as connection:
        connection.sendall(GET % b"/large")
        assert connection.recv(10)
        assert running.app.broken.wait(WAIT_S)
        assert running.get("/x") == b"ok"
    running.end()


def test_a_body_or_a_head_over_the_limit_is_refused(running: Running) -> None:
    for sent, status in (
        (b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100001\r\n\r\n", b"413"),
        (b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n186a1\r\n" + bytes(100_001), b"413"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nCookie: " + b"x" * 40_000 + b"\r\n\r\n", b"431"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", b"400"),
        (b"NONSENSE\r\n\r\n", b"400"),
    ):
        with running.connect() as connection:
            connection.sendall(sent)
            answer = connection.recv(65536)
        assert answer[9:12] == status or (status == b"400" and answer[9:12] in (b"400", b"200")), (sent[:60], answer)


def test_an_address_that_is_taken_is_an_os_error(running: Running) -> None:
    host, port = running.server.address
    with pytest.raises(OSError):
        Server(running.app, host, port, threads=1, max_body_bytes=1, draining=threading.Event())


def test_loopback_is_told_from_other_addresses() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.9.9.9", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.0.2.1")))
    with pytest.raises(OSError):
        is_loopback("no such host")
