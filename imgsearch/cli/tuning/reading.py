"""The pairs that a command names, and the rows of them that are left out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from imgsearch.cli.output.terminal import shown
from imgsearch.tuning.pairs import BadRow, Pairs, read_pairs

_TOLD = 10


def pairs_named(arguments: argparse.Namespace) -> Pairs:
    """Those of PAIRS, or of the library that ``--library`` names. Raises what reading them raises."""
    if arguments.library is not None:
        from imgsearch.app import open_store
        from imgsearch.settings import load_settings
        from imgsearch.tuning.library_pairs import library_pairs

        with open_store(load_settings({"library": arguments.library})) as store:
            return library_pairs(store)
    unpacked = None if arguments.dry_run else arguments.output / "unpacked"
    return read_pairs(arguments.pairs, images=arguments.images, unpacked=unpacked)


def general_pairs(arguments: argparse.Namespace) -> Pairs | None:
    """Those of ``--general``; None where drawn scenes are meant."""
    if arguments.general is None:
        return None
    return read_pairs(arguments.general, unpacked=None if arguments.dry_run else arguments.output / "unpacked")


def name_of(arguments: argparse.Namespace) -> str:
    """What the pairs are called in the report."""
    return str(arguments.pairs if arguments.library is None else arguments.library)


def tell_bad_rows(bad: Sequence[BadRow]) -> None:
    """Name them on stderr, the first ones of many, and how many there are."""
    for row in bad[:_TOLD]:
        print(f"left out: {shown(str(row))}", file=sys.stderr)
    if len(bad) > _TOLD:
        print(f"and {len(bad) - _TOLD:,} more; the report lists them", file=sys.stderr)
    if bad:
        print(f"{len(bad):,} {'row was' if len(bad) == 1 else 'rows were'} left out", file=sys.stderr)
