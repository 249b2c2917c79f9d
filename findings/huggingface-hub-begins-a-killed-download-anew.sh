#!/usr/bin/env bash
# huggingface_hub begins a download that was killed at byte 0 again, and leaves what it had on the disk for good.
#
# A connection that is lost inside one call is resumed. But the unfinished file gets a new name at each call, so the
# next call neither finds it nor removes it: a process that is killed three times at 9 of 10 GB has fetched 27 GB and left
# 27 GB of files ending in .incomplete. The server here offers ranges, and counts from which byte it is asked. Here imgsearch/model/checkpoints/fetching.py names its partial
# file after the content, and tests/model/test_pull.py kills a download and sees it go on where it stopped.
# Source: huggingface_hub 2.4.0, as on PyPI, by plain HTTP.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    huggingface_hub==2.4.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import hashlib
import http.server
import os
import subprocess
import sys
import threading
import time
from importlib.metadata import version
from pathlib import Path

CONTENT = os.urandom(1 << 20) * 24
DIGEST = hashlib.sha256(CONTENT).hexdigest()
asked = []


class Hub(http.server.BaseHTTPRequestHandler):
    """One file, with the headers of the real hub; ranges are served. The first answer is slow."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer(False)

    def do_GET(self):
        self.answer(True)

    def answer(self, whole):
        of_file = "/resolve/" in self.path
        first = int((self.headers.get("Range") or "bytes=0-")[6:].split("-")[0])
        part = CONTENT[first:] if of_file else b""
        self.send_response(404 if not of_file else 206 if first else 200)
        headers = {"ETag": f'"{DIGEST}"', "X-Repo-Commit": "a" * 40, "Accept-Ranges": "bytes"}
        headers |= {"Content-Length": str(len(part))}
        if first:
            headers["Content-Range"] = f"bytes {first}-{len(CONTENT) - 1}/{len(CONTENT)}"
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if whole and of_file:
            asked.append(first)
            slow = len(asked) == 1
            try:
                for at in range(0, len(part), 1 << 20):
                    self.wfile.write(part[at : at + (1 << 20)])
                    time.sleep(0.2 * slow)
            except OSError:
                pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
server.handle_error = lambda *_: None
threading.Thread(target=server.serve_forever, daemon=True).start()
here = Path("cache").absolute()
environment = {**os.environ, "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HOME": str(here)}
environment |= {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
command = [sys.executable, "-c", "from huggingface_hub import hf_hub_download as d; print(d('a/b', 'w.bin'))"]


def unfinished():
    return [path.stat().st_size for path in here.rglob("*.incomplete")]


first = subprocess.Popen(command, env=environment)
while not any(size > 10 << 20 for size in unfinished()):
    assert first.poll() is None
    time.sleep(0.05)
first.kill()
first.wait()
print("huggingface_hub", version("huggingface_hub"), "- killed; unfinished on the disk:", unfinished())
got = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()
assert Path(got).read_bytes() == CONTENT
print("bytes from which the file was asked for:", asked, "- complete; unfinished on the disk:", unfinished())
sys.exit(0 if set(asked) == {0} and len(asked) >= 2 and unfinished() else "this behaves in another way now")
PYTHON
echo "as found: begun at byte 0, and the first part left behind"
