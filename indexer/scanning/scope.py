"""Turns the paths of a command into the targets of a run: chooses the roots, and the patterns that hold for them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from imgsearch.errors import UsageError
from imgsearch.media.walking.pass_rules import Patterns
from imgsearch.records import Root
from imgsearch.storage import Store
from imgsearch.storage.writer import Writer
from indexer.scanning.remembered import Remembered, described
from indexer.scanning.scan_scope import Target, check_paths, choose_targets, new_root_paths, passed_over


def listed_patterns(patterns: Sequence[str]) -> tuple[str, ...]:
    """A single text counts as one pattern, not as one a letter. Raises UsageError for what is no text."""
    found = (patterns,) if isinstance(patterns, str) or not isinstance(patterns, Iterable) else tuple(patterns)
    for one in found:
        if not isinstance(one, str):
            raise UsageError(f"got {one!r:.60} for a pattern, expected a text", "for example exclude=['*.png']")
    return found


@dataclass(frozen=True, slots=True)
class Choice:
    """The options of a command about what to read: `--exclude`, `--include`, `--no-patterns` (earlier ones no longer
    hold), `--recheck`."""

    exclude: Sequence[str] = ()
    include: Sequence[str] = ()
    no_patterns: bool = False
    recheck: bool = False

    @property
    def speaks(self) -> bool:
        """Whether it says anything about patterns."""
        return bool(self.exclude or self.include or self.no_patterns)

    def check(self) -> None:
        """Raise UsageError for a pattern without any meaning."""
        Patterns("/", tuple(self.exclude), tuple(self.include)).check()


class ScanRoots:
    """The roots and patterns of one library. The first `targets` writes the command's patterns, once."""

    def __init__(self, store: Store, choice: Choice, say: Callable[[str], None]) -> None:
        self._store = store
        self._choice = choice
        self._say = say
        self._said = not choice.speaks
        self._remembered = Remembered(store.path)

    def patterns(self) -> list[Patterns]:
        """All patterns that hold, with absolute folders."""
        return self._remembered.patterns(self._store.roots())

    def targets(self, writer: Writer, paths: Sequence[str], *, named: bool) -> list[Target]:
        """The targets for ``paths`` (none: all roots). ``named``: a person wants them, so a path that the walk of its
        root passes over becomes a root of its own. Raises UsageError."""
        known = self._store.roots()
        if not paths:
            paths = [os.fspath(root.path) for root in known]
            if not paths:
                raise UsageError(
                    f"the library {self._store.path} knows no folder yet", "name one: imgsearch index FOLDER"
                )
            named = False  # an odd earlier root is reported, not refused
        if named:
            check_paths(paths, self._store.path, known)
        for fresh in new_root_paths(paths, known):
            writer.add_root(fresh)
        if not self._said:
            self._remember(paths)
        if named:
            for path in paths:  # one by one: each changes the roots
                for own in passed_over([path], self._store.roots(), self.patterns()):
                    writer.add_root(own)
        roots = self._store.roots()
        return choose_targets(
            paths, roots, self._store.path, self._remembered.patterns(roots), recheck=self._choice.recheck
        )

    def needless(self, used: Iterable[set[str]]) -> list[str]:
        """Sentences about patterns of this command that left out nothing, and are therefore perhaps mistaken."""
        found: set[str] = set().union(*used)
        return [
            f"--exclude {text} left out nothing; a pattern with a slash in it starts at the folder that is named"
            for text in self._choice.exclude
            if text not in found and not text.startswith("!")
        ]

    def note(self, targets: Sequence[Target]) -> str:
        """A sentence about patterns that hold although this command gave none; "" if there are none."""
        if self._choice.speaks:
            return ""
        said = dict.fromkeys(one for target in targets for one in target.said)
        texts = [f"{described(one.exclude, one.include)} below {one.base}" for one in said]
        return f"Patterns of earlier commands hold: {'; '.join(texts)} (--no-patterns ends that)" if texts else ""

    def _remember(self, paths: Sequence[str]) -> None:
        choice, roots = self._choice, self._store.roots()
        for target in choose_targets(paths, roots, self._store.path):
            before = self._remembered.say(
                target.root.root_id, target.scope, choice.exclude, choice.include, os.fspath(Path.cwd())
            )
            if before is not None:
                old = described(before.exclude, before.include)
                self._say(f"{target.path}: the patterns of before no longer hold ({old})")
        self._remembered.save(roots)
        self._said = True


def would_be(
    paths: Sequence[str], known: Sequence[Root], library: Path, choice: Choice, remembered: Remembered
) -> list[Target]:
    """The targets that `ScanRoots.targets` would give, with nothing written: new roots get numbers of their own."""
    paths = paths or [os.fspath(root.path) for root in known]
    roots = list(known)

    def add(path: Path) -> None:
        roots.append(Root(max((root.root_id for root in roots), default=0) + 1, path))

    for fresh in new_root_paths(paths, roots):
        add(fresh)
    if choice.speaks:
        for target in choose_targets(paths, roots, library):
            remembered.say(target.root.root_id, target.scope, choice.exclude, choice.include, os.fspath(Path.cwd()))
    for path in paths:
        for own in passed_over([path], roots, remembered.patterns(roots)):
            add(own)
    return choose_targets(paths, roots, library, remembered.patterns(roots), recheck=choice.recheck)
