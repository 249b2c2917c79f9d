"""How far a run is: from the events of its library's catalog, or from the lines that its process prints."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from imgsearch.records import Event
from imgsearch.storage import Store
from imgsearch.storage.reads.gallery import newest_event_id, read_events

_WINDOW_S = 60.0
"""Images/s and the time left are those of the last minute: the first batch waits for the model to load."""


@dataclass
class RunProgress:
    """The progress of a run, from its events. ``marks``: (seconds, files done) of the last minute. ``by_events``: the
    counts come from events, and printed lines tell the stage alone. ``before``: files done before a pause."""

    total: int | None = None
    done: int = 0
    failed: int = 0
    stage: str = ""
    walked: int = 0
    by_events: bool = False
    before: int = 0
    marks: deque[tuple[float, int]] = field(default_factory=deque)

    def take(self, event: Event) -> None:
        """Take another event of the run."""
        at = datetime.fromisoformat(event.at).timestamp()
        if event.kind == "index-planned":
            self.total = self.before + int(event.data["files"])
            self.marks.append((at, self.done))
        elif event.kind == "index-progress":
            self.done, self.failed = self.before + int(event.data["done"]), int(event.data["failed"])
            self.marks.append((at, self.done))
            while self.marks[-1][0] - self.marks[0][0] > _WINDOW_S and len(self.marks) > 2:
                self.marks.popleft()

    def take_line(self, line: bytes) -> bool:
        """Take another line that the run printed; False if it does not report progress."""
        try:
            told = json.loads(line)["progress"]
            done, total, stage = int(told["done"]), int(told["total"]), str(told.get("stage", ""))
        except (ValueError, KeyError, TypeError):
            return False
        self.stage = stage
        if stage in ("walking", "drawing"):
            self.walked = done
        if not self.by_events:
            self.done, self.total = done, total
        elif self.total is None and stage == "reading":  # its library was made just now: no event was read yet
            self.total = total
        return True

    def go_on(self) -> None:
        """The run goes on after a pause: what it does from now on is added to what was done. Failures are not: an index
        run counts those of earlier runs itself."""
        self.before = self.done
        self.stage = ""
        self.marks.clear()

    def as_dict(self) -> dict[str, Any]:
        """The progress with images/s and the seconds left, None before the first batch."""
        rate = None
        if len(self.marks) > 1:
            (first, before), (last, done) = self.marks[0], self.marks[-1]
            rate = (done - before) / (last - first) if last > first else None
        left = None if not rate or self.total is None else (self.total - self.done) / rate
        return {
            "total": self.total,
            "done": self.done,
            "failed": self.failed,
            **({"stage": self.stage} if self.stage else {}),
            **({"walked": self.walked} if self.walked else {}),
            "images_per_s": None if rate is None else round(rate, 2),
            "seconds_left": None if left is None else round(max(0.0, left), 1),
        }


class EventTail:
    """The events of a library from now on; none while there is no library."""

    def __init__(self, store: Callable[[], Store | None]) -> None:
        self._store = store
        now = store()
        self._last = 0 if now is None else newest_event_id(now)

    def new(self) -> Iterator[Event]:
        """Those that came since the last call, oldest first."""
        store = self._store()
        while store is not None and (events := read_events(store, self._last)):
            yield from events
            self._last = events[-1].event_id
