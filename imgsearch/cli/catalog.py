"""`imgsearch catalog move`: a library's catalog goes into PostgreSQL, or back into the library's folder."""

from __future__ import annotations

import argparse
import dataclasses
import json
from typing import TYPE_CHECKING

from imgsearch.cli.command import Command
from imgsearch.cli.output.progress import phases

if TYPE_CHECKING:
    from imgsearch.storage.upkeep.catalog_move import CatalogMove

_DESCRIPTION = """\
Move a library's catalog (everything but vectors and pictures) from one database to another.

  imgsearch catalog move --to postgresql+psycopg://me@db.example/photos
  imgsearch catalog move --to sqlite            back into the library's folder

Nobody may use the library meanwhile. Every row is copied, read back and compared; only then the new place counts. The
command may be killed at any moment, and run again. The former catalog stays where it was.
"""

_FOLDER = "sqlite"


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = _DESCRIPTION
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    move = verbs.add_parser("move", help="into a PostgreSQL database, or back")
    move.formatter_class = argparse.RawDescriptionHelpFormatter
    move.description = _DESCRIPTION
    move.add_argument("--library", metavar="DIR", help="where the library is")
    move.add_argument(
        "--to", required=True, metavar="PLACE", help="postgresql+psycopg://USER@HOST/DATABASE, an empty one; or sqlite"
    )
    move.add_argument("--json", action="store_true", help="one JSON object")
    move.add_argument("--quiet", action="store_true", help="no bar and no messages on stderr")


def _run(arguments: argparse.Namespace) -> int:
    from imgsearch.settings import load_settings
    from imgsearch.storage.upkeep.catalog_move import move_catalog

    library = load_settings(vars(arguments)).library
    with phases(arguments) as progress:
        done = move_catalog(
            library,
            "" if arguments.to == _FOLDER else arguments.to,
            lambda rows, total: progress("copying rows", rows, total),
        )
    print(json.dumps(dataclasses.asdict(done), indent=2) if arguments.json else _text(done))
    return 0


def _text(done: CatalogMove) -> str:
    from imgsearch.cli.output.terminal import shown
    from imgsearch.wording import counted

    if not done.before:
        return f"the catalog is there already: {shown(done.now)}"
    rows = sum(each.rows for each in done.tables.values())
    return (
        f"the catalog is in {shown(done.now)} now: {counted(rows, 'row')} of {len(done.tables)} tables were compared\n"
        f"the former one is left in {shown(done.before)}; remove it when you have a backup of the new one"
    )


CATALOG = Command("move a library's catalog into PostgreSQL, or back", _configure, _run)
