"""Rewrites people's own files: shows what would change, asks, writes with a journal, and brings the old bytes back."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from imgsearch.cli.output.terminal import ask, shell_word, shown
from imgsearch.errors import UsageError
from imgsearch.wording import counted, counted_are

if TYPE_CHECKING:
    from imgsearch.captions.alt_text import SidecarPlan
    from imgsearch.dedup.quarantine.new_files import NewFile
    from imgsearch.dedup.quarantine.rewrite import Rewrite
    from imgsearch.storage import Store, StoredCaption

Found = list[tuple[Path, "StoredCaption"]]


def agreed(question: str, *, yes: bool) -> bool:
    """Whether to write: --yes, or the person says yes. Where nobody can be asked, False, after saying how to write.
    Raises UsageError for any other answer."""
    if yes:
        return True
    if sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty():
        ask(question, "nothing was written")
        return True
    print("Nothing was written; --yes writes it.", file=sys.stderr)
    return False


def write_sidecars(store: Store, found: Found, *, yes: bool) -> int:
    """Show what happens to each sidecar, and do it. -> 0, or 3 where one could not be written."""
    from imgsearch.dedup.quarantine.new_files import NewFile
    from imgsearch.dedup.quarantine.rewrite import Rewrite

    plans = list(_sidecar_plans(found))
    for plan in plans:
        _show(plan.action, plan.sidecar, plan.text, plan.reason)
    plans = [plan for plan in plans if plan.content is not None]
    if not plans or not agreed(f"Write {len(plans):,} sidecars?", yes=yes):
        return 0
    new = [NewFile(os.fspath(plan.sidecar), plan.content) for plan in plans if plan.before is None and plan.content]
    changes = [
        Rewrite(os.fspath(plan.sidecar), _root_of(store, plan.sidecar), hashlib.sha256(plan.before).hexdigest(), after)
        for plan in plans
        if plan.before is not None and (after := plan.content) is not None
    ]
    return _rewrite(store, changes, "sidecars", new)


def _sidecar_plans(found: Found) -> Iterator[SidecarPlan]:
    """One for each sidecar; if several pictures share one, the first of them has it."""
    from imgsearch.captions.alt_text import plan_sidecar

    taken: set[Path] = set()
    for path, caption in found:
        plan = plan_sidecar(path, caption.text)
        if plan.sidecar not in taken:
            taken.add(plan.sidecar)
            yield plan


def write_into_images(store: Store, found: Found, *, yes: bool) -> int:
    """The same for the pictures themselves. Each is read to be shown, and again to be written."""
    from imgsearch.captions.in_images import ImagePlan, plan_image
    from imgsearch.dedup.quarantine.rewrite import Rewrite, why_not_rewritten

    hashes = {
        number: record.facts.content_hash
        for first in range(0, len(found), 1000)
        for number, record in store.images([each.image_id for _, each in found[first : first + 1000]]).items()
    }

    def plans(chosen: Iterable[tuple[Path, StoredCaption]]) -> Iterator[ImagePlan]:
        for path, caption in chosen:
            yield plan_image(path, caption.text, hashes.get(caption.image_id, ""))

    ready = []
    for plan, one in zip(plans(found), found, strict=True):
        reason = plan.reason or why_not_rewritten(plan.image.lstat())
        _show("leave" if reason else "write", plan.image, plan.text, reason)
        if not reason:
            ready.append(one)
    if not ready or not agreed(f"Write into {counted(len(ready), 'picture')}?", yes=yes):
        return 0
    changes = (
        Rewrite(os.fspath(plan.image), _root_of(store, plan.image), plan.sha256, plan.content)
        for plan in plans(ready)
        if plan.content is not None
    )
    code = _rewrite(store, changes, "pictures")
    print(f"`imgsearch index --library {shell_word(store.path)}` reads them again.", file=sys.stderr)
    return code


def _rewrite(store: Store, changes: Iterable[Rewrite], what: str, new: Sequence[NewFile] = ()) -> int:
    """Write, and say so. -> 0, or 3 where some were left."""
    from imgsearch.dedup.quarantine.rewrite import rewrite_files

    done = rewrite_files(store.layout.originals, changes, new)
    for one in done.left:
        print(f"imgsearch: {shown(one.path)} was not written: {shown(one.reason)}", file=sys.stderr)
    print(f"{done.moved + done.made:,} {what} written", file=sys.stderr)
    if done.moved or done.made:
        kept = (
            f"The originals are in {shown(store.layout.originals)}. Bring them back" if done.moved else "Take it back"
        )
        print(f"{kept}: imgsearch alt-text --undo {done.run_id} --library {shell_word(store.path)}", file=sys.stderr)
    return 3 if done.left else 0


def bring_back(store: Store, words: Sequence[str]) -> int:
    """Undo the run that is named, or the newest that changed something."""
    from imgsearch.dedup.quarantine.undo import undo

    if len(words) > 1:
        raise UsageError(
            f"--undo received {len(words)} words, expected the name of one run", "leave them out: the last"
        )
    folder = store.layout.originals
    done = undo(folder, words[0] if words else None) if folder.is_dir() else None
    if done is None or not done.run_id:
        print("no original is kept: nothing is to be brought back", file=sys.stderr)
        return 1
    if done.returned or not done.removed:
        print(f"{counted_are(done.returned, 'original')} back")
    if done.removed:
        print(f"{counted_are(done.removed, 'new sidecar')} taken away")
    for what, ones in (
        ("stays", done.edited),
        ("put beside", done.beside),
        ("still kept", done.left),
        ("in neither place", done.missing),
    ):
        for one in ones:
            print(f"{what}: {shown(one.path)}: {shown(one.reason)}")
    return 3 if done.left or done.missing else 0


def _show(action: str, path: Path, text: str, reason: str) -> None:
    print(f"{action:5} {shown(path)}: {shown(text)}{f' ({shown(reason)})' if reason else ''}")


def _root_of(store: Store, path: Path) -> str:
    """The library's folder that the file lies in; the file's own folder if there is none."""
    inside = [Path(root.path) for root in store.roots() if path.is_relative_to(root.path)]
    deepest: Path = max(inside, key=lambda root: len(root.parts), default=path.parent)
    return str(deepest)
