"""`imgsearch build`: the snapshot that makes a large library quick to search."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING

from imgsearch.cli.command import Command
from imgsearch.cli.output.progress import image_bar, phases
from imgsearch.errors import UsageError
from imgsearch.wording import counted

if TYPE_CHECKING:
    from indexer.snapshot import BuildOutlook


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Build the search index of a library anew. `imgsearch index` does it by itself when enough is new; searching "
        "works with and without, and finds every picture the moment it is committed. With --qdrant the vectors are "
        "sent to a Qdrant server instead: what is missing there, and nothing twice."
    )
    parser.add_argument("--library", metavar="DIR", help="where the library is")
    parser.add_argument(
        "--qdrant",
        nargs="?",
        const="",
        metavar="URL",
        help="send the vectors to this Qdrant server (default: the setting qdrant_url), http://localhost:6333; "
        "a key comes from IMGSEARCH_QDRANT_API_KEY",
    )
    parser.add_argument("--qdrant-collection", metavar="NAME", help="the collection (default: named after the library)")
    parser.add_argument("--fresh", action="store_true", help="with --qdrant: delete the collection and send all anew")
    parser.add_argument("--force", action="store_true", help="build even if the library is small or nothing is new")
    parser.add_argument("--quiet", action="store_true", help="no bar on stderr")
    parser.add_argument("--json", action="store_true", help="one JSON object")


def _run(arguments: argparse.Namespace) -> int:
    if arguments.qdrant is not None:
        return _send(arguments)
    if arguments.fresh:
        raise UsageError("--fresh belongs to --qdrant", "a snapshot is always built anew; --force builds it unasked")
    return _build(arguments)


def _send(arguments: argparse.Namespace) -> int:
    """Push the library to a Qdrant server."""
    from imgsearch.app import open_store, qdrant_address
    from imgsearch.index.qdrant import PushStopped, connect, push_library
    from imgsearch.index.qdrant.ownership import collection_of
    from imgsearch.progress import stage_of
    from imgsearch.settings import load_settings
    from indexer.interrupt import Stop

    settings = load_settings({**vars(arguments), "qdrant_url": arguments.qdrant or None})
    address = qdrant_address(settings)
    if address is None:
        raise UsageError(
            "--qdrant names no server, and neither does the setting qdrant_url",
            "for example imgsearch build --qdrant http://localhost:6333",
        )
    with open_store(settings) as store, Stop() as stop:
        store.require_vectors()
        if not store.view().count:
            raise UsageError("the library holds no picture yet", "imgsearch index FOLDER")
        collection = collection_of(store, address.collection)
        with closing(connect(address, collection)) as points:
            try:
                with phases(arguments) as progress:
                    done = push_library(
                        store, points, address.vectors, stage_of(progress, "sending"), stop, fresh=arguments.fresh
                    )
            except PushStopped:
                print(
                    "imgsearch: stopped; what was sent stays, and the same command goes on from there", file=sys.stderr
                )
                return stop.exit_code
            name = points.name
    if arguments.json:
        print(json.dumps({"url": address.url, "collection": collection, **asdict(done)}, indent=2))
    else:
        print(f"{counted(done.points, 'picture')} in {name}")
        print(f"{done.sent:,} sent now, {done.deleted:,} deleted there, {done.compared:,} read back and found equal")
        if not settings.qdrant_url or arguments.qdrant:
            print(f"searches use it with qdrant_url = {json.dumps(address.url)} in the settings file")
    return 0


def _build(arguments: argparse.Namespace) -> int:
    from imgsearch.app import open_store
    from imgsearch.index.construction import require_faiss
    from imgsearch.settings import load_settings
    from imgsearch.storage import latest_snapshot
    from indexer.columns import refresh_columns
    from indexer.interrupt import Stop
    from indexer.snapshot import BuildStopped, build_snapshot, outlook_of

    require_faiss()
    with open_store(load_settings(vars(arguments))) as store, Stop() as stop:
        store.require_vectors()
        outlook = outlook_of(store.view(), latest_snapshot(store))
        reason = _needless(outlook)
        info = None
        if outlook.images and (arguments.force or not reason):
            try:
                with image_bar(arguments) as progress:
                    info = build_snapshot(store, progress, stop)
                    refresh_columns(store, progress, force=True)
            except BuildStopped:
                print("imgsearch: stopped; the library is as it was", file=sys.stderr)
                return stop.exit_code
    if arguments.json:
        facts = {"built": info is not None, "pictures": outlook.images, "reason": "" if info else reason}
        if info:
            facts |= {"kind": info.kind, "bytes": info.size_bytes, "file": info.path.name}
        print(json.dumps(facts, indent=2))
    elif info:
        print(f"{counted(info.images, 'picture')} in the search index, {info.size_bytes / 1e6:,.1f} MB")
    else:
        print(f"nothing built: {reason}" + ("" if not outlook.images else " (--force builds all the same)"))
    return 0


def _needless(outlook: BuildOutlook) -> str:
    """Why nothing has to be built; '' where something has."""
    from indexer.snapshot import PAYS_FROM

    if not outlook.images:
        return "the library holds no picture yet"
    if outlook.sound and not outlook.newer:
        return "the search index holds every picture"
    if outlook.images < PAYS_FROM:
        return f"comparing all of {counted(outlook.images, 'picture')} is as fast (up to {PAYS_FROM:,})"
    return ""


BUILD = Command("build the index that makes large libraries quick to search", _configure, _run)
