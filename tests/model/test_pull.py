"""Fetching from a stand-in for the Hugging Face hub on this machine."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from imgsearch.errors import ModelUnavailable
from imgsearch.model import load_model, model_id_of
from imgsearch.model.checkpoints.known import KNOWN
from imgsearch.model.checkpoints.pull import pull_model

COMMIT = "c" * 40


class Hub(ThreadingHTTPServer):
    """Serves one repository's files; cuts the connection once in the middle of the weights if told to."""

    def __init__(self, folder: Path):
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder = folder
        self.cut_weights = False
        self.stall_after = 0  # bytes of the weights; then nothing comes any more
        self.stalled = threading.Event()
        self.ranges: list[str] = []
        self.fetched: list[str] = []
        self._digests: dict[tuple[str, int, int], str] = {}

    def handle_error(self, request, client_address) -> None:
        """Killed clients are part of these tests."""

    def digest(self, file: Path, data: bytes) -> str:
        """SHA-256, computed once for each state of a file."""
        key = file.name, file.stat().st_mtime_ns, len(data)
        return self._digests.get(key) or self._digests.setdefault(key, hashlib.sha256(data).hexdigest())


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
        headers = {"ETag": f'"{self.server.digest(file, data)}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
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
        if self.server.stall_after and len(data) > 100_000:
            self.wfile.write(data[: self.server.stall_after])
            self.wfile.flush()
            self.server.stalled.set()
            time.sleep(30)
            return
        if self.server.cut_weights and len(data) > 100_000:
            self.server.cut_weights = False
            self.wfile.write(data[: len(data) // 2])
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)  # closed alone, it stays open until this thread ends
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


def settings(hub, home):
    environment = {**os.environ, "HF_ENDPOINT": f"http://127.0.0.1:{hub.server_port}", "HF_HOME": str(home)}
    environment |= {
        "XDG_CACHE_HOME": str(home),
        "HF_HUB_DISABLE_XET": "1",
        "no_proxy": "127.0.0.1",
        "NO_PROXY": "127.0.0.1",
    }
    return environment


def imgsearch(hub, home, *arguments):
    """The real command in a process of its own, because huggingface_hub reads its environment when imported."""
    return subprocess.run(
        [sys.executable, "-m", "imgsearch", *arguments],
        env=settings(hub, home),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_model_is_fetched_once_with_progress_in_lines_and_is_here_without_a_network(hub, tmp_path):
    pulled = imgsearch(hub, tmp_path, "models", "pull", "someone/small")
    assert pulled.returncode == 0 and "\r" not in pulled.stderr and "%|" not in pulled.stderr, pulled.stderr
    folder = Path(pulled.stdout.splitlines()[0].removeprefix("someone/small is in "))
    assert sorted(entry.name for entry in folder.iterdir()) == ["config.json", "model.safetensors", "tokenizer.json"]
    assert not hub.ranges
    hub.fetched.clear()
    assert imgsearch(hub, tmp_path, "models", "pull", "someone/small").returncode == 0
    assert hub.fetched == []  # nothing twice
    hub.server_close()  # nobody answers any more
    pulled = imgsearch(hub, tmp_path, "models", "pull", "someone/small")
    assert pulled.returncode == 0 and "someone/small is already here: " in pulled.stdout
    asked = imgsearch(hub, tmp_path, "models", "pull", "someone/small", "--again", "--quiet")
    assert asked.returncode == 4 and "does not answer" in asked.stderr


def test_a_generator_is_fetched_with_its_tokenizer(hub, tmp_path):
    golden = Path(__file__).parents[1] / "golden" / "generation" / "opt"
    config = {"model_type": "blip-2", "architectures": ["Blip2ForConditionalGeneration"]}
    (hub.folder / "config.json").write_text(json.dumps(config))
    (hub.folder / "tokenizer.json").unlink()
    for name in ("vocab.json", "merges.txt"):
        shutil.copyfile(golden / name, hub.folder / name)
    pulled = imgsearch(hub, tmp_path, "models", "pull", "someone/small")
    assert pulled.returncode == 0, pulled.stderr
    folder = Path(pulled.stdout.splitlines()[0].removeprefix("someone/small is in "))
    wanted = ["config.json", "merges.txt", "model.safetensors", "vocab.json"]
    assert sorted(entry.name for entry in folder.iterdir()) == wanted
    hub.fetched.clear()
    assert imgsearch(hub, tmp_path, "models", "pull", "someone/small").returncode == 0
    assert hub.fetched == []


@pytest.mark.slow
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


def killed_in_the_middle(hub, home):
    """A pull that is killed when 20 MB of the weights have come; returns the partial file."""
    hub.stall_after = 20_000_000
    command = [sys.executable, "-m", "imgsearch", "models", "pull", "someone/small"]
    process = subprocess.Popen(command, env=settings(hub, home), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert hub.stalled.wait(60)
    until = time.monotonic() + 30
    while not (parts := [one for one in home.rglob("*.imgsearch-part") if one.stat().st_size > 9_000_000]):
        assert time.monotonic() < until and process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.wait()
    hub.stall_after = 0
    return parts[0]


def test_a_killed_download_goes_on_where_it_stopped_and_a_damaged_part_from_the_beginning(hub, tmp_path):
    homes = tmp_path / "whole", tmp_path / "damaged"
    partial = killed_in_the_middle(hub, homes[0])
    size = partial.stat().st_size
    shutil.copytree(homes[0], homes[1], symlinks=True)
    data = bytearray(partial.read_bytes())
    data[1_000] ^= 255
    (homes[1] / partial.relative_to(homes[0])).write_bytes(data)
    for home, ranges in zip(homes, ([f"bytes={size}-"], None), strict=True):
        hub.ranges.clear()
        if ranges:
            assert imgsearch(hub, home, "models").returncode == 0
        pulled = imgsearch(hub, home, "models", "pull", "someone/small")
        assert pulled.returncode == 0, pulled.stderr
        assert ranges is None or hub.ranges == ranges
        folder = Path(pulled.stdout.splitlines()[0].removeprefix("someone/small is in "))
        assert (folder / "model.safetensors").read_bytes() == (hub.folder / "model.safetensors").read_bytes()
        assert not list(home.rglob("*.imgsearch-part")) and not list(home.rglob("blobs/*.lock"))


@pytest.mark.parametrize(("free", "refused"), [(10, True), (10**9, False)])
def test_free_space_is_looked_at_before_anything_comes(free, refused, tmp_path, monkeypatch):
    from imgsearch.errors import StorageFull
    from imgsearch.model.checkpoints import pull

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(10**9, 0, free))
    if refused:
        with pytest.raises(StorageFull, match="are free"):
            pull._check_space(1_000_000)
    else:
        pull._check_space(1_000_000)


def test_laviss_own_files_are_fetched_and_can_be_loaded(hub, tmp_path, own_cache, monkeypatch):
    golden = Path(__file__).parents[1] / "golden" / "lavis-vitl"
    shutil.rmtree(hub.folder)
    hub.folder.mkdir()
    shutil.copy(golden / "split" / "clip_vit_L.pth", hub.folder)
    body = torch.load(golden / "blip2_tiny.pth", weights_only=True)["model"]
    body = {name: value for name, value in body.items() if not name.startswith("visual_encoder.")}
    torch.save({"model": body}, hub.folder / "blip2_pretrained_vitL.pth")
    bert = own_cache / "hub" / "models--google-bert--bert-base-uncased"
    for place, content in (("refs/main", "c0ffee"), ("snapshots/c0ffee/vocab.txt", (golden / "vocab.txt").read_text())):
        (bert / place).parent.mkdir(parents=True)
        (bert / place).write_text(content)
    base = f"http://127.0.0.1:{hub.server_port}/someone/small/resolve"
    files = tuple(f"{base}/{address.rsplit('/', 1)[-1]}" for address in KNOWN["blip2-vitl"].files)
    monkeypatch.setitem(KNOWN, "blip2-vitl", replace(KNOWN["blip2-vitl"], files=files))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(ModelUnavailable) as caught:
        load_model("blip2-vitl", device="cpu")
    assert "imgsearch models pull blip2-vitl" in caught.value.hint
    pulled = pull_model("blip2-vitl")
    assert not pulled.already and sorted(hub.fetched) == ["blip2_pretrained_vitL.pth", "clip_vit_L.pth"]
    model = load_model("blip2-vitl", device="cpu", image_size=56)
    assert model.model_id.name == "blip2-vitl" and model.model_id == model_id_of("blip2-vitl", "cpu", image_size=56)
    assert pull_model("blip2-vitl").already and len(hub.fetched) == 2
