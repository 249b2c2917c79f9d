"""The real server in threads, and a real nginx before it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from web.http.context import DRAINING
from web.server import Server

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


@contextmanager
def serving(app: Any, *, proxy: bool) -> Iterator[int]:
    server = Server(
        app, "127.0.0.1", 0, threads=8, max_body_bytes=34_000_000, draining=app.extensions[DRAINING], proxy=proxy
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield server.address[1]
    finally:
        server.stop()
        thread.join(20)


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@contextmanager
def nginx(folder: Path, lines: str) -> Iterator[int]:
    if NGINX is None:
        pytest.skip("nginx is not installed: the documented lines were not tried (.ci/run installs it)")
    port = free_port()
    temporary = "\n".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    configuration = folder / "nginx.conf"
    configuration.write_text(
        f"daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;\nevents {{}}\n"
        f"http {{ access_log off; {temporary}\nserver {{ listen 127.0.0.1:{port};\n{lines}}} }}\n"
    )
    process = subprocess.Popen(
        [NGINX, "-p", str(folder), "-c", str(configuration)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        for _ in range(200):
            assert process.poll() is None, process.stdout and process.stdout.read()
            with socket.socket() as trying:
                if trying.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.communicate(timeout=20)
