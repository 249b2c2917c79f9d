"""What a person names on the command line -> what is scanned. Roots never overlap: no file is found by two of them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from imgsearch.errors import UsageError
from imgsearch.records import Root


@dataclass(frozen=True, slots=True)
class Target:
    """A root, or a part of it. ``scope`` is the part's path under the root, '' for all of it. ``skip`` are real
    paths that the walk leaves out: the library, and roots inside this one, which are scanned by themselves.
    ``include`` names folders that a walk passes over otherwise (see `media.program_folders.Included`)."""

    root: Root
    scope: str = ""
    skip: tuple[str, ...] = ()
    include: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """The absolute path that is walked."""
        return os.path.join(self.root.path, self.scope) if self.scope else os.fspath(self.root.path)  # noqa: PTH118

    def relative(self, below: str) -> str:
        """The path under the root of what the walk calls ``below``."""
        if not self.scope:
            return below
        return f"{self.scope}/{below}" if below else self.scope

    def holds(self, relative: str) -> bool:
        """True if that path under the root belongs to this target."""
        return not self.scope or relative == self.scope or relative.startswith(self.scope + "/")


def check_paths(paths: Sequence[str], library: Path, known: Sequence[Root]) -> None:
    """Raise UsageError for a path that is not there (unless a known root holds it) or that lies in the library."""
    inside = os.path.realpath(library)
    for path in paths:
        real = _real(path)
        if _under(real, inside):
            raise UsageError(
                f"{path} is the library's own folder, expected a folder of pictures", "name the folder of your pictures"
            )
        if not os.path.lexists(path) and not any(_under(real, _real(root.path)) for root in known):
            raise UsageError(f"there is no file or folder {path}", "check the spelling; quote a path with spaces")


def new_root_paths(paths: Iterable[str], known: Iterable[Root]) -> list[Path]:
    """The paths that need a root of their own: not inside a known root nor inside another of ``paths``."""
    taken = {_real(root.path) for root in known}
    fresh: dict[str, Path] = {}
    for path in paths:
        fresh.setdefault(_real(path), Path(os.path.abspath(path)))  # noqa: PTH100 - links stay as they were written
    kept = []
    for real, written in fresh.items():
        others = taken | (fresh.keys() - {real})
        if real not in taken and not any(_under(real, other) for other in others):
            kept.append(written)
    return kept


def choose_targets(
    paths: Iterable[str], roots: Sequence[Root], library: Path, include: Sequence[str] = ()
) -> list[Target]:
    """What is scanned for ``paths``, each of which lies in a root. A path that contains other roots brings them
    along; one inside a root is scanned as a part of it; what another target covers is left out."""
    reals = {root.root_id: _real(root.path) for root in roots}
    by_id = {root.root_id: root for root in roots}
    chosen: dict[int, set[str]] = {}
    for path in paths:
        real = _real(path)
        owner = max((i for i in reals if _under(real, reals[i])), key=lambda i: len(reals[i]), default=None)
        if owner is not None:
            scope = os.path.relpath(real, reals[owner]).replace(os.sep, "/")
            chosen.setdefault(owner, set()).add("" if scope == "." else scope)
        for inner, inner_real in reals.items():
            if inner != owner and _under(inner_real, real):
                chosen.setdefault(inner, set()).add("")
    targets = []
    for root_id in sorted(chosen):
        nested = [reals[other] for other in reals if other != root_id and _under(reals[other], reals[root_id])]
        skip = (os.path.realpath(library), *nested)
        scopes = _outermost(chosen[root_id])
        targets += [Target(by_id[root_id], scope, skip, tuple(include)) for scope in scopes]
    return targets


def _outermost(scopes: set[str]) -> list[str]:
    if "" in scopes:
        return [""]
    return sorted(s for s in scopes if not any(s.startswith(other + "/") for other in scopes))


def _real(path: str | os.PathLike[str]) -> str:
    return os.path.realpath(os.fspath(path))


def _under(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
