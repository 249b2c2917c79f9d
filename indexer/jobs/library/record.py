"""What a job published last, and where."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from imgsearch.files import write_whole
from indexer.jobs.shards.writer import writing_job
from indexer.jobs.spec import JobSpec


@dataclass(frozen=True, slots=True)
class PublishedRecord:
    """``published.json``: what was published last, so that a library that a person has changed since is never
    replaced."""

    folder: str = ""
    missing: list[int] = field(default_factory=list)
    digest: str = ""
    images: int = 0
    files: int = 0

    @classmethod
    def read(cls, spec: JobSpec) -> PublishedRecord:
        """An empty one where there is none, or none that can be read: then nothing counts as published."""
        try:
            return cls(**json.loads(spec.layout.published.read_bytes()))
        except (OSError, ValueError, TypeError):
            return cls()

    def describes(self, target: Path) -> bool:
        """Whether ``target`` is that library, untouched."""
        return self.folder == str(target) and self.digest == catalog_digest(target)

    def write(self, spec: JobSpec) -> None:
        with writing_job(spec.layout.published):
            write_whole(spec.layout.published, json.dumps(asdict(self), indent=1).encode("ascii") + b"\n")


def catalog_digest(library: Path) -> str:
    """sha256 of the catalog, with the log of what was written since; '' if there is none."""
    digest = hashlib.sha256()
    try:
        for name in ("catalog.db", "catalog.db-wal"):
            path = library / name
            if name == "catalog.db" or path.exists():
                with path.open("rb") as file:
                    while piece := file.read(1 << 20):
                        digest.update(piece)
    except OSError:
        return ""
    return digest.hexdigest()
