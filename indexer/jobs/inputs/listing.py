"""What a source of inputs gives: absolute paths, members of archives, and what cannot be read, one after the other."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Listed:
    """One input as its source names it. ``path``: absolute, with surrogateescape; of a member the archive's path, "/"
    and the member's name. ``archive``: the archive's absolute path, for a member. ``lost``: why it cannot be read at
    all. ``size_bytes`` is -1 where there is no file."""

    path: str
    size_bytes: int = -1
    mtime_ns: int = 0
    archive: str = ""
    offset: int = 0
    archive_stamp: tuple[int, int] = (0, 0)
    lost: str = ""


@dataclass(slots=True)
class Passed:
    """What sources passed over by rule, by reason: it is no input, and is counted for the person."""

    reasons: dict[str, int] = field(default_factory=dict)

    def add(self, reason: str, count: int = 1) -> None:
        if count:
            self.reasons[reason] = self.reasons.get(reason, 0) + count
