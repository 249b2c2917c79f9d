"""A warm process that decode workers are forked from: a worker's start then costs milliseconds of CPU, not 0.4 s.

The worker's own code runs, in a process of its own with its own limits and pipes; only Python's start and the imports
are left out. Tests of these use the fixture ``real_workers``.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

WORKER = "imgsearch.media.decode_pool.worker"
PRELOADED = (
    WORKER,
    "imgsearch.media.decode_pool.decoding",
    "imgsearch.dedup.pixels.inspection.task",
    "imgsearch.dedup.pixels.registration.task",
    "imgsearch.media.facts.task",
    "imgsearch.media.shown",
    "PIL.BmpImagePlugin",
    "PIL.GifImagePlugin",
    "PIL.JpegImagePlugin",
    "PIL.PngImagePlugin",
    "PIL.PpmImagePlugin",
)
_LONGEST = 1 << 18


class ForkedWorker:
    """What the pool uses of `subprocess.Popen`, for a process that is not this one's child."""

    def __init__(self, pid: int, stdin: int, stdout: int, status: int) -> None:
        self.pid = pid
        self.stdin, self.stdout = os.fdopen(stdin, "wb"), os.fdopen(stdout, "rb")
        self._status = status
        self._lock = threading.Lock()
        self.returncode: int | None = None

    def poll(self) -> int | None:
        return self._ended(0.0)

    def kill(self) -> None:
        if self._ended(0.0) is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        status = self._ended(timeout)
        if status is None:
            assert timeout is not None
            raise subprocess.TimeoutExpired(WORKER, timeout)
        return status

    def _ended(self, timeout: float | None) -> int | None:
        with self._lock:
            if self.returncode is None and select.select([self._status], [], [], timeout)[0]:
                told = os.read(self._status, 16)
                self.returncode = int(told) if told else -signal.SIGKILL  # nothing is told if the nursery is gone
            return self.returncode

    def __del__(self) -> None:
        os.close(self._status)


class Nursery:
    """Stands where `imgsearch.media.decode_pool.process` knows the module ``subprocess``."""

    PIPE, DEVNULL, TimeoutExpired = subprocess.PIPE, subprocess.DEVNULL, subprocess.TimeoutExpired

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._channel: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def Popen(self, command: list[str], *, env: dict[str, str], **given: Any) -> Any:
        """Fork a worker; start anything else as it should be started."""
        text = json.dumps({"arguments": command[3:], "env": env, "cwd": str(Path.cwd())}).encode()
        if command[:3] != [sys.executable, "-m", WORKER] or len(text) > _LONGEST // 2:
            return subprocess.Popen(command, env=env, **given)
        jobs, answers, status = os.pipe(), os.pipe(), os.pipe()
        with self._lock:
            channel = self._warm(env)
            socket.send_fds(channel, [text], [jobs[0], answers[1], status[1]])
            pid = int(channel.recv(16))
        for descriptor in (jobs[0], answers[1], status[1]):
            os.close(descriptor)
        return ForkedWorker(pid, jobs[1], answers[0], status[0])

    def _warm(self, env: dict[str, str]) -> socket.socket:
        if self._channel is None:
            self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, __file__, str(theirs.fileno())],
                    env=env,
                    cwd=Path(__file__).parents[2],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    start_new_session=True,
                )
        return self._channel

    def close(self) -> None:
        """End the warm process. Workers end with their pools."""
        if self._channel is not None and self._process is not None:
            self._channel.close()
            self._process.wait()


def serve(channel: socket.socket) -> None:
    """Fork a worker for each message, and tell each one's exit status, until the other end is closed."""
    for name in PRELOADED:
        importlib.import_module(name)
    gc.freeze()
    told: dict[int, int] = {}
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        if woken in select.select([channel, woken], [], [])[0]:
            os.read(woken, 4096)
            _tell(told)
            continue
        text, given, _, _ = socket.recv_fds(channel, _LONGEST, 3)
        if not text:
            return
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for descriptor in (channel.fileno(), woken, wake, given[2], *told.values()):
                os.close(descriptor)
            _be_worker(json.loads(text), given[0], given[1])
        told[pid] = given[2]
        os.close(given[0])
        os.close(given[1])
        channel.send(str(pid).encode())


def _tell(told: dict[int, int]) -> None:
    while told:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        os.write(told[pid], str(os.waitstatus_to_exitcode(status)).encode())
        os.close(told.pop(pid))


def _be_worker(given: dict[str, Any], jobs: int, answers: int) -> None:
    """Never returns. What a new process would have: its session, folder, environment, import path, and three files."""
    status = 1
    try:
        os.setsid()
        os.chdir(given["cwd"])
        os.environ.clear()
        os.environ.update(given["env"])
        sys.path[:] = given["env"].get("PYTHONPATH", "").split(os.pathsep)
        os.dup2(jobs, 0)
        os.dup2(answers, 1)
        os.close(jobs)
        os.close(answers)
        status = sys.modules[WORKER].main(given["arguments"])
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 1
    except BaseException:  # noqa: BLE001  as Python ends
        traceback.print_exc()
    finally:
        os._exit(status)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
