"""`imgsearch stats`, `failures`, `verify`, `compact`, `forget`, `switch`: a library's contents and upkeep."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgsearch.cli.command import Command
from imgsearch.cli.listed import listed_paths
from imgsearch.wording import counted

if TYPE_CHECKING:
    from imgsearch.storage import Store


_SWITCH_DESCRIPTION = """\
Make the vectors that `imgsearch index --model NEW --beside` made the library's own. Searches and a running server go
on; a server loads the new model and then answers with it. The former vectors stay beside the new ones: --back returns
to them, --forget removes them and frees their disk space.
"""

_WAIT_S = 30.0  # of a switch, for the commit of a run in progress


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--library", metavar="DIR", help="where the library is")
    parser.add_argument("--json", action="store_true", help="one JSON object")


def _configure_verify(parser: argparse.ArgumentParser) -> None:
    _configure(parser)
    parser.add_argument(
        "--repair", action="store_true", help="drop what is damaged; the next index run embeds those pictures again"
    )


def _configure_forget(parser: argparse.ArgumentParser) -> None:
    _configure(parser)
    parser.add_argument("paths", nargs="+", metavar="PATH", help="an indexed folder or file; its pictures stay on disk")


def _open(arguments: argparse.Namespace) -> Store:
    from imgsearch.app import open_store
    from imgsearch.settings import load_settings

    return open_store(load_settings(vars(arguments)))


def _stats(arguments: argparse.Namespace) -> int:
    from imgsearch.cli.output.terminal import shown
    from imgsearch.records import is_model_free
    from imgsearch.wording import describe_size

    with _open(arguments) as store:
        stats = store.stats()
        elsewhere = store.catalog.shown if store.catalog.url else ""
    if arguments.json:
        _print_json(stats)
        return 0
    print(f"library    {shown(stats.path)}")
    vectors = f"{stats.model.query_tokens} x {stats.model.dims} {stats.dtype} a picture"
    if is_model_free(stats.model):
        vectors = "no vectors: copies can be found, but nothing can be searched"
    print(f"model      {shown(stats.model.name)}, {vectors}")
    deleted = (
        f" ({stats.deleted_images:,} deleted, imgsearch compact frees their space)" if stats.deleted_images else ""
    )
    print(f"pictures   {stats.images:,}{deleted}")
    print(f"files      {stats.files:,}, {stats.failures:,} failed")
    if elsewhere:
        print(f"catalog    {shown(elsewhere)}, {describe_size(stats.catalog_bytes)}")
    print(f"on disk    {describe_size(stats.total_bytes)}, of it vectors {describe_size(stats.vector_bytes)}")
    if stats.beside is not None:
        beside = stats.beside
        kept = "from before the switch" if beside.vectors.former else "not switched to yet"
        total = beside.vectors.images + beside.vectors.missing
        print(
            f"beside     {shown(beside.vectors.model.name)}, {kept}: "
            f"{beside.vectors.images:,} of {counted(total, 'picture')}, "
            f"{describe_size(beside.vector_bytes + beside.snapshot_bytes)}"
        )
    for entry in stats.roots:
        state = ", offline" if entry.root.offline else ""
        print(f"folder     {shown(entry.root.path)}: {counted(entry.files, 'file')}, {entry.failures:,} failed{state}")
    return 0


def _failures(arguments: argparse.Namespace) -> int:
    from imgsearch.cli.output.terminal import shown

    count = 0
    with _open(arguments) as store:
        if arguments.json:
            _print_json({"failures": list(store.failures())})
            return 0
        for failure in store.failures():
            count += 1
            again = "; tried again on every run" if failure.transient else ""
            print(f"{shown(failure.path)}: {shown(failure.reason)} ({failure.stage}{again})")
    print(f"{counted(count, 'file')} failed" if count else "no file failed", file=sys.stderr)
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    from imgsearch.cli.output.terminal import shown
    from imgsearch.storage import repair, verify

    with _open(arguments) as store:
        problems = verify(store)
        repaired = repair(store) if problems and arguments.repair else None
        left = verify(store) if repaired else problems
    if arguments.json:
        _print_json({"clean": not left, "problems": problems, "repaired": repaired})
    else:
        for problem in problems:
            print(f"{problem.kind}: {shown(problem.subject)}: {problem.detail}")
        if repaired:
            print(
                f"repaired: {repaired.images:,} pictures in {repaired.batches:,} batches were dropped; index them again"
            )
        print("every checksum and count agrees" if not left else f"{len(left)} problems", file=sys.stderr)
        if left and not arguments.repair:
            print("  imgsearch verify --repair drops what is damaged, imgsearch index brings it back", file=sys.stderr)
    return 4 if left else 0


def _compact(arguments: argparse.Namespace) -> int:
    from imgsearch.storage import compact
    from imgsearch.wording import describe_size

    with _open(arguments) as store:
        done = compact(store)
    if arguments.json:
        _print_json(done)
    else:
        saved = describe_size(max(0, done.bytes_before - done.bytes_after))
        print(f"{done.images_removed:,} deleted pictures removed, {saved} freed")
    return 0


def _forget(arguments: argparse.Namespace) -> int:
    from imgsearch.cli.output.terminal import shown
    from imgsearch.storage import forget

    with _open(arguments) as store:
        gone = [forget(store, Path(path).expanduser().absolute()) for path in listed_paths(arguments.paths)]
    if arguments.json:
        _print_json({"forgotten": gone})
    else:
        for one in gone:
            held = f"{counted(one.files, 'file')}, {counted(one.images, 'picture')}"
            print(f"forgot {shown(one.root.path)}: {held}; the files stay")
    return 0


def _configure_switch(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = _SWITCH_DESCRIPTION
    parser.add_argument("--library", metavar="DIR", help="where the library is")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--back", action="store_true", help="return to the vectors from before the last switch")
    which.add_argument(
        "--forget", action="store_true", help="remove the vectors that lie beside the library's own, new ones or former"
    )
    parser.add_argument(
        "--drop-missing",
        action="store_true",
        help="switch even if pictures have no vectors there: they leave the library until `imgsearch index` reads them "
        "again",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _switch(arguments: argparse.Namespace) -> int:
    from imgsearch.cli.output.terminal import shown
    from imgsearch.storage.upkeep.switching import forget_vectors, switch_vectors
    from imgsearch.wording import counted, describe_size

    with _open(arguments) as store:
        if arguments.forget:
            gone = forget_vectors(store, wait_s=_WAIT_S)
            text = f"the vectors of {shown(gone.model.name)} are removed, {describe_size(gone.freed_bytes)} freed"
            facts: Any = gone
        else:
            done = switch_vectors(store, back=arguments.back, drop_missing=arguments.drop_missing, wait_s=_WAIT_S)
            text = f"the library's vectors are those of {shown(done.now.name)} now, before of {shown(done.before.name)}"
            if done.dropped:
                text += f"; {counted(done.dropped, 'picture')} left until `imgsearch index` reads them again"
            facts = done
    if arguments.json:
        _print_json(facts)
    else:
        print(text)
    return 0


def _print_json(value: Any) -> None:
    """ASCII only; a byte of a path that is not UTF-8 is a lone surrogate, as in Python."""
    print(json.dumps(_plain(value), indent=2))


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


STATS = Command("what a library holds", _configure, _stats)
FAILURES = Command("files that could not be indexed, and why", _configure, _failures)
VERIFY = Command("check every checksum and count of a library", _configure_verify, _verify)
COMPACT = Command("free the space of deleted pictures", _configure, _compact)
FORGET = Command("take a folder out of a library; its pictures stay on disk", _configure_forget, _forget)
SWITCH = Command("make the vectors of another model the library's, and back", _configure_switch, _switch)
