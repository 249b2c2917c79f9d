"""Moves files that belong together only together: the last decision on what a plan moves.

A stack (a RAW and its JPEG, an edit and its original) moves as a whole. Companions (sidecars, sounds, the film of a
Live Photo) move with their image, and only if the kept image has the same ones: information that only a companion
holds is never moved away.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from imgsearch.dedup.belonging.companions import companions_of, owners_of, same_companion
from imgsearch.dedup.belonging.folder_names import FolderListing, FolderNames
from imgsearch.dedup.belonging.stacks import StackFile, belong_together, stack_key
from imgsearch.dedup.disk import Refused, digest_of, open_file, open_folder
from imgsearch.dedup.evidence.records import Companion, Copy, Evidence, Group, Member
from imgsearch.media.samples.whole import FileTraits
from imgsearch.media.sniff import IMAGE_EXTENSIONS

TraitsOf = Callable[[int], FileTraits | None]

_MOST_HELD = 16_384
"""Members of groups that are held: about a kilobyte each."""


@dataclass(slots=True)
class _Folder:
    """What lies beside the images of one folder."""

    listing: FolderListing
    stacks: dict[str, list[str]] = field(default_factory=dict)  # key -> absolute paths of several images
    others: bool = False  # whether there is any file that is not an image


class _Held:
    """Groups that are gone through twice: kept for the second time if they have at most `_MOST_HELD` members, and made
    again if they have more."""

    def __init__(self, groups: Callable[[], Iterable[Group]]) -> None:
        self._groups = groups
        self._held: list[Group] | None = []

    def first(self) -> Iterator[Group]:
        count = 0
        for group in self._groups():
            count += len(group.members)
            if self._held is not None:
                self._held.append(group)
            if count > _MOST_HELD:
                self._held = None
            yield group

    def again(self) -> Iterator[Group]:
        yield from self._groups() if self._held is None else self._held


class Belongings:
    """Used while a plan is made. Reads folders, and companions of the files that would be moved."""

    def __init__(self, traits: TraitsOf = lambda image_id: None) -> None:
        self._traits = traits
        self._names = FolderNames()
        self._folders: dict[str, _Folder] = {}

    def companions(self, path: str) -> list[str]:
        """The absolute paths of an image's companions; most folders have none, which costs one look-up."""
        folder = self._folder(path)
        return companions_of(path, folder.listing) if folder.others else []

    def attached(self, path: str) -> int:
        """The number of files that belong to an image: those of its stack and its companions."""
        return len(self._mates(path)) + len(self.companions(path))

    def settled(self, groups: Callable[[], Iterable[Group]]) -> Iterator[Group]:
        """The groups that ``groups`` yields (the same ones at every call), with members that must stay marked
        (`Member.stays`) and companions named. Holds the paths of the moved files, 200 bytes each, and the groups if
        they are few."""
        refused: dict[str, str] = {}
        moving: dict[str, str] = {}  # path -> the kept file's
        held = _Held(groups)
        for group in held.first():
            for member in group.members:
                if member.move:
                    why = self._apart_from(group.keeper, member)
                    if why:
                        refused[member.copy.path] = why
                    else:
                        moving[member.copy.path] = group.keeper.path
        carried = self._carriers(moving, refused)
        for group in held.again():
            members = [self._settled(group.keeper, member, moving, refused, carried) for member in group.members]
            yield replace(group, members=tuple(members))

    def _settled(
        self,
        keeper: Copy,
        member: Member,
        moving: dict[str, str],
        refused: dict[str, str],
        carried: dict[str, list[Companion]],
    ) -> Member:
        path = member.copy.path
        if member.evidence.tier not in ("bytes", "stack") and (kind := self._stack_of(keeper, member)):
            return replace(member, move=False, stays="", evidence=_stacked(member.evidence, kind))
        if not member.move or path in moving:
            return replace(member, companions=tuple(carried.get(path, ()))) if member.move else member
        return replace(member, move=False, stays=refused.get(path, ""))

    def _apart_from(self, keeper: Copy, member: Member) -> str:
        """Why a member must stay because of what lies beside it; "" if nothing speaks against a move."""
        if member.evidence.tier != "bytes" and (kind := self._stack_of(keeper, member)):
            return kind
        beside = self.companions(keeper.path)
        for companion in self.companions(member.copy.path):
            alike = (other for other in beside if _kind(other) == _kind(companion))
            if companion not in beside and not any(same_companion(companion, other) for other in alike):
                return f"{os.path.basename(companion)} beside it has no equal beside the kept file"  # noqa: PTH119
        return ""

    def _stack_of(self, keeper: Copy, member: Member) -> str:
        return belong_together(self._stack_file(keeper), self._stack_file(member.copy))

    def _stack_file(self, copy: Copy) -> StackFile:
        return StackFile(copy.path, copy.facts.format, copy.facts.taken_at, self._traits(copy.image_id))

    def _keep_stacks_whole(self, moving: dict[str, str], refused: dict[str, str]) -> None:
        """Remove from ``moving`` files whose move would split a stack, until none is left."""
        waiting = list(moving)
        while parted := [(path, mate) for path in waiting if path in moving and (mate := self._left(path, moving))]:
            waiting = []
            for path, mate in parted:
                del moving[path]
                refused[path] = f"it belongs to {os.path.basename(mate)}, which stays"  # noqa: PTH119
                waiting += self._mates(path)

    def _left(self, path: str, moving: dict[str, str]) -> str:
        """A file of the same stack that is not moved; "" if all are."""
        return next((mate for mate in self._mates(path) if mate not in moving), "")

    def _mates(self, path: str) -> list[str]:
        stacks = self._folder(path).stacks
        if not stacks:
            return []
        return [mate for mate in stacks.get(stack_key(path), ()) if mate != path and _together(path, mate)]

    def _carriers(self, moving: dict[str, str], refused: dict[str, str]) -> dict[str, list[Companion]]:
        """Path of a moved image -> the companions that move with it: each once, with the first of its images. A
        companion that also belongs to an image that stays, stays with it. A companion that cannot be read keeps its
        images, and everything that belongs to them, in place."""
        known: dict[str, Companion | None] = {}
        while True:
            self._keep_stacks_whole(moving, refused)
            carried, unread = self._carried(moving, known)
            if not unread:
                return carried
            for path, companion in unread.items():
                del moving[path]
                refused[path] = f"{os.path.basename(companion)} beside it cannot be read"  # noqa: PTH119

    def _carried(
        self, moving: dict[str, str], known: dict[str, Companion | None]
    ) -> tuple[dict[str, list[Companion]], dict[str, str]]:
        """The companions that move along, and the images with a companion that cannot be read; ``known``: companions
        read before."""
        carried: dict[str, list[Companion]] = defaultdict(list)
        unread: dict[str, str] = {}
        taken: set[str] = set()
        for path in sorted(moving):
            for companion in self.companions(path):
                if not all(owner in moving for owner in owners_of(companion, self._folder(path).listing)):
                    continue
                if companion not in known:
                    known[companion] = _described(companion)
                described = known[companion]
                if described is None:
                    unread[path] = companion
                elif companion not in taken:
                    taken.add(companion)
                    carried[path].append(described)
        return carried, unread

    def _folder(self, path: str) -> _Folder:
        name = os.path.dirname(path)  # noqa: PTH120
        found = self._folders.get(name)
        if found is None:
            listing = self._names.of(name)
            keys: dict[str, list[str]] = defaultdict(list)
            others = False
            for each in listing:
                if os.path.splitext(each)[1].lower() in IMAGE_EXTENSIONS:  # noqa: PTH122
                    keys[stack_key(os.path.join(name, each))].append(os.path.join(name, each))  # noqa: PTH118
                else:
                    others = True
            stacks = {key: paths for key, paths in keys.items() if len(paths) > 1}
            found = self._folders[name] = _Folder(listing, stacks, others)
            if len(self._folders) > 64:
                self._folders.pop(next(iter(self._folders)))
        return found


def _kind(companion: str) -> str:
    return os.path.splitext(companion)[1].casefold()  # noqa: PTH122


def _together(path: str, other: str) -> bool:
    """Decides by names alone, because a file beside the image need not be in the library."""
    return bool(belong_together(StackFile(path, ""), StackFile(other, "")))


def _stacked(evidence: Evidence, kind: str) -> Evidence:
    return replace(evidence, tier="stack", why=kind)


def _described(path: str) -> Companion | None:
    """A companion with the hash of its bytes, as the plan names it; None if it is unreadable or a link."""
    folder, name = os.path.split(path)
    folder = os.path.realpath(folder)
    try:
        with open_folder(folder, folder) as parent, open_file(parent, name) as descriptor:
            digest, identity = digest_of(descriptor)
    except (OSError, Refused):
        return None
    return Companion(path, digest, identity.size_bytes, identity.mtime_ns)
