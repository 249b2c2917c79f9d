"""imgsearch dedup find, report: compares, writes a plan, shows it; moves nothing."""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgsearch.cli.dedup.chosen_plan import choose_plan, named_folders
from imgsearch.cli.dedup.last_plan import begin_plan, folders_text, outermost, planned_folders, remember_plan
from imgsearch.cli.folder_library import needs_vectors, opened_library
from imgsearch.cli.folders_below import require_images
from imgsearch.cli.output.progress import phases
from imgsearch.cli.output.terminal import require_no_folder, shell_word, shown
from imgsearch.errors import ImgsearchError, UsageError
from imgsearch.records import MODEL_FREE, is_model_free

if TYPE_CHECKING:
    from imgsearch.dedup.find import FindCounts, FindOptions
    from imgsearch.dedup.plan.records import Plan
    from imgsearch.progress import Progress
    from imgsearch.records import Failure
    from imgsearch.storage import Store

FOUND_SOME = 5
"""Exit code of --check if there is something to find."""

_MADE_BETWEEN_COLLECTIONS = 50_000
"""Objects; with Python's 700 they took 0.8 of 12 s of CPU of the program for 10,000 files."""

_LISTED = 20  # unreadable files named in the summary


def find(arguments: argparse.Namespace) -> int:
    """The verb find."""
    for option in ("plan", "report", "pairs", "groups"):
        require_no_folder(getattr(arguments, option), f"--{option}")
    begin_plan(arguments.folders, arguments.library)
    options = _options(arguments)
    read = () if arguments.library else arguments.folders
    vectors = bool(read) and needs_vectors(options.tiers)
    with (
        _few_collections(),
        phases(arguments) as progress,
        opened_library(arguments, read, vectors=vectors, progress=progress) as store,
    ):
        if not read:
            options = _options(arguments, model_free=is_model_free(store.model))
            if needs_vectors(options.tiers):
                store.require_vectors()
        plan, found, written = _make(arguments, store, options, progress)
    unknown = remember_plan(written, planned_folders(plan.options, plan.roots.values()), plan.created_at)
    if unknown and not arguments.quiet:
        print(
            f"note: apply has to be given the plan's name, because it was not noted: {shown(unknown)}", file=sys.stderr
        )
    if arguments.report:
        _write_report(plan, Path(arguments.report).expanduser(), found.failures)
    if arguments.json:
        print(json.dumps(_as_json(plan, found, written), indent=2))
    else:
        _tell(plan, found, written, arguments, options)
    if arguments.check and plan.summary().moved:
        return FOUND_SOME
    return 3 if found.failures else 0


@contextlib.contextmanager
def _few_collections() -> Iterator[None]:
    """Python looks for circles of objects seldom: a search makes many objects that stay, and next to no circles."""
    before = gc.get_threshold()
    gc.set_threshold(_MADE_BETWEEN_COLLECTIONS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _make(
    arguments: argparse.Namespace, store: Store, options: FindOptions, progress: Progress
) -> tuple[Plan, FindCounts, Path]:
    """Compare, make the plan and write it, and the requested tables."""
    from imgsearch.dedup.find import find_copies
    from imgsearch.dedup.plan.review import PLAN

    within: tuple[str, ...] = ()
    if arguments.library and arguments.folders:
        pictures, within = require_images(store, arguments.folders)
        options = replace(options, within=within)
    if not arguments.plan:
        store.layout.require_writable("name a file outside it for the plan: --plan FILE")
    named = Path(arguments.plan).expanduser() if arguments.plan else store.layout.dedup / PLAN
    written = Path(os.path.abspath(named))  # noqa: PTH100  without links
    folders = {"folders": folders_text(sorted(outermost(arguments.folders)))} if arguments.folders else {}
    plan, found = find_copies(store, options, written, progress, also_recorded=folders)
    _write_tables(arguments, store, options, plan)
    failures = [*found.failures, *store.failures()]
    if within:
        found.pictures = pictures
        tops = tuple(top.rstrip("/") + "/" for top in within)
        failures = [one for one in failures if f"{one.path}/".startswith(tops)]
    found.failures = list({one.path: one for one in failures}.values())
    return plan, found, written


def report(arguments: argparse.Namespace) -> int:
    """The verb report."""
    chosen = choose_plan(arguments)
    if chosen.note and not arguments.quiet:
        print(f"note: {chosen.note}", file=sys.stderr)
    plan = chosen.plan
    written = _write_report(plan, Path(arguments.out).expanduser(), _unread_in(plan.library))
    if arguments.json:
        print(json.dumps(written))
    else:
        where = named_folders(chosen.folders)
        print(f"{written['shown']:,} of {written['groups']:,} groups of {where} in {shown(arguments.out)}")
    return 0


def _unread_in(library: str) -> list[Failure]:
    """The files of a plan's library that could not be read; none if the library is gone or cannot be opened."""
    from imgsearch.storage import open_store

    if not library:
        return []
    try:
        with open_store(Path(library)) as store:
            return list(store.failures())
    except ImgsearchError:
        return []


def tiers_of(text: str | None, default: Sequence[str]) -> tuple[str, ...]:
    """The tiers of a list such as "bytes,pixels", in their order. Raises UsageError for an unknown one."""
    from imgsearch.dedup.evidence.records import TIERS

    if text is None:
        return tuple(default)
    named = [word.strip() for word in text.split(",") if word.strip()]
    if not named or (unknown := [word for word in named if word not in TIERS]):
        wrong = unknown[0] if named else text
        raise UsageError(f"there is no tier {wrong!r}", f"the tiers are {', '.join(TIERS)}")
    return tuple(tier for tier in TIERS if tier in named)


def _options(arguments: argparse.Namespace, *, model_free: bool = False) -> FindOptions:
    """The requested options. By default, near copies and bursts are looked for if vectors are known: in a library that
    is not ``model_free``, and in bare folders if --model names a model."""
    from imgsearch.dedup.evidence.records import ACTED_ON, NEVER_MOVED, TIERS
    from imgsearch.dedup.find import COPIES, SHOWN, FindOptions
    from imgsearch.dedup.groups.keep import DEFAULT, parse_keep

    bare = bool(arguments.folders) and not arguments.library and arguments.model in (None, MODEL_FREE)
    acted_on = tiers_of(arguments.act_on, ())
    asked = {*(COPIES if bare or model_free else SHOWN), *acted_on}
    tiers = tiers_of(arguments.tiers, [tier for tier in TIERS if tier in asked])
    if arguments.act_on is None:
        acted_on = tuple(tier for tier in ACTED_ON if tier in tiers)
    if wrong := [tier for tier in acted_on if tier in NEVER_MOVED]:
        raise UsageError(f"--act-on names {wrong[0]}: such pictures are no copies, and are never moved", "leave it out")
    if wrong := [tier for tier in acted_on if tier not in tiers]:
        raise UsageError(f"--act-on names {wrong[0]}, which --tiers leaves out", "name it in both")
    for folder in arguments.reference:
        if not Path(folder).expanduser().is_dir():
            raise UsageError(f"--reference {shown(folder)} is no folder", "name a folder whose pictures stay")
    reference = [Path(folder).expanduser() for folder in arguments.reference]
    return FindOptions(tiers, acted_on, parse_keep(arguments.keep or DEFAULT, reference))


def _write_tables(arguments: argparse.Namespace, store: Store, options: FindOptions, plan: Plan) -> None:
    from imgsearch.dedup.find import read_pairs
    from imgsearch.dedup.reports.tables import GROUPS, PAIRS, group_rows, pair_rows, write_table

    if arguments.pairs:
        write_table(PAIRS, pair_rows(read_pairs(store.evidence(), options.tiers), path_of(store)), arguments.pairs)
    if arguments.groups:
        write_table(GROUPS, group_rows(plan.groups), arguments.groups)


def path_of(store: Store) -> Any:
    """Image ids -> the path of one file each, for tables."""

    def paths(image_ids: Sequence[int]) -> Mapping[int, str]:
        return {image_id: str(path) for image_id, path in store.paths(image_ids).items()}

    return paths


def _write_report(plan: Plan, path: Path, failures: Sequence[Failure]) -> dict[str, Any]:
    from imgsearch.dedup.reports.report import ReportOptions, write_report

    folders = named_folders(planned_folders(plan.options, plan.roots.values()))
    notes = (
        f"Found in {folders} on {plan.created_at}.",
        f"Kept is what comes first by: {plan.options.get('keep', '')}.",
        "Nothing was moved yet.",
    )
    done = write_report(plan.groups, path, options=ReportOptions(notes=notes), failures=failures)
    return {"groups": done.groups, "shown": done.shown, "unreadable": done.unreadable, "bytes": done.size_bytes}


def _as_json(plan: Plan, found: FindCounts, written: Path) -> dict[str, Any]:
    summary = plan.summary()
    return {
        "plan": str(written),
        "library": plan.library,
        "folders": sorted(planned_folders(plan.options, plan.roots.values())),
        "tiers": plan.options["tiers"].split(","),
        "pictures": found.pictures,
        "new": found.new,
        "groups": summary.groups,
        "files": summary.files,
        "to_move": summary.moved,
        "to_move_bytes": summary.moved_bytes,
        "freed_bytes": summary.freed_bytes,
        "companions": summary.companions,
        "to_move_by_tier": summary.moved_by_tier,
        "shown_by_tier": summary.shown_by_tier,
        "stay_by_reason": summary.stay_by_reason,
        "failures": [{"path": one.path, "stage": one.stage, "reason": one.reason} for one in found.failures],
    }


def _tell(plan: Plan, found: FindCounts, written: Path, arguments: argparse.Namespace, options: FindOptions) -> None:
    from imgsearch.dedup.plan.summary import several, tier_words

    where = ", ".join(map(shown, arguments.folders)) or shown(plan.library)
    print(f"{several(found.pictures, 'different picture')} in {where}")
    for line in plan.summary().lines() if plan.groups else ("no copies",):
        print(line)
    print(f"looked for: {tier_words(options.tiers)}")
    if "near" not in options.tiers and arguments.tiers is None:
        bare = bool(arguments.folders) and not arguments.library
        mend = f"add --tiers {','.join([*options.tiers, 'near'])}" if bare else "the library has no model"
        print(f"near copies were not looked for: {mend}")
    for one in found.failures[:_LISTED]:
        print(f"not read: {shown(one.path)}: {shown(one.reason)}")
    if len(found.failures) > _LISTED:
        print(f"and {len(found.failures) - _LISTED:,} more (imgsearch failures --library {shell_word(plan.library)})")
    print(f"\nThe plan is {shown(written)}; nothing was changed.")
    if plan.groups:
        print(f"  imgsearch dedup report {shell_word(written)} --out duplicates.html    # look at it")
    if plan.summary().moved:
        print(f"  imgsearch dedup apply {shell_word(written)}    # asks, then moves these files to a quarantine")
