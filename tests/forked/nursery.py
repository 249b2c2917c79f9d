"""Warm processes that decode workers and commands are forked from: a start then costs milliseconds of CPU, not 0.4 to
1.3 s.

The same code runs, in a process of its own with its own pipes and limits; only Python's start and the imports are left
out. Tests of these use the fixture ``real_workers``, or `subprocess`.
"""

from __future__ import annotations

import atexit
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

WORKER, COMMAND = "imgsearch.media.decode_pool.worker", "imgsearch"
PRELOADED = {
    WORKER: (
        WORKER,
        "imgsearch.media.decode_pool.decoding",
        "imgsearch.dedup.pixels.inspection.task",
        "imgsearch.dedup.pixels.registration.task",
        "imgsearch.media.facts.task",
        "imgsearch.media.rendition",
        "imgsearch.media.shown",
        "imgsearch.reading.decoding",
        *(f"PIL.{kind}ImagePlugin" for kind in ("Bmp", "Gif", "Jpeg", "Png", "Ppm")),
    ),
    COMMAND: (
        "imgsearch.cli.main",
        "indexer.service",
        "indexer.index_run",
        "imgsearch.cli.dedup.find",
        "alembic.command",
    ),
}
_LONGEST = 1 << 18


class Forked(subprocess.Popen[Any]):
    """A process that is not this one's child; what it ended with is read from a pipe."""

    def __init__(self, nursery: Nursery, command: list[str], **given: Any) -> None:
        self._nursery, self._told = nursery, -1
        super().__init__(command, **given)

    def _execute_child(self, args: Any, *given: Any) -> None:
        cwd, env, pipes = given[4], given[5], given[9:15]
        told, tells = os.pipe()
        ends = [end if end >= 0 else number for number, end in enumerate((pipes[0], pipes[3], pipes[5]))]
        self.pid = self._nursery.fork(
            {"arguments": args[3:], "env": env, "cwd": str(cwd or Path.cwd())}, [*ends, tells]
        )
        self._child_created = True
        self._told = told
        os.close(tells)
        self._close_pipe_fds(*pipes)

    def _internal_poll(self, _deadstate: Any = None, **_: Any) -> int | None:
        if self.returncode is None and self._waitpid_lock.acquire(blocking=False):
            try:
                if self.returncode is None:
                    pid, status = self._try_wait(os.WNOHANG)
                    if pid:
                        self._handle_exitstatus(status)
            finally:
                self._waitpid_lock.release()
        return self.returncode

    def _try_wait(self, flags: int) -> tuple[int, int]:
        if not select.select([self._told], [], [], 0 if flags else None)[0]:
            return 0, 0
        told = os.read(self._told, 16)
        return self.pid, int(told) if told else int(signal.SIGKILL)  # nothing is told if the nursery is gone

    def send_signal(self, sig: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            super().send_signal(sig)

    def __del__(self, *given: Any) -> None:
        super().__del__(*given)
        if self._told >= 0:
            os.close(self._told)
            self._told = -1


class Nursery:
    """Forks ``python -m MODULE ...``. That of the workers stands where `imgsearch.media.decode_pool.process` knows the
    module ``subprocess``."""

    PIPE, DEVNULL, TimeoutExpired = subprocess.PIPE, subprocess.DEVNULL, subprocess.TimeoutExpired

    def __init__(self, module: str) -> None:
        self._module = module
        self._lock = threading.Lock()
        self._channel: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def Popen(self, command: list[str], *, env: dict[str, str], **given: Any) -> subprocess.Popen[Any]:
        """Start a process as `subprocess.Popen` does, forked if it is of this nursery's module."""
        if command[:3] != [sys.executable, "-m", self._module]:
            return subprocess.Popen(command, env=env, **given)
        return Forked(self, command, env=env, **given)

    def fork(self, what: dict[str, Any], descriptors: list[int]) -> int:
        """The process id. ``descriptors``: stdin, stdout, stderr, and where its exit status goes."""
        text = json.dumps(what).encode()
        assert len(text) < _LONGEST
        with self._lock:
            channel = self._warm()
            socket.send_fds(channel, [text], descriptors)
            return int(channel.recv(16))

    def _warm(self) -> socket.socket:
        if self._channel is None:
            self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self._channel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * _LONGEST)
            root = str(Path(__file__).parents[2])
            one = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, __file__, self._module, str(theirs.fileno())],
                    env={**os.environ, **one, "PYTHONPATH": os.pathsep.join([root, *filter(None, sys.path)])},
                    cwd=root,
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    start_new_session=True,
                )
        return self._channel

    def close(self) -> None:
        """End the warm process. Those that it forked end by themselves."""
        if self._channel is not None and self._process is not None:
            self._channel.close()
            self._process.wait()


def serve(module: str, channel: socket.socket) -> None:
    """Fork a process for each message, and tell each one's wait status, until the other end is closed."""
    for name in PRELOADED[module]:
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
        text, given, _, _ = socket.recv_fds(channel, _LONGEST, 4)
        if not text:
            return
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for descriptor in (channel.fileno(), woken, wake, given[3], *told.values()):
                os.close(descriptor)
            _become(module, json.loads(text), given[:3])
        told[pid] = given[3]
        for descriptor in given[:3]:
            os.close(descriptor)
        channel.send(str(pid).encode())


def _tell(told: dict[int, int]) -> None:
    while told:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        with contextlib.suppress(BrokenPipeError):
            os.write(told[pid], str(status).encode())
        os.close(told.pop(pid))


def _become(module: str, given: dict[str, Any], descriptors: list[int]) -> None:
    """Never returns. What a new process would have: its session, folder, environment, import path, and three files."""
    code: Any = 1
    try:
        os.setsid()
        for number, descriptor in enumerate(descriptors):
            os.dup2(descriptor, number)
            os.close(descriptor)
        os.chdir(given["cwd"])
        os.environ.clear()
        os.environ.update(given["env"])
        sys.path[:0] = filter(None, given["env"].get("PYTHONPATH", "").split(os.pathsep))
        sys.argv = [module, *given["arguments"]]
        _die_at(given["env"].get("IMGSEARCH_CRASH_AT", ""))
        if module == WORKER:
            code = sys.modules[WORKER].main(given["arguments"])
        else:
            code = sys.modules["imgsearch.cli.main"].main()
    except SystemExit as ended:
        code = ended.code
    except BaseException:  # noqa: BLE001  as Python ends
        traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            atexit._run_exitfuncs()
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 0 if code is None else 1)


def _die_at(step: str) -> None:
    """What `imgsearch.files` reads when it is imported."""
    files = sys.modules.get("imgsearch.files")
    if files is not None:
        files._crash_at, _, count = step.partition(":")  # type: ignore[attr-defined]
        files._remaining = int(count or 1)  # type: ignore[attr-defined]


if __name__ == "__main__":
    serve(sys.argv[1], socket.socket(fileno=int(sys.argv[2])))
