"""Fetching from a stand-in for the Hugging Face hub on this machine."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

COMMIT = "c" * 40


class Hub(ThreadingHTTPServer):
    """Serves one repository's files; cuts the connection once in the middle of the weights if told to."""

    def __init__(self, folder: Path):
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder = folder
        self.cut_weights = False
        self.ranges: list[str] = []
        self.fetched: list[str] = []


class Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, body):
        path = self.path.split("?")[0]
        if path.startswith("/api/models/someone/small"):
            files = [
                {
                    "rfilename": file.name,
                    "path": file.name,
                    "type": "file",
                    "oid": "0" * 40,
                    "size": file.stat().st_size,
                }
                for file in sorted(self.server.folder.iterdir())
            ]
            listing = files if "/tree/" in path else {"id": "someone/small", "sha": COMMIT, "siblings": files}
            return self.send(200, json.dumps(listing).encode(), {"Content-Type": "application/json"}, body)
        file = self.server.folder / path.rsplit("/", 1)[-1]
        if not path.startswith("/someone/small/resolve/") or not file.is_file():
            return self.send(404, b"", {"X-Error-Code": "RepoNotFound"}, body)
        data = file.read_bytes()
        headers = {"ETag": f'"{hashlib.sha256(data).hexdigest()}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        if body:
            self.server.fetched.append(file.name)
        asked = self.headers.get("Range")
        if not asked or not body:
            return self.send(200, data, headers, body)
        self.server.ranges.append(asked)
        start = int(asked.removeprefix("bytes=").split("-")[0])
        headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        return self.send(206, data[start:], headers, body)

    def send(self, status, data, headers, body):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        if not body:
            return
        if self.server.cut_weights and len(data) > 100_000:
            self.server.cut_weights = False
            self.wfile.write(data[: len(data) // 2])
            self.wfile.flush()
            self.connection.close()
            return
        self.wfile.write(data)


@pytest.fixture
def hub(directory, tmp_path):
    folder = Path(shutil.copytree(directory, tmp_path / "served"))
    # Larger than what the client reads at once (10 MB), or nothing of a broken answer would be kept.
    state = {**load_file(folder / "model.safetensors"), "unused": torch.zeros(7_000_000)}
    save_file(state, folder / "model.safetensors")
    server = Hub(folder)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def imgsearch(hub, home, *arguments):
    """The real command in a process of its own, because huggingface_hub reads its environment when imported."""
    environment = {**os.environ, "HF_ENDPOINT": f"http://127.0.0.1:{hub.server_port}", "HF_HOME": str(home)}
    environment |= {
        "XDG_CACHE_HOME": str(home),
        "HF_HUB_DISABLE_XET": "1",
        "no_proxy": "127.0.0.1",
        "NO_PROXY": "127.0.0.1",
    }
    code = "import sys; from imgsearch.cli.main import main; sys.exit(main(sys.argv[1:]))"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_model_is_fetched_and_can_be_loaded(hub, tmp_path):
    pulled = imgsearch(hub, tmp_path, "models", "pull", "someone/small")
    assert pulled.returncode == 0, pulled.stderr
    folder = Path(pulled.stdout.splitlines()[0].removeprefix("someone/small is in "))
    assert sorted(entry.name for entry in folder.iterdir()) == ["config.json", "model.safetensors", "tokenizer.json"]
    assert not hub.ranges
    hub.fetched.clear()
    assert imgsearch(hub, tmp_path, "models", "pull", "someone/small").returncode == 0
    assert hub.fetched == []  # nothing twice


def test_a_cut_connection_is_mended(hub, tmp_path):
    hub.cut_weights = True
    first = imgsearch(hub, tmp_path, "models", "pull", "someone/small")
    second = first if first.returncode == 0 else imgsearch(hub, tmp_path, "models", "pull", "someone/small")
    assert second.returncode == 0, second.stderr
    assert "Traceback" not in first.stderr
    folder = Path(second.stdout.splitlines()[0].removeprefix("someone/small is in "))
    assert (folder / "model.safetensors").read_bytes() == (hub.folder / "model.safetensors").read_bytes()
    assert hub.ranges and not hub.ranges[0].startswith("bytes=0-")  # it went on, not anew


def test_a_repository_that_does_not_exist_is_told(hub, tmp_path):
    pulled = imgsearch(hub, tmp_path, "models", "pull", "someone/else")
    assert pulled.returncode == 4
    assert "there is no model someone/else" in pulled.stderr and "Traceback" not in pulled.stderr
