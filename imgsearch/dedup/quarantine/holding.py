"""Holds the file that stays, while copies of it are moved."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from imgsearch.dedup.disk import Identity, Refused, digest_of, lock_file, look, open_file, open_folder, resolve_folder
from imgsearch.dedup.evidence.records import Copy


@dataclass(slots=True)
class Keeper:
    """The file that stays: open, locked against other runs, and checked to hold the bytes of the plan."""

    copy: Copy
    root: str
    folder: str
    name: str
    descriptor: int
    identity: Identity

    def check(self) -> None:
        """Raises Refused unless the file of the plan is still at its path with its bytes, which are read again if
        anything touched it since (making a link to it does)."""
        try:
            with open_folder(self.root, self.folder) as folder:
                now = look(folder, self.name)
        except OSError as exc:
            raise Refused(f"the file to keep cannot be seen: {exc.strerror}") from exc
        if now is not None and now.same_content(self.identity) and now != self.identity:
            digest, self.identity = digest_of(self.descriptor)
            now = now if digest == self.copy.facts.content_hash else None
        if now != self.identity:
            raise Refused("the file to keep is gone or has changed")


@contextlib.contextmanager
def hold_keeper(copy: Copy, root: str) -> Iterator[Keeper]:
    """Open the file to keep and read all of it. Raises Refused unless it has the bytes of the plan."""
    with contextlib.ExitStack() as opened:
        try:
            keeper = _open_keeper(copy, root, opened)
        except Refused as exc:
            raise Refused(f"the file to keep, {copy.path}: {exc}") from exc
        except OSError as exc:
            raise Refused(f"the file to keep, {copy.path}, cannot be read: {exc.strerror}") from exc
        yield keeper


def _open_keeper(copy: Copy, root: str, opened: contextlib.ExitStack) -> Keeper:
    real_root, folder = resolve_folder(root, copy.path)
    name = Path(copy.path).name
    with open_folder(real_root, folder) as parent:
        descriptor = opened.enter_context(open_file(parent, name))
    lock_file(descriptor, alone=False)
    digest, identity = digest_of(descriptor)
    if digest != copy.facts.content_hash:
        raise Refused("it has changed since the plan was made")
    return Keeper(copy, real_root, folder, name, descriptor, identity)
