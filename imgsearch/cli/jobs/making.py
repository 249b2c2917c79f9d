"""`imgsearch job create`, `publish` and `merge`."""

from __future__ import annotations

import argparse
import json
import shlex
from pathlib import Path

from imgsearch.cli.output.progress import phases
from imgsearch.settings import load_settings
from imgsearch.wording import counted, one_line
from indexer.jobs.create import Created, CreateRequest, create_job
from indexer.jobs.library.merge import merge_libraries
from indexer.jobs.library.publish import Published, publish_job
from indexer.jobs.report import equation


def create(arguments: argparse.Namespace) -> int:
    """Make a job, or say what it would take."""
    settings = load_settings({**vars(arguments), "library": Path(arguments.output)})
    request = CreateRequest(
        arguments.input,
        Path(arguments.output).expanduser(),
        settings,
        arguments.shard_size,
        arguments.column,
        arguments.keep_features,
    )
    with phases(arguments) as progress:
        if arguments.dry_run:
            from indexer.jobs.estimate import estimate_job

            found = estimate_job(request, progress)
            print(json.dumps(found.as_dict(), indent=2) if arguments.json else found.text())
            return 0
        made = create_job(request, progress)
    print(json.dumps(_created(made), indent=2) if arguments.json else _created_text(made))
    return 0


def _created(made: Created) -> dict[str, object]:
    spec = made.spec
    return {
        "job": spec.folder,
        "id": spec.job_id,
        "inputs": spec.count,
        "shards": len(spec.shards),
        "model": spec.model_name,
        "batch_size": spec.batch_size,
        "roots": [one_line(root) for root in spec.roots],
        "passed_over": made.passed.reasons,
    }


def _created_text(made: Created) -> str:
    spec = made.spec
    shards = counted(len(spec.shards), "shard")
    lines = [f"{counted(spec.count, 'input')} in {shards}, model {spec.model_name}: {spec.folder}."]
    lines += [f"Passed over: {reason} ({count:,})." for reason, count in sorted(made.passed.reasons.items())]
    lines.append(f"Next: imgsearch job run {shlex.quote(spec.folder)}")
    return "\n".join(map(one_line, lines))


def publish(arguments: argparse.Namespace) -> int:
    """Make the library."""
    to = Path(arguments.to).expanduser() if arguments.to else None
    with phases(arguments) as progress:
        job = Path(arguments.job).expanduser()
        made = publish_job(job, to, progress, partial=arguments.partial, catalog_url=arguments.catalog_url)
    print(json.dumps(_published(made), indent=2) if arguments.json else _published_text(made))
    return 3 if made.sums.failed or made.missing else 0


def _published(made: Published) -> dict[str, object]:
    return {
        "library": one_line(str(made.folder)),
        "images": made.images,
        "files": made.files,
        "failed": made.sums.failed,
        "missing_shards": list(made.missing),
        "missing_inputs": made.sums.pending,
        "already": made.already,
    }


def _published_text(made: Published) -> str:
    folder = shlex.quote(str(made.folder))
    lines = [
        f"{'Already published' if made.already else 'Published'}: {counted(made.images, 'picture')} in "
        f"{counted(made.files, 'file')}, {made.folder}.",
        equation(made.sums),
    ]
    if made.missing:
        lines.append(
            f"Missing: {counted(len(made.missing), 'shard')} with {counted(made.sums.pending, 'input')}, listed in the "
            "library's failures. Publish again when they are done."
        )
    verb = "search" if made.searchable else "dedup find"
    lines.append(f"Next: imgsearch {verb} --library {folder}")
    return "\n".join(map(one_line, lines))


def merge(arguments: argparse.Namespace) -> int:
    """Join libraries."""
    folders = [Path(word).expanduser() for word in arguments.libraries]
    with phases(arguments) as progress:
        output = Path(arguments.output).expanduser()
        merged = merge_libraries(folders, output, progress, catalog_url=arguments.catalog_url)
    print(json.dumps(merged.as_dict(), indent=2) if arguments.json else merged.text())
    return 0
