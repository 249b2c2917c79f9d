"""Turns the paths of a command line into targets to scan. Roots never overlap: no file is found through two of them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from imgsearch.errors import UsageError
from imgsearch.media import sniff
from imgsearch.media.walking.pass_rules import PassRules, Patterns
from imgsearch.records import Root

_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@dataclass(frozen=True, slots=True)
class Target:
    """A root, or a part of it. ``scope`` is the part's path under the root, '' for all of it. ``skip`` are real
    paths that the walk leaves out: the library, and roots inside this one, which are scanned by themselves.
    ``said`` are the patterns of commands; ``top`` is the outermost root that the root lies in, whose `.imgsearchignore`
    files apply here too. ``recheck``: contents are compared though size and time agree."""

    root: Root
    scope: str = ""
    skip: tuple[str, ...] = ()
    said: tuple[Patterns, ...] = ()
    top: str | None = None
    recheck: bool = False

    @property
    def path(self) -> str:
        """The absolute path that is walked."""
        return os.path.join(self.root.path, self.scope) if self.scope else os.fspath(self.root.path)  # noqa: PTH118

    def relative(self, below: str) -> str:
        """The path under the root of what the walk calls ``below``."""
        if not self.scope:
            return below
        return f"{self.scope}/{below}" if below else self.scope

    def rules(self) -> PassRules:
        """The rules of a walk of the root, looked up again at each call."""
        return PassRules(os.fspath(self.root.path), self.said, top=self.top)

    def holds(self, relative: str) -> bool:
        """True if that path under the root belongs to this target."""
        return not self.scope or relative == self.scope or relative.startswith(self.scope + "/")


def check_paths(paths: Sequence[str], library: Path, known: Sequence[Root]) -> None:
    """Raise UsageError for a path that does not exist (unless a known root holds it), that lies in the library, or that
    is no folder and cannot be a picture. Opens only files whose extension is not a picture's."""
    inside = os.path.realpath(library)
    for path in paths:
        if not path or "\0" in path:
            raise UsageError(f"received the path {path!r}, expected a folder or a file", "quote a path with spaces")
        real = _real(path)
        if _under(real, inside):
            raise UsageError(
                f"{path} is the library's own folder, expected a folder of pictures", "name the folder of your pictures"
            )
        held = any(_under(real, _real(root.path)) for root in known)
        if not os.path.lexists(path) and not held:
            raise UsageError(f"there is no file or folder {path}", "check the spelling; quote a path with spaces")
        if kind := odd_kind(path) or _other_kind(path):
            is_root = any(root.path == Path(os.path.abspath(path)) for root in known)  # noqa: PTH100
            hint = f"`imgsearch forget {path}` takes it out of the library" if is_root else "name a folder of pictures"
            raise UsageError(f"{path} is {kind}, expected a folder or a picture", hint)
        if os.path.islink(path) and not os.path.exists(path) and not held:  # noqa: PTH110, PTH114
            raise UsageError(f"{path} is a link that leads nowhere, expected a folder or a picture", "mend the link")


def odd_kind(path: str | os.PathLike[str]) -> str:
    """ "a device", "a pipe" and the like; "" for a folder, a file, and a path that is missing or cannot be checked."""
    try:
        return _KINDS.get(stat.S_IFMT(os.stat(path).st_mode), "")  # noqa: PTH116
    except (OSError, ValueError):
        return ""


def _other_kind(path: str) -> str:
    """ "a text file" and the like, of a file that no walk would take for a picture; "" for one that it would take or
    that says that it is a picture, for a folder, and for what cannot be read."""
    name = os.path.basename(path)  # noqa: PTH119
    extension = os.path.splitext(name)[1].lower()  # noqa: PTH122
    if extension in sniff.IMAGE_EXTENSIONS or extension in sniff.UNREAD_EXTENSIONS or not os.path.isfile(path):  # noqa: PTH113
        return ""
    try:
        with open(path, "rb") as stream:  # noqa: PTH123
            head = stream.read(sniff.HEAD_BYTES)
    except (OSError, ValueError):
        return ""
    kind = sniff.sniff(head, name)
    return "" if kind.format else kind.description if head else "an empty file"


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


def passed_over(paths: Iterable[str], roots: Sequence[Root], said: Sequence[Patterns]) -> list[Path]:
    """Those of ``paths``, each of which lies in a root, that a walk of this root passes over. A person named them, so
    they are wanted and become roots of their own."""
    found = []
    for path in paths:
        owner = _owner(_real(path), roots)
        if owner is None or not os.path.lexists(path):
            continue
        relative = os.path.relpath(_real(path), _real(owner.path))
        inside = os.path.join(owner.path, relative)  # noqa: PTH118
        if relative != "." and _rules_of(owner, roots, said).reason(inside):
            found.append(Path(inside))
    return found


def choose_targets(
    paths: Iterable[str],
    roots: Sequence[Root],
    library: Path,
    said: Sequence[Patterns] = (),
    *,
    recheck: bool = False,
) -> list[Target]:
    """The targets for ``paths``, each of which lies in a root. A path that contains other roots includes them; one
    inside a root is scanned as a part of it; parts that another target covers are left out."""
    reals = {root.root_id: _real(root.path) for root in roots}
    by_id = {root.root_id: root for root in roots}
    chosen: dict[int, set[str]] = {}
    for path in paths:
        real = _real(path)
        owner = _owner(real, roots)
        if owner is not None:
            scope = os.path.relpath(real, reals[owner.root_id]).replace(os.sep, "/")
            chosen.setdefault(owner.root_id, set()).add("" if scope == "." else scope)
        for inner, inner_real in reals.items():
            if (owner is None or inner != owner.root_id) and _under(inner_real, real):
                chosen.setdefault(inner, set()).add("")
    targets = []
    for root_id in sorted(chosen):
        nested = [reals[other] for other in reals if other != root_id and _under(reals[other], reals[root_id])]
        skip = (os.path.realpath(library), *nested)
        rules = _rules_of(by_id[root_id], roots, said)
        about = tuple(one for one in said if _related(one.base, rules.root))
        for scope in _outermost(chosen[root_id]):
            targets.append(Target(by_id[root_id], scope, skip, about, rules.top, recheck))
    return targets


def _owner(real: str, roots: Sequence[Root]) -> Root | None:
    """The innermost root that holds a real path."""
    return max(
        (one for one in roots if _under(real, _real(one.path))), key=lambda one: len(_real(one.path)), default=None
    )


def _rules_of(root: Root, roots: Sequence[Root], said: Sequence[Patterns]) -> PassRules:
    path = os.fspath(root.path)
    above = (os.fspath(one.path) for one in roots if _under(path, os.fspath(one.path)))
    return PassRules(path, said, top=min(above, key=len))


def _related(one: str, other: str) -> bool:
    return _under(one, other) or _under(other, one)


def _outermost(scopes: set[str]) -> list[str]:
    if "" in scopes:
        return [""]
    return sorted(s for s in scopes if not any(s.startswith(other + "/") for other in scopes))


def _real(path: str | os.PathLike[str]) -> str:
    return os.path.realpath(os.fspath(path))


def _under(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
