"""The server as a child process: signals, kills, and what it refuses to do."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from imgsearch.media.decode import decode_file
from imgsearch.model import open_numpy
from imgsearch.scenes.dataset import make_set, write_set
from imgsearch.storage import EmbeddedBatch, FilePlace, create_store, writing

WAIT_S = 60


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty-four drawn pictures, indexed with the small model."""
    folder = tmp_path_factory.mktemp("served")
    write_set(make_set(24, 3), folder / "pictures")
    paths = sorted((folder / "pictures" / "images").iterdir())
    model = open_numpy("mini", "cpu")
    assert model is not None
    decoded = [decode_file(path, model.image_size) for path in paths]
    vectors = model.embed_images(model.preprocess_arrays(np.stack([one.pixels for one in decoded])))
    with create_store(folder / "library", model.model_id) as store, writing(store) as writer:
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


def await_drain(child: Child) -> None:
    """Until the server listens no longer."""
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", child.port), timeout=WAIT_S).close()
        except OSError:
            return
        time.sleep(0.05)
    pytest.fail("the server still listens")


def test_a_second_signal_leaves_at_once(library: Path) -> None:
    child = Child(library)
    with closing(child.open()) as connection:
        connection.connect()
        # A body is on its way: the server says so, and waits for the rest.
        head = b"Host: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
        connection.sock.sendall(b"POST /api/v1/search HTTP/1.1\r\n" + head)
        assert b" 100 " in connection.sock.recv(100)
        child.process.send_signal(signal.SIGTERM)
        await_drain(child)  # a second signal that comes before the first was heard is the same one
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
