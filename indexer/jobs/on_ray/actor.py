"""What Ray keeps in each of its workers."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from imgsearch.errors import ImgsearchError
from imgsearch.wording import one_line
from indexer.jobs.on_ray.beats import Beat, BeatFolder
from indexer.jobs.spec import JobSpec, open_job
from indexer.jobs.worker import ShardOutcome, ShardWorker

ATTEMPTS = 3
"""Of a shard whose worker dies. Ray would try for ever."""


class ShardActor:
    """Ray Data calls it for every shard: the model and the decoders stay from one to the next. It raises nothing."""

    def __init__(self, folder: str, device: str, decode_workers: int, beats: BeatFolder) -> None:
        self._folder, self._device, self._decode_workers, self._beats = folder, device, decode_workers, beats
        self._spec: JobSpec | None = None
        self._worker: ShardWorker | None = None
        self._beat: Beat | None = None

    def __call__(self, row: dict[str, Any]) -> dict[str, str]:
        """The outcome of the shard ``row["shard"]`` as JSON."""
        index = int(row["shard"])
        try:
            outcome = self._outcome(index)
        except ImgsearchError as error:
            outcome = ShardOutcome(index, "error", None, error.message, error.hint, exit_code=error.exit_code)
        except Exception as error:  # noqa: BLE001 - it would end the whole job
            outcome = ShardOutcome(
                index, "error", None, f"shard {index}: {type(error).__name__}: {one_line(str(error))}"
            )
        return {"outcome": json.dumps(dataclasses.asdict(outcome))}

    def _outcome(self, index: int) -> ShardOutcome:
        if self._beats.stopped:
            return ShardOutcome(index, "stopped")
        with Beat(self._beats, index) as beat:
            if beat.attempts > ATTEMPTS:
                return ShardOutcome(
                    index,
                    "error",
                    None,
                    f"shard {index}: its worker died {ATTEMPTS} times",
                    "often memory ran out: use fewer --workers or --decode-workers, then resume",
                )
            self._beat = beat
            worker, spec = self._ready()
            return worker.embed(spec.shards[index])

    def _ready(self) -> tuple[ShardWorker, JobSpec]:
        if self._worker is None or self._spec is None:
            self._spec = dataclasses.replace(open_job(Path(self._folder)), device=self._device)
            self._worker = ShardWorker(
                self._spec, decode_workers=self._decode_workers, stop=self._is_stopped, told=self._told
            )
        return self._worker, self._spec

    def _is_stopped(self) -> bool:
        return self._beat is not None and self._beat.stopped()

    def _told(self, images: int) -> None:
        if self._beat is not None:
            self._beat.told(images)
