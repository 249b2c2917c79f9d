"""imgsearch dedup here, leaks, prune: for data sets."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from imgsearch.cli.dedup.find import FOUND_SOME, path_of, tiers_of
from imgsearch.cli.folder_library import needs_vectors, opened_library
from imgsearch.cli.folders_below import images_below
from imgsearch.cli.listed import listed_paths
from imgsearch.cli.output.progress import phases
from imgsearch.cli.output.terminal import require_no_folder, shown
from imgsearch.errors import MediaError, UsageError

if TYPE_CHECKING:
    from imgsearch.storage import Store

_LISTED = 50


def here(arguments: argparse.Namespace) -> int:
    """The verb here: exit code 0 where the library has a copy of every picture, 1 where of one it has none (what only
    shares its first picture, its stack or its series with one is listed, and is none), 3 where one cannot be read."""
    from imgsearch.app import open_store
    from imgsearch.dedup.evidence.mapping import evidence_as_dict
    from imgsearch.dedup.here import DuplicateLookup, counts
    from imgsearch.dedup.reports.words import describe_evidence
    from imgsearch.settings import load_settings

    rows: list[dict[str, Any]] = []
    with open_store(load_settings(vars(arguments))) as store:
        shelf = DuplicateLookup(store)
        for path in listed_paths(arguments.paths):
            try:
                found = shelf.is_here(path)
            except MediaError as error:
                rows.append({"path": path, "error": error.message, "here": False, "copies": []})
                continue
            paths = store.paths([image_id for image_id, _ in found])
            copies = [
                {"image_id": image_id, "path": str(paths.get(image_id, "")), **evidence_as_dict(evidence)}
                | {"words": describe_evidence(evidence)}
                for image_id, evidence in found
            ]
            there = any(counts(evidence) for _, evidence in found)
            rows.append({"path": path, "error": "", "here": there, "copies": copies})
    if arguments.json:
        print(json.dumps({"pictures": rows}, indent=2))
    for row in [] if arguments.json else rows:
        if row["error"]:
            print(f"{shown(row['path'])}: not read: {shown(row['error'])}")
        elif not row["here"]:
            print(f"{shown(row['path'])}: not here")
        for copy in row["copies"]:
            print(f"{shown(row['path'])}: {shown(copy['path'])}: {copy['words']}")
    if any(row["error"] for row in rows):
        return 3
    return 0 if all(row["here"] for row in rows) else 1


def leaks(arguments: argparse.Namespace) -> int:
    """The verb leaks."""
    from imgsearch.datasets.leaks import LEAKING, find_leaks, leak_rows
    from imgsearch.dedup.find import compare, read_pairs
    from imgsearch.dedup.reports.tables import LEAKS, write_table

    tiers = tiers_of(arguments.tiers, LEAKING)
    require_no_folder(arguments.out, "--out")
    folders = [] if arguments.library else [*arguments.train, *arguments.test]
    with (
        phases(arguments) as progress,
        opened_library(arguments, folders, vectors=needs_vectors(tiers), progress=progress) as store,
    ):
        train, test = (_images_below(store, named) for named in (arguments.train, arguments.test))
        evidence = store.evidence()
        with evidence.running():
            found = compare(store, evidence, tiers, progress)
        known = list(find_leaks(np.array(sorted(train)), np.array(sorted(test)), read_pairs(evidence, tiers), tiers))
        rows = list(leak_rows(known, lambda ids: _chosen(test, ids), lambda ids: _chosen(train, ids)))
        if arguments.out:
            write_table(LEAKS, rows, arguments.out)
    counts = {"train": len(train), "test": len(test), "leaks": len(known)}
    if arguments.json:
        unread = [{"path": one.path, "reason": one.reason} for one in found.failures]
        print(json.dumps({**counts, "rows": rows, "failures": unread}, indent=2))
    else:
        for row in [] if arguments.out else rows[:_LISTED]:
            print(f"{shown(row['path'])} is in the training set: {shown(row['other_path'])} ({row['words']})")
        if not arguments.out and len(rows) > _LISTED:
            print(f"and {len(rows) - _LISTED:,} more; --out FILE writes all")
        print(f"{len(known):,} of {len(test):,} test pictures have a copy among {len(train):,} training pictures")
        for one in found.failures[:_LISTED]:
            print(f"not read: {shown(one.path)}: {shown(one.reason)}")
    if arguments.check and known:
        return FOUND_SOME
    return 3 if found.failures else 0


def prune_set(arguments: argparse.Namespace) -> int:
    """The verb prune."""
    from imgsearch.datasets.prune import prune, prune_rows
    from imgsearch.dedup.reports.tables import PRUNED, write_table

    require_no_folder(arguments.out, "--out")
    with opened_library(arguments, arguments.folders) as store:
        pruned = prune(store.view(), arguments.keep_fraction, arguments.seed)
        rows = prune_rows(pruned, path_of(store))
        if arguments.out:
            write_table(PRUNED, rows, arguments.out)
        elif not arguments.json:
            for row in rows:
                if row["keep"]:
                    print(shown(row["path"]))
    counts = {"kept": len(pruned.kept), "dropped": len(pruned.dropped)}
    if arguments.json:
        print(json.dumps({**counts, "kept_ids": pruned.kept.tolist(), "dropped_ids": pruned.dropped.tolist()}))
    elif arguments.out:
        print(f"{counts['kept']:,} pictures stay, {counts['dropped']:,} are shown by others: {shown(arguments.out)}")
    return 0


def _images_below(store: Store, folders: Sequence[str]) -> dict[int, list[str]]:
    """Image id -> its files below any of ``folders``. Raises UsageError for a folder that the library has nothing
    of."""
    found: dict[int, list[str]] = {}
    for folder in folders:
        below = images_below(store, folder)
        if not below:
            raise UsageError(f"there is no picture below {shown(folder)}", "name a folder of pictures that can be read")
        for image_id, paths in below.items():
            found.setdefault(image_id, []).extend(paths)
    return found


def _chosen(files: Mapping[int, list[str]], image_ids: Sequence[int]) -> dict[int, list[str]]:
    return {image_id: files[image_id] for image_id in image_ids if image_id in files}
