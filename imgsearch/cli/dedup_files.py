"""imgsearch dedup apply, undo, purge, distinct: what touches files, and what a person said of them."""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from imgsearch.cli.dedup_find import bars, known_plan
from imgsearch.cli.terminal import shown
from imgsearch.errors import ImgsearchError, LibraryMissing, UsageError
from imgsearch.wording import describe_size

if TYPE_CHECKING:
    from imgsearch.dedup.apply import Left
    from imgsearch.dedup.bookkeeping import Placed
    from imgsearch.storage import Store

_LISTED = 50


def apply(arguments: argparse.Namespace) -> int:
    """The verb apply."""
    from imgsearch.dedup.apply import apply_plan
    from imgsearch.dedup.bookkeeping import planned_files

    plan = known_plan(arguments)
    quarantine = _quarantine(arguments, plan.library)
    with bars(arguments) as progress:
        done = apply_plan(plan, quarantine, arguments.action, lambda n, total: progress("moving", n, total))
    note = _follow(plan.library, planned_files(plan)) if done.moved or done.already else ""
    if arguments.json:
        print(json.dumps({**dataclasses.asdict(done), "quarantine": str(quarantine), "note": note}, indent=2))
    else:
        print(f"{done.moved:,} files moved to {shown(quarantine)}, {describe_size(done.moved_bytes)}")
        if done.companions:
            print(f"{done.companions:,} of them belong to a picture that was moved")
        _tell_all("left where it is", done.left)
        _tell_all("note", done.notes)
        if done.already:
            print(f"{done.already:,} were moved before")
        if done.moved:
            where = f"--quarantine {shown(quarantine)}" if arguments.quarantine else f"--library {shown(plan.library)}"
            print(f"Bring them back:   imgsearch dedup undo {where}\nDelete them:       imgsearch dedup purge {where}")
        if note:
            print(f"note: {note}", file=sys.stderr)
    return 3 if done.left else 0


def undo(arguments: argparse.Namespace) -> int:
    """The verb undo."""
    from imgsearch.dedup.bookkeeping import run_files
    from imgsearch.dedup.quarantine import runs
    from imgsearch.dedup.undo import undo as bring_back

    library = _library(arguments)
    quarantine = _quarantine(arguments, library)
    if arguments.list:
        return _list_runs(quarantine, as_json=arguments.json)
    waiting = [one.run_id for one in runs(quarantine) if one.moved] if quarantine.is_dir() else []
    run_id = arguments.run or (waiting[-1] if waiting else None)
    files = run_files(quarantine, run_id) if run_id and quarantine.is_dir() else []
    with bars(arguments) as progress:
        done = bring_back(quarantine, arguments.run, lambda n, total: progress("returning", n, total))
    note = _follow(library, files)
    if arguments.json:
        print(json.dumps({**dataclasses.asdict(done), "note": note}, indent=2))
    elif not done.run_id:
        print("nothing is in the quarantine", file=sys.stderr)
    else:
        print(f"{done.returned:,} files are back")
        _tell_all("put beside", done.beside)
        _tell_all("note", done.notes)
        _tell_all("still in the quarantine", done.left)
        _tell_all("in neither place", done.missing)
    if not done.run_id:
        return 1
    return 3 if done.left or done.missing else 0


def purge(arguments: argparse.Namespace) -> int:
    """The verb purge."""
    from imgsearch.dedup.purge import purge as empty
    from imgsearch.dedup.quarantine import runs

    quarantine = _quarantine(arguments, _library(arguments))
    known = runs(quarantine) if quarantine.is_dir() else []
    chosen = [one for one in known if one.moved and (arguments.run is None or one.run_id == arguments.run)]
    if not chosen:
        print("nothing is in the quarantine", file=sys.stderr)
        return 1
    files, held = sum(one.moved for one in chosen), sum(one.moved_bytes for one in chosen)
    if not arguments.yes:
        what = f"up to {files:,} files, {describe_size(held)}, in {shown(quarantine)}"
        _ask(f"This deletes {what}. They cannot be brought back.")
    with bars(arguments) as progress:
        done = empty(
            quarantine,
            arguments.run,
            older_than_days=arguments.older_than,
            progress=lambda n, total: progress("deleting", n, total),
        )
    if arguments.json:
        print(json.dumps(dataclasses.asdict(done), indent=2))
    else:
        print(f"{done.purged:,} files deleted, {describe_size(done.purged_bytes)} freed")
        _tell_all("still in the quarantine", done.left)
    return 3 if done.left else 0


def distinct(arguments: argparse.Namespace) -> int:
    """The verb distinct."""
    from imgsearch.library import open_store
    from imgsearch.settings import load_settings

    with open_store(load_settings(vars(arguments))) as store:
        if arguments.list:
            return _list_distinct(store, as_json=arguments.json)
        if len(arguments.paths) < 2:
            raise UsageError(
                f"received {len(arguments.paths)} pictures, expected at least two",
                "imgsearch dedup distinct A.jpg B.jpg",
            )
        pairs = list(itertools.combinations(sorted({_hash_of(store, path) for path in arguments.paths}), 2))
        evidence = store.evidence()
        count = evidence.forget_distinct(pairs) if arguments.forget else evidence.remember_distinct(pairs)
    if arguments.json:
        print(json.dumps({"pairs": len(pairs), "changed": count}))
    else:
        print(f"{count:,} pairs {'forgotten' if arguments.forget else 'remembered as no duplicates'}")
    return 0


def _hash_of(store: Store, path: str) -> str:
    from imgsearch.media.limits import LIMITS
    from imgsearch.media.source import open_source, read_and_hash

    with open_source(path, LIMITS) as source:
        digest, _ = read_and_hash(source)
    if store.image_of(digest) is None:
        raise UsageError(f"{shown(path)} is not in the library {shown(store.path)}", "imgsearch index reads it in")
    return digest


def _list_distinct(store: Store, *, as_json: bool) -> int:
    rows = []
    for first, second, at in store.evidence().distinct():
        ids = [store.image_of(first), store.image_of(second)]
        paths = store.paths([number for number in ids if number is not None])
        names = [str(paths.get(number, "")) if number is not None else "" for number in ids]
        rows.append({"at": at, "first": names[0] or first, "second": names[1] or second})
    if as_json:
        print(json.dumps({"distinct": rows}, indent=2))
    for row in [] if as_json else rows:
        print(f"{row['at']}  {shown(row['first'])}  {shown(row['second'])}")
    return 0 if rows else 1


def _list_runs(quarantine: Path, *, as_json: bool) -> int:
    from imgsearch.dedup.quarantine import runs

    known = runs(quarantine) if quarantine.is_dir() else []
    if as_json:
        print(json.dumps({"runs": [dataclasses.asdict(one) for one in known]}, indent=2))
    for one in [] if as_json else known:
        state = "" if one.finished else ", did not come to its end"
        print(
            f"{one.run_id}  {one.started_at}  {one.action}: {one.moved:,} in the quarantine "
            f"({describe_size(one.moved_bytes)}), {one.returned:,} brought back, {one.purged:,} deleted{state}"
        )
    return 0 if known else 1


def _library(arguments: argparse.Namespace) -> str:
    """The library's folder; "" where only a quarantine is named and no library is there."""
    from imgsearch.library import open_store
    from imgsearch.settings import load_settings

    try:
        with open_store(load_settings(vars(arguments))) as store:
            return str(store.path)
    except LibraryMissing:
        if arguments.quarantine and not arguments.library:
            return ""
        raise


def _quarantine(arguments: argparse.Namespace, library: str) -> Path:
    from imgsearch.storage.layout import LibraryLayout

    if arguments.quarantine:
        return Path(arguments.quarantine).expanduser().absolute()
    if not library:
        raise UsageError("the plan names no library to keep the quarantine in", "name one with --quarantine DIR")
    return LibraryLayout(Path(library)).quarantine


def _follow(library: str, files: Iterable[Placed]) -> str:
    """Bring the library up to date; what there is to say where that failed."""
    from imgsearch.dedup.bookkeeping import follow_files
    from imgsearch.storage import open_store

    if not library:
        return ""
    try:
        with open_store(Path(library)) as store:
            follow_files(store, files)
    except ImgsearchError as error:
        return f"the library does not know it yet ({error.message}); imgsearch index --library {library} tells it"
    return ""


def _ask(question: str) -> None:
    if not sys.stdin.isatty():
        raise UsageError(f"{question} Nobody is there to ask.", "add --yes if that is wanted")
    print(question, file=sys.stderr)
    if input("Type yes to go on: ").strip().lower() != "yes":
        raise UsageError("nothing was deleted", "type yes, or add --yes")


def _tell_all(what: str, ones: Sequence[Left]) -> None:
    for one in ones[:_LISTED]:
        print(f"{what}: {shown(one.path)}: {shown(one.reason)}")
    if len(ones) > _LISTED:
        print(f"{what}: {len(ones) - _LISTED:,} more")
