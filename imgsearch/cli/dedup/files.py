"""imgsearch dedup undo, purge, distinct: brings moved files back or deletes them, and records a person's statements."""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from imgsearch.cli.dedup.apply import follow, quarantine_of, tell_all
from imgsearch.cli.dedup.last_plan import last_apply
from imgsearch.cli.output.progress import phases
from imgsearch.cli.output.terminal import ask, shown
from imgsearch.errors import LibraryMissing, MediaError, UsageError
from imgsearch.wording import counted, counted_are, describe_size

if TYPE_CHECKING:
    from imgsearch.storage import Store

_LISTED = 50


def undo(arguments: argparse.Namespace) -> int:
    """The verb undo."""
    from imgsearch.dedup.quarantine.catalog_sync import run_files
    from imgsearch.dedup.quarantine.folder import runs
    from imgsearch.dedup.quarantine.undo import undo as bring_back

    library, quarantine = _place(arguments)
    if arguments.list:
        return _list_runs(quarantine, as_json=arguments.json)
    waiting = [one.run_id for one in runs(quarantine) if one.moved] if quarantine.is_dir() else []
    run_id = arguments.run or (waiting[-1] if waiting else None)
    files = run_files(quarantine, run_id) if run_id and quarantine.is_dir() else []
    with phases(arguments) as progress:
        done = bring_back(quarantine, arguments.run, lambda n, total: progress("returning", n, total))
    note = follow(library, files)
    if arguments.json:
        print(json.dumps({**dataclasses.asdict(done), "note": note}, indent=2))
    elif not done.run_id:
        print(f"nothing is in the quarantine {shown(quarantine)}", file=sys.stderr)
    else:
        print(f"{counted_are(done.returned, 'file')} back from {shown(quarantine)}")
        tell_all("put beside", done.beside)
        tell_all("note", done.notes)
        tell_all("still in the quarantine", done.left)
        tell_all("in neither place", done.missing)
    if not done.run_id:
        return 1
    return 3 if done.left or done.missing else 0


def purge(arguments: argparse.Namespace) -> int:
    """The verb purge."""
    from imgsearch.dedup.quarantine.folder import runs
    from imgsearch.dedup.quarantine.purge import purge as empty

    _, quarantine = _place(arguments)
    known = runs(quarantine) if quarantine.is_dir() else []
    chosen = [one for one in known if one.moved and (arguments.run is None or one.run_id == arguments.run)]
    if not chosen:
        print(f"nothing is in the quarantine {shown(quarantine)}", file=sys.stderr)
        return 1
    files, held = sum(one.moved for one in chosen), sum(one.moved_bytes for one in chosen)
    if not arguments.yes:
        what = f"up to {counted(files, 'file')}, {describe_size(held)}, in {shown(quarantine)}"
        ask(f"This deletes {what}. They cannot be brought back.", "nothing was deleted")
    with phases(arguments) as progress:
        done = empty(
            quarantine,
            arguments.run,
            older_than_days=arguments.older_than,
            progress=lambda n, total: progress("deleting", n, total),
        )
    if arguments.json:
        print(json.dumps(dataclasses.asdict(done), indent=2))
    else:
        print(f"{counted(done.purged, 'file')} deleted, {describe_size(done.purged_bytes)} freed")
        tell_all("still in the quarantine", done.left)
    return 3 if done.left else 0


def distinct(arguments: argparse.Namespace) -> int:
    """The verb distinct."""
    from imgsearch.app import open_store
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
        print(f"{counted(count, 'pair')} {'forgotten' if arguments.forget else 'remembered as no duplicates'}")
    return 0


def _hash_of(store: Store, path: str) -> str:
    from imgsearch.media.limits import LIMITS
    from imgsearch.media.source import open_source, read_and_hash

    try:
        with open_source(path, LIMITS) as source:
            digest, _ = read_and_hash(source)
    except MediaError as exc:
        raise UsageError(f"{shown(path)} cannot be read: {exc.message}", "name pictures of the library") from exc
    if store.image_of(digest) is None:
        raise UsageError(
            f"{shown(path)} is not in the library {shown(store.path)}", "add it with: imgsearch index FOLDER"
        )
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
    from imgsearch.dedup.quarantine.folder import runs

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


def _place(arguments: argparse.Namespace) -> tuple[str, Path]:
    """The library's folder ("" if none is known) and its quarantine: the named ones; else, of the settings' library and
    the one of the last apply, the one that has the named run, or the newest."""
    if arguments.library or arguments.quarantine:
        library = _library(arguments)
        return library, quarantine_of(arguments, library)
    places = []
    last = last_apply()
    if last is not None:
        places.append((last.library, Path(last.quarantine)))
    try:
        library = _library(arguments)
        places.append((library, quarantine_of(arguments, library)))
    except LibraryMissing as exc:
        if not places:
            raise UsageError(
                "no plan was carried out yet, so no quarantine holds anything",
                "`imgsearch dedup apply` carries one out; or name a library with --library DIR, or --quarantine DIR",
            ) from exc
    return max(places, key=lambda place: _newest_run(place[1], arguments.run))  # the first of equals


def _newest_run(quarantine: Path, run_id: str | None) -> tuple[bool, str]:
    """Whether a run is there, and when the newest began, "" if there was none."""
    from imgsearch.dedup.quarantine.folder import runs

    known = runs(quarantine) if quarantine.is_dir() else []
    return any(one.run_id == run_id for one in known), max((one.started_at for one in known), default="")


def _library(arguments: argparse.Namespace) -> str:
    """The library's folder; "" if only a quarantine is named and no library is there."""
    from imgsearch.app import open_store
    from imgsearch.settings import load_settings

    try:
        with open_store(load_settings(vars(arguments))) as store:
            return str(store.path)
    except LibraryMissing:
        if arguments.quarantine and not arguments.library:
            return ""
        raise
