"""Copies that are on no disk, and files on one, for the tests of this room."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from imgsearch.dedup.evidence.records import Companion, Copy, Evidence, Group, Member
from imgsearch.dedup.plan.records import Plan, make_plan
from imgsearch.records import MediaFacts

OLD_NS = 1_600_000_000_123_456_789


def make_copy(path: str, image_id: int, content: str = "", **facts) -> Copy:
    """A copy that is on no disk; ``content`` is what its hash is made of."""
    digest = hashlib.sha256((content or f"image {image_id}").encode()).hexdigest()
    size = facts.pop("size_bytes", 100)
    mtime = facts.pop("mtime_ns", 1_000)
    known = {"perceptual_hash": 0, "width": 10, "height": 10, "format": "JPEG", "size_bytes": size} | facts
    return Copy(path, 1, image_id, size, mtime, MediaFacts(digest, **known))


@dataclass
class Desk:
    """A root of files on a disk and a quarantine beside it."""

    root: Path
    quarantine: Path
    images: dict[bytes, int] = field(default_factory=dict)

    def path(self, name: str | bytes) -> Path:
        return self.root / os.fsdecode(name)

    def write(self, name: str | bytes, content: bytes, mtime_ns: int = OLD_NS, mode: int = 0o640) -> Path:
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(mode)
        os.utime(path, ns=(mtime_ns, mtime_ns))
        return path

    def copy(self, name: str | bytes) -> Copy:
        """What the library would say of the file."""
        path = self.path(name)
        content, status = path.read_bytes(), path.stat()
        number = self.images.setdefault(content, len(self.images) + 1)
        facts = MediaFacts(hashlib.sha256(content).hexdigest(), 0, 10, 10, "JPEG", len(content))
        return Copy(str(path), 1, number, len(content), status.st_mtime_ns, facts)

    def companion(self, name: str | bytes) -> Companion:
        """What a plan would say of a file beside a picture."""
        content, status = self.path(name).read_bytes(), self.path(name).stat()
        return Companion(str(self.path(name)), hashlib.sha256(content).hexdigest(), status.st_size, status.st_mtime_ns)

    def group(
        self,
        keeper: str | bytes,
        *names: str | bytes,
        tier: str | None = None,
        companions: Mapping[str, Iterable[str]] | None = None,
    ) -> Group:
        """The members are of tier bytes where they are, else perceptual, unless ``tier`` says. ``companions``: names
        by the member's."""
        kept = self.copy(keeper)
        members = []
        for name in names:
            copy = self.copy(name)
            same = copy.facts.content_hash == kept.facts.content_hash
            along = tuple(self.companion(one) for one in (companions or {}).get(os.fsdecode(name), ()))
            evidence = Evidence(tier or ("bytes" if same else "perceptual"), 1.0)
            members.append(Member(copy, evidence, companions=along))
        return Group(kept, "first by name", tuple(members))

    def plan(self, *groups: Group) -> Plan:
        return make_plan(groups, {1: self.root})

    def waiting(self) -> dict[str, bytes]:
        """The files of one run in the quarantine: name -> bytes."""
        found = self.waiting_of_all_runs()
        assert len({path.parents[2] for path in found}) < 2
        return {path.name.partition("-")[2]: content for path, content in found.items()}

    def waiting_of_all_runs(self) -> dict[Path, bytes]:
        """The files in the quarantine; no half copies, of which the originals stand."""
        found = (path for path in self.quarantine.glob("runs/*/files/*/*") if path.suffix != ".part")
        return {path: path.read_bytes() for path in found}

    def content(self) -> dict[str, tuple[bytes, int, int]]:
        """Every file below the root: path -> bytes, mtime, mode; links as where they lead."""
        found = {}
        for folder, folders, names in os.walk(self.root):
            for name in [*names, *folders]:
                path = Path(folder) / name
                if path.is_symlink():
                    found[str(path)] = (os.fsencode(path.readlink()), 0, 0)
                elif path.is_file():
                    status = path.stat()
                    found[str(path)] = (path.read_bytes(), status.st_mtime_ns, status.st_mode)
        return found
