"""The local engine: worker processes on this machine, each with a model, its own decoders and, where there are several,
a GPU of its own."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from imgsearch.settings import available_cores
from indexer.jobs.distributor import EngineOptions
from indexer.jobs.local.process import STOP, read_outcome
from indexer.jobs.spec import JobSpec, Shard
from indexer.jobs.worker import ShardOutcome

_ATTEMPTS = 3  # of a shard whose worker dies
_POLL_S = 0.2


class LocalDistributor:
    """Runs shards in ``options.workers`` processes (0: one a GPU, else one). A process that dies is replaced, and its
    shard is tried again, three times in all."""

    def __init__(self, spec: JobSpec, options: EngineOptions) -> None:
        self._spec, self._options = spec, options
        self._gpus = [] if spec.device.startswith("cpu") else visible_gpus(os.environ)
        self.workers = options.workers or max(1, len(self._gpus))

    def run(self, shards: Sequence[Shard]) -> Iterator[ShardOutcome]:
        """See `Distributor.run`."""
        crew = _Crew(shards, self._options)
        count = min(self.workers, len(shards))
        threads = [threading.Thread(target=self._serve, args=(crew, number), daemon=True) for number in range(count)]
        for thread in threads:
            thread.start()
        try:
            while any(thread.is_alive() for thread in threads) or not crew.outcomes.empty():
                with contextlib.suppress(queue.Empty):
                    outcome = crew.outcomes.get(timeout=_POLL_S)
                    yield outcome
                if self._options.stop():
                    crew.stop()
        finally:
            crew.stop()
            for thread in threads:
                thread.join()

    def _serve(self, crew: _Crew, number: int) -> None:
        """One thread for each process."""
        with contextlib.ExitStack() as held:
            process: subprocess.Popen[bytes] | None = None
            while (shard := crew.take()) is not None:
                if process is None:
                    try:
                        process = held.enter_context(self._started(crew, number))
                    except OSError as exc:
                        crew.refused(shard, exc)
                        return
                outcome = crew.ask(process, shard)
                if outcome is None:
                    status = process.wait()
                    process = None
                    crew.lost(shard, status, self._log(number))
                else:
                    crew.outcomes.put(outcome)
                    if outcome.fatal:
                        crew.give_up()

    @contextlib.contextmanager
    def _started(self, crew: _Crew, number: int) -> Iterator[subprocess.Popen[bytes]]:
        each = self._options.decode_workers or max(1, available_cores() // self.workers)
        command = [sys.executable, "-m", "indexer.jobs.local.process", self._spec.folder, str(each)]
        with self._log(number).open("ab") as complaints:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=complaints,
                env=self._environment(number),
                start_new_session=True,  # the terminal's Ctrl-C goes to the driver alone
            )
        crew.join(process)
        try:
            yield process
        finally:
            crew.leave(process)
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()

    def _environment(self, number: int) -> dict[str, str]:
        """The driver's, with a share of the cores. One thread for NumPy's own matrix product, whose rounding depends on
        their number; torch's does not (both were compared at the models' shapes)."""
        threads = str(max(1, available_cores() // self.workers))
        environment = {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, **os.environ}
        environment["OPENBLAS_NUM_THREADS"] = "1"
        environment["PYTHONPATH"] = os.pathsep.join(path or os.getcwd() for path in sys.path)  # noqa: PTH109
        if len(self._gpus) > 1 and self.workers > 1:
            environment["CUDA_VISIBLE_DEVICES"] = self._gpus[number % len(self._gpus)]
        return environment

    def _log(self, number: int) -> Path:
        return self._spec.layout.events / f"worker-{number}.log"


class _Crew:
    """What the threads share: shards that wait, processes at work, outcomes."""

    def __init__(self, shards: Sequence[Shard], options: EngineOptions) -> None:
        self.outcomes: queue.SimpleQueue[ShardOutcome] = queue.SimpleQueue()
        self._options = options
        self._waiting = deque(shards)
        self._lost: dict[int, int] = {}  # shard -> how many workers died over it
        self._processes: list[subprocess.Popen[bytes]] = []
        self._lock = threading.Lock()
        self._stopped = False

    def take(self) -> Shard | None:
        """The next shard; None if there is none or no further one is to be begun."""
        with self._lock:
            return self._waiting.popleft() if self._waiting and not self._stopped else None

    def give_up(self) -> None:
        """Begin no further shard."""
        with self._lock:
            self._waiting.clear()

    def stop(self) -> None:
        """Give up the shards in the making too."""
        with self._lock:
            if self._stopped:
                return
            self._stopped = True
            for process in self._processes:
                _send(process, STOP)

    def join(self, process: subprocess.Popen[bytes]) -> None:
        with self._lock:
            self._processes.append(process)
            if self._stopped:
                _send(process, STOP)

    def leave(self, process: subprocess.Popen[bytes]) -> None:
        with self._lock:
            self._processes.remove(process)

    def ask(self, process: subprocess.Popen[bytes], shard: Shard) -> ShardOutcome | None:
        """The outcome of a shard in that process; None if it died."""
        _send(process, b"%d" % shard.index)
        assert process.stdout is not None
        for line in process.stdout:
            try:
                data = json.loads(line)
            except ValueError:
                break  # cut off by its death
            if "outcome" in data:
                return read_outcome(data["outcome"])
            self._options.told(data["told"])
        return None

    def refused(self, shard: Shard, exc: OSError) -> None:
        """The system starts no process for a shard: others may have one."""
        self.outcomes.put(
            ShardOutcome(
                shard.index,
                "error",
                None,
                f"a worker cannot start: {exc.strerror} ({exc.filename or sys.executable})",
                "end other programs, or use fewer --workers; what is committed is kept",
            )
        )

    def lost(self, shard: Shard, status: int, log: Path) -> None:
        """A worker died over a shard: it comes next, unless it was tried often enough."""
        with self._lock:
            self._lost[shard.index] = self._lost.get(shard.index, 0) + 1
            if self._lost[shard.index] < _ATTEMPTS:
                self._waiting.appendleft(shard)
                return
        how = f"signal {-status}" if status < 0 else f"exit status {status}"
        self.outcomes.put(
            ShardOutcome(
                shard.index,
                "error",
                None,
                f"shard {shard.index}: its worker died {_ATTEMPTS} times ({how}){_last_words(log)}",
                "signal 9 often means that memory ran out: use fewer --workers, then resume",
            )
        )


def _send(process: subprocess.Popen[bytes], line: bytes) -> None:
    """To a process that may be dead: whoever waits for its answer learns of it."""
    with contextlib.suppress(OSError, ValueError):
        assert process.stdin is not None
        process.stdin.write(line + b"\n")
        process.stdin.flush()


def _last_words(log: Path) -> str:
    with contextlib.suppress(OSError):
        lines = log.read_text("utf-8", "replace").strip().splitlines()
        if lines:
            return f": {lines[-1][:200]}"
    return ""


def visible_gpus(environment: Mapping[str, str]) -> list[str]:
    """NVIDIA's GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them; asks no driver."""
    named = environment.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name.strip() for name in named.split(",") if name.strip() not in ("", "-1")]
    nodes = [path.name.removeprefix("nvidia") for path in Path("/dev").glob("nvidia[0-9]*")]
    return sorted((name for name in nodes if name.isdecimal()), key=int)
