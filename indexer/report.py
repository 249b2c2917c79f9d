"""The summary of a run: counted as it is committed, shown as one JSON object or a few lines."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from imgsearch.media.walking.walk_counts import PassedOver
from imgsearch.wording import counted, one_line
from indexer.forecast import time_text
from indexer.scanning.passed_text import left_line, passed_line, program_line


@dataclass
class RunSummary:
    """seen = unchanged + new + copied + moved + changed + touched + failed + vanished + remaining, all of them files;
    ``embedded`` are contents that went through the model."""

    library: str
    model: str
    roots: list[str] = field(default_factory=list)
    seen: int = 0
    unchanged: int = 0
    new: int = 0
    embedded: int = 0
    copied: int = 0  # new files of a content that was known, or came twice
    moved: int = 0  # the same, if an old place of it is gone
    changed: int = 0
    touched: int = 0  # another time of change, the same content
    failed: int = 0  # images listed in `imgsearch failures` after this run
    failed_before: int = 0  # of these: failed in an earlier run, unchanged since, not tried again
    removed: int = 0
    sidecars: int = 0  # files whose sidecars were read: new, changed or gone
    facts_renewed: int = 0  # images whose facts an older program had read
    reread: int = 0  # known images that look different now, and were embedded again
    reread_reasons: dict[str, int] = field(default_factory=dict)
    vanished: int = 0  # deleted between the walk and the reading
    other_files: int = 0
    hidden_folders: int = 0
    program_folders: dict[str, int] = field(default_factory=dict)  # program -> number of its folders, not walked
    passed: PassedOver = field(default_factory=PassedOver)  # what was not taken, and why
    offline: list[dict[str, str]] = field(default_factory=list)
    unreadable: list[dict[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unfinished: bool = False  # stopped while folders were listed, or before known pictures were looked at again
    interrupted: bool = False
    images: int = 0
    files: int = 0
    library_bytes: int = 0
    seconds: float = 0.0
    scan_seconds: float = 0.0

    @property
    def remaining(self) -> int:
        """Files seen and not handled: more than 0 only if the run was stopped."""
        done = self.unchanged + self.new + self.copied + self.moved + self.changed + self.touched
        return self.seen - done - self.failed - self.vanished

    @property
    def exit_code(self) -> int:
        if self.interrupted:
            return 130
        return 3 if self.failed else 0

    @property
    def images_per_s(self) -> float:
        busy = self.seconds - self.scan_seconds
        return round(self.embedded / busy, 3) if busy > 0 else 0.0

    def as_dict(self) -> dict[str, Any]:
        """The JSON for --json."""
        extra = {"remaining": self.remaining, "images_per_s": self.images_per_s, "exit_code": self.exit_code}
        facts = {name: printable(value) for name, value in asdict(self).items() if name != "passed"}
        return facts | {"passed_over": printable(self.passed.as_dict())} | extra

    def text(self) -> str:
        """The same for a person."""
        parts = [
            f"{count:,} {word}"
            for count, word in (
                (self.new, "new"),
                (self.changed, "changed"),
                (self.moved, "moved"),
                (self.copied, "copy" if self.copied == 1 else "copies"),
                (self.touched, "touched"),
                (self.unchanged, "unchanged"),
                (self.removed, "removed"),
                (self.failed, "failed"),
                (self.remaining, "still to do"),
            )
            if count
        ]
        nothing = "stopped while folders were listed" if self.interrupted else "nothing to do"
        rate = f", {self.images_per_s:.1f} images/s" if self.embedded > 1 else ""
        lines = [
            f"{counted(self.seen, 'picture')} seen: {', '.join(parts) or nothing}.",
            f"The library {printable(self.library)} holds {counted(self.images, 'image')} in "
            f"{counted(self.files, 'file')} "
            f"({time_text(self.seconds)}{rate}).",
        ]
        if self.sidecars:
            lines.append(
                f"Sidecars of {counted(self.sidecars, 'picture')} were new, changed or gone, and are taken in."
            )
        if self.facts_renewed:
            lines.append(f"Dates, places and words of {counted(self.facts_renewed, 'picture')} were read anew.")
        if self.reread:
            why = ", ".join(f"{count:,} {reason}" for reason, count in sorted(self.reread_reasons.items()))
            lines.append(f"{counted(self.reread, 'picture')} looked different when read again, for: {why}.")
        lines += [
            f"Offline, everything of it kept: {printable(row['path'])} ({row['reason']}). "
            f"`imgsearch forget` removes it."
            for row in self.offline
        ]
        lines += [printable(line) for line in (left_line(self.passed), passed_line(self.passed)) if line]
        lines += program_line(self.program_folders)
        lines += [f"Not looked into: {printable(row['path'])} ({row['reason']})." for row in self.unreadable[:5]]
        if len(self.unreadable) > 5:
            lines.append(f"... and {len(self.unreadable) - 5:,} more that could not be looked into.")
        lines += [printable(note) + "." for note in self.notes]
        if self.failed:
            lines.append(f"`imgsearch failures --library {printable(self.library)}` lists what failed and why.")
        return "\n".join(lines)


def printable(value: Any) -> Any:
    """The value with `one_line` applied to every string in it."""
    if isinstance(value, str):
        return one_line(value)
    if isinstance(value, list):
        return [printable(item) for item in value]
    if isinstance(value, dict):
        return {key: printable(item) for key, item in value.items()}
    return value
