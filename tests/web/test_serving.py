"""The server itself: real sockets, and for signals a real child process."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from imgsearch.media.decode import decode_file
from imgsearch.model import open_light
from imgsearch.scenes.dataset import make_set, write_set
from imgsearch.storage import EmbeddedBatch, FilePlace, create_store
from web import serving
from web.serving import Server, is_loopback

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
        slow.sendall(b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n01234")
        time.sleep(0.1)
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


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty-four drawn pictures, indexed with the small model."""
    folder = tmp_path_factory.mktemp("served")
    write_set(make_set(24, 3), folder / "pictures")
    paths = sorted((folder / "pictures" / "images").iterdir())
    model = open_light("mini", "cpu")
    assert model is not None
    decoded = [decode_file(path, model.image_size) for path in paths]
    vectors = model.embed_images(model.preprocess_arrays(np.stack([one.pixels for one in decoded])))
    with create_store(folder / "library", model.model_id) as store, store.writing() as writer:
        root = writer.add_root(paths[0].parent).root_id
        places = [
            [FilePlace(root, path.name, one.facts.size_bytes, one.mtime_ns)]
            for path, one in zip(paths, decoded, strict=True)
        ]
        with writer.transaction() as transaction:
            transaction.add(EmbeddedBatch([one.facts for one in decoded], vectors, places))
            transaction.commit()
    return folder / "library"


@pytest.fixture(autouse=True)
def _no_child_stays() -> Iterator[None]:
    """A test that fails leaves no server behind."""
    yield
    for child in Child.started:
        child.process.kill()
        child.process.communicate()
    Child.started.clear()


class Child:
    """`imgsearch serve` in a process of its own."""

    started: ClassVar[list[Child]] = []

    def __init__(self, library: Path, *arguments: str) -> None:
        command = [sys.executable, "-m", "imgsearch", "serve", "--library", str(library), "--port", "0", *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.started.append(self)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert "http://127.0.0.1:" in line, (line, self.process.stderr and self.process.stderr.read())
        self.port = int(line.rstrip().rstrip("/").rpartition(":")[2])

    def open(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_S)

    def search(self, text: str) -> Any:
        with closing(self.open()) as connection:
            return ask(connection, text)[1]

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        self.process.communicate(timeout=WAIT_S)
        self.started.remove(self)
        return self.process.returncode


def ask(connection: http.client.HTTPConnection, text: str) -> tuple[http.client.HTTPResponse, Any]:
    connection.request("GET", "/api/v1/search?limit=5&all=1&q=" + text.replace(" ", "+"))
    answer = connection.getresponse()
    return answer, json.loads(answer.read())


def test_sigterm_under_load_loses_no_request(library: Path) -> None:
    child = Child(library)
    outcomes: list[str] = []
    begun = threading.Semaphore(0)

    def load(number: int) -> None:
        connection = child.open()
        connection.connect()
        for turn in range(1000):
            try:
                answer, body = ask(connection, f"a red boat {number} {turn}")
                assert answer.status == 200 and body["hits"]
            except Exception as error:  # noqa: BLE001
                outcomes.append(f"lost: {error!r}")
                return
            begun.release()
            if answer.getheader("Connection") == "close":
                outcomes.append("told to close")
                return

    threads = [threading.Thread(target=load, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for _ in range(24):
        assert begun.acquire(timeout=WAIT_S)
    assert child.end() == 0
    for thread in threads:
        thread.join(WAIT_S)
    assert outcomes == ["told to close"] * 12


def test_killed_in_mid_request_and_started_again_it_answers_the_same(library: Path) -> None:
    def answers(child: Child) -> list[list[tuple[int, float, float]]]:
        found = [child.search(text)["hits"] for text in ("two blue cats", "a house")]
        return [[(hit["image_id"], round(hit["itc"], 4), round(hit["itm_logit"], 3)) for hit in one] for one in found]

    child = Child(library)
    before = answers(child)
    with closing(child.open()) as connection:
        connection.request("GET", "/api/v1/search?q=three+green+fish")
        child.end(signal.SIGKILL)
    again = Child(library)
    assert answers(again) == before
    assert again.end(signal.SIGINT) == 0


def test_a_second_signal_leaves_at_once(library: Path) -> None:
    child = Child(library)
    with closing(child.open()) as connection:
        connection.connect()
        connection.sock.sendall(b"POST /api/v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n1")
        time.sleep(0.3)
        child.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert child.process.poll() is None
        assert child.end() == 128 + signal.SIGTERM


def test_serving_changes_nothing_but_the_library(library: Path) -> None:
    pictures = library.parent / "pictures"
    before = {path: path.stat().st_mtime_ns for path in pictures.rglob("*")}
    child = Child(library)
    assert child.search("a boat")["hits"]
    assert child.end() == 0
    assert {path: path.stat().st_mtime_ns for path in pictures.rglob("*")} == before
    assert (library / "serve.json").stat().st_mode & 0o777 == 0o600


def test_another_address_needs_a_password_or_a_token(library: Path) -> None:
    command = [sys.executable, "-m", "imgsearch", "serve", "--library", str(library)]

    def serve(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run([*command, *arguments], input=given, capture_output=True, text=True, timeout=60)

    refused = serve("--host", "0.0.0.0")
    assert refused.returncode == 2 and "no password" in refused.stderr and "--set-password" in refused.stderr
    assert serve("--set-password", given="short\n").returncode == 2
    taken = socket.create_server(("127.0.0.1", 0))
    with taken:
        busy = serve("--port", str(taken.getsockname()[1]))
    assert busy.returncode == 2 and "cannot be listened on" in busy.stderr
    made = serve("--new-token")
    assert made.returncode == 0 and len(made.stdout.strip()) > 40
    try:
        child = Child(library, "--host", "127.0.0.1")
        with closing(child.open()) as connection:
            connection.request("GET", "/api/v1/search?q=boat")
            answer = connection.getresponse()
            assert answer.status == 401 and answer.read()
            connection.request(
                "GET", "/api/v1/search?q=boat", headers={"Authorization": f"Bearer {made.stdout.strip()}"}
            )
            assert connection.getresponse().status == 200
        assert child.end() == 0
    finally:
        (library / "serve.json").unlink()
