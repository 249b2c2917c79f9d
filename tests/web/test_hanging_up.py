"""Clients of the real server that hang up, and those that only close their own half."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from colour_shelf import build
from scribe import Gate, Scribe, scribe_service

from web.http.context import DRAINING
from web.server import Server
from web.services.generation import GenerationService


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[tuple[int, Gate, GenerationService]]:
    """The port of a server whose generator waits before each word."""
    gate = Gate()
    generation = scribe_service(Scribe(gate.hold))
    shelf = build(tmp_path, generation=generation)
    draining = shelf.app.extensions[DRAINING]
    server = Server(shelf.app, "127.0.0.1", 0, threads=8, max_body_bytes=1_000_000, draining=draining)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield server.address[1], gate, generation
    gate.open()
    server.stop()
    thread.join(30)
    generation.close()
    shelf.service.close()


def send(port: int, accept: str) -> socket.socket:
    body = json.dumps({"question": "what is this?"}).encode()
    head = f"POST /api/v1/pictures/1/ask HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    client = socket.create_connection(("127.0.0.1", port), 60)
    client.sendall(head.encode() + body)
    return client


def wait_until(true: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
def test_question_is_given_up_when_its_client_hangs_up(
    serving: tuple[int, Gate, GenerationService], accept: str
) -> None:
    port, gate, generation = serving
    client = send(port, accept)
    assert gate.reached.acquire(timeout=60)
    client.close()
    wait_until(lambda: generation.counts()["generator_dropped"][1] == 1)
    gate.open(1)
    wait_until(lambda: not generation.gauges()["generator_waiting"][1])
    assert generation.counts()["generator_written"][1] == 0


def test_answer_is_whole_when_its_client_waits(serving: tuple[int, Gate, GenerationService]) -> None:
    port, gate, _ = serving
    gate.open()
    with send(port, "application/json") as client:
        answer = client.recv(65_536)
        while b"}" not in answer:
            answer += client.recv(65_536)
    assert b" 200 " in answer.splitlines()[0] and b'"it is all red"' in answer


def test_search_of_a_client_that_closes_its_half_is_answered(serving: tuple[int, Gate, GenerationService]) -> None:
    port, _, _ = serving
    with socket.create_connection(("127.0.0.1", port), 60) as client:
        client.sendall(b"GET /api/v1/search?q=red HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := client.recv(65_536):
            answer += piece
    assert b" 200 " in answer.splitlines()[0] and b'"hits"' in answer
