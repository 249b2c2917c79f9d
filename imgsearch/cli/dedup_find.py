"""imgsearch dedup find, report: look, write down, show; nothing is moved here."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgsearch.cli.folder_library import needs_vectors, opened_library
from imgsearch.cli.terminal import shown
from imgsearch.errors import ImgsearchError, UsageError

if TYPE_CHECKING:
    from imgsearch.dedup.find import FindOptions, Found, Progress
    from imgsearch.dedup.plan import Plan
    from imgsearch.records import Failure
    from imgsearch.storage import Store

FOUND_SOME = 5
"""Exit code of --check where there is something to find."""

_LISTED = 20  # unreadable files named in the summary
_STAGES = {
    "reading": "reading pictures",
    "pixels": "comparing pixels",
    "hashes": "comparing hashes",
    "embeddings": "comparing embeddings",
    "confirming": "looking closely",
    "moving": "moving files",
    "returning": "bringing files back",
    "deleting": "deleting files",
}


def find(arguments: argparse.Namespace) -> int:
    """The verb find."""
    from imgsearch.dedup.find import compare, groups_of
    from imgsearch.dedup.plan import make_plan
    from imgsearch.dedup.plan_file import write_plan
    from imgsearch.dedup.review import PLAN

    options = _options(arguments)
    opened = opened_library(arguments, arguments.folders, vectors=needs_vectors(options.tiers))
    with opened as store, bars(arguments) as progress:
        evidence = store.evidence()
        with evidence.running():
            found = compare(store, evidence, options.tiers, progress)
            groups = groups_of(store, evidence, options, found.failures.append, progress)
        plan = make_plan(
            groups,
            {root.root_id: root.path for root in store.roots()},
            library=store.path,
            options={"tiers": ",".join(options.tiers), "act_on": ",".join(options.acted_on), "keep": options.rule.text}
            | ({"reference": "\n".join(options.rule.reference)} if options.rule.reference else {}),
        )
        written = Path(arguments.plan).expanduser() if arguments.plan else store.layout.dedup / PLAN
        write_plan(plan, written)
        _write_tables(arguments, store, options, plan)
        found.failures = list({one.path: one for one in [*found.failures, *store.failures()]}.values())
    if arguments.report:
        _write_report(plan, Path(arguments.report).expanduser(), found.failures)
    summary = plan.summary()
    if arguments.json:
        print(json.dumps(_as_json(plan, found, written), indent=2))
    else:
        _tell(plan, found, written, arguments)
    if arguments.check and summary.moved:
        return FOUND_SOME
    return 3 if found.failures else 0


def report(arguments: argparse.Namespace) -> int:
    """The verb report."""
    plan = known_plan(arguments)
    written = _write_report(plan, Path(arguments.out).expanduser(), _unread_in(plan.library))
    if arguments.json:
        print(json.dumps(written))
    else:
        print(f"{written['shown']:,} of {written['groups']:,} groups in {shown(arguments.out)}")
    return 0


def _unread_in(library: str) -> list[Failure]:
    """The files of a plan's library that could not be read; none where the library is gone or cannot be opened."""
    from imgsearch.storage import open_store

    if not library:
        return []
    try:
        with open_store(Path(library)) as store:
            return list(store.failures())
    except ImgsearchError:
        return []


def known_plan(arguments: argparse.Namespace) -> Plan:
    """The plan that PLAN names, else the one that find wrote last. Raises UsageError where there is none."""
    from imgsearch.dedup.plan_file import read_plan
    from imgsearch.dedup.review import PLAN
    from imgsearch.library import open_store
    from imgsearch.settings import load_settings

    if arguments.plan:
        return read_plan(Path(arguments.plan).expanduser())
    with open_store(load_settings(vars(arguments))) as store:
        path = store.layout.dedup / PLAN
        if not path.exists():
            raise UsageError(
                f"the library {store.path} has no plan", f"imgsearch dedup find --library {store.path} writes one"
            )
        return read_plan(path)


@contextmanager
def bars(arguments: argparse.Namespace) -> Iterator[Progress]:
    """A bar on stderr for each stage, where a person looks on."""
    from tqdm import tqdm

    silent = arguments.quiet or arguments.json or not sys.stderr.isatty()
    current: dict[str, Any] = {}

    def told(stage: str, done: int, total: int) -> None:
        if silent:
            return
        if stage not in current:
            close()
            current[stage] = tqdm(desc=_STAGES[stage], total=total, leave=False)
        current[stage].total = total
        current[stage].update(done - current[stage].n)

    def close() -> None:
        while current:
            current.popitem()[1].close()

    try:
        yield told
    finally:
        close()


def tiers_of(text: str | None, default: Sequence[str]) -> tuple[str, ...]:
    """The tiers of a list such as "bytes,pixels", in their order. Raises UsageError for an unknown one."""
    from imgsearch.dedup.evidence import TIERS

    if text is None:
        return tuple(default)
    named = [word.strip() for word in text.split(",") if word.strip()]
    if not named or (unknown := [word for word in named if word not in TIERS]):
        wrong = unknown[0] if named else text
        raise UsageError(f"there is no tier {wrong!r}", f"the tiers are {', '.join(TIERS)}")
    return tuple(tier for tier in TIERS if tier in named)


def _options(arguments: argparse.Namespace) -> FindOptions:
    from imgsearch.dedup.evidence import ACTED_ON, NEVER_MOVED
    from imgsearch.dedup.find import SHOWN, FindOptions
    from imgsearch.dedup.keep import DEFAULT, parse_keep

    tiers = tiers_of(arguments.tiers, SHOWN)
    acted_on = tiers_of(arguments.act_on, [tier for tier in ACTED_ON if tier in tiers])
    if wrong := [tier for tier in acted_on if tier in NEVER_MOVED]:
        raise UsageError(
            f"--act-on names {wrong[0]}: such pictures are other shots, and are never moved", "leave it out"
        )
    if wrong := [tier for tier in acted_on if tier not in tiers]:
        raise UsageError(f"--act-on names {wrong[0]}, which --tiers leaves out", "name it in both")
    for folder in arguments.reference:
        if not Path(folder).expanduser().is_dir():
            raise UsageError(f"--reference {shown(folder)} is no folder", "name a folder whose pictures stay")
    reference = [Path(folder).expanduser() for folder in arguments.reference]
    return FindOptions(tiers, acted_on, parse_keep(arguments.keep or DEFAULT, reference))


def _write_tables(arguments: argparse.Namespace, store: Store, options: FindOptions, plan: Plan) -> None:
    from imgsearch.dedup.find import read_pairs
    from imgsearch.dedup.tables import GROUPS, PAIRS, group_rows, pair_rows, write_table

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
    from imgsearch.dedup.report import ReportOptions, write_report

    notes = (f"Kept is what comes first by: {plan.options.get('keep', '')}.", "Nothing was moved yet.")
    done = write_report(plan.groups, path, options=ReportOptions(notes=notes), failures=failures)
    return {"groups": done.groups, "shown": done.shown, "unreadable": done.unreadable, "bytes": done.size_bytes}


def _as_json(plan: Plan, found: Found, written: Path) -> dict[str, Any]:
    summary = plan.summary()
    return {
        "plan": str(written),
        "library": plan.library,
        "pictures": found.pictures,
        "new": found.new,
        "groups": summary.groups,
        "files": summary.files,
        "to_move": summary.moved,
        "to_move_bytes": summary.moved_bytes,
        "freed_bytes": summary.freed_bytes,
        "to_move_by_tier": summary.moved_by_tier,
        "shown_by_tier": summary.shown_by_tier,
        "failures": [{"path": one.path, "stage": one.stage, "reason": one.reason} for one in found.failures],
    }


def _tell(plan: Plan, found: Found, written: Path, arguments: argparse.Namespace) -> None:
    print(f"{found.pictures:,} different pictures in {shown(plan.library)}")
    for line in plan.summary().lines() if plan.groups else ("no copies",):
        print(line)
    for one in found.failures[:_LISTED]:
        print(f"not read: {shown(one.path)}: {shown(one.reason)}")
    if len(found.failures) > _LISTED:
        print(f"and {len(found.failures) - _LISTED:,} more (imgsearch failures --library {shown(plan.library)})")
    print(f"\nThe plan is {shown(written)}; nothing was changed.")
    given = shown(written) if arguments.plan else f"--library {shown(plan.library)}"
    if plan.groups:
        print(f"  imgsearch dedup report {given} --out duplicates.html    # look at it")
        print(f"  imgsearch dedup apply {given}")
