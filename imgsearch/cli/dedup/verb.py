"""imgsearch dedup VERB: copies of every kind, a plan that is shown first, and its undo."""

from __future__ import annotations

import argparse

from imgsearch.cli.command import Command
from imgsearch.cli.parser import real

_DESCRIPTION = """\
Find copies of pictures, see why they are copies, move them away, and get them back.

  imgsearch dedup find                 look through the library; writes a plan, changes nothing
  imgsearch dedup find ~/Photos        the same for folders that are in no library
  imgsearch dedup apply                show the plan that was made last, ask, move its copies to the quarantine
  imgsearch dedup undo                 bring them back
  imgsearch dedup purge                delete what is in the quarantine; that ends the undo

Only purge deletes anything. docs/dedup.md says what counts as a copy and which one is kept.
"""

_KEEP = "resolution,lossless,metadata,folder:originals,oldest"


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = _DESCRIPTION
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    _find(verbs.add_parser("find", help="look for copies; write a plan and a summary, change nothing"))
    _report(verbs.add_parser("report", help="the plan as one HTML page, with the pictures side by side"))
    _apply(verbs.add_parser("apply", help="move the copies of a plan to the quarantine"))
    _undo(verbs.add_parser("undo", help="bring back what an apply has moved"))
    _purge(verbs.add_parser("purge", help="delete what is in the quarantine; ends the undo"))
    _distinct(verbs.add_parser("distinct", help="remember that pictures are not duplicates"))
    _here(verbs.add_parser("here", help="is this picture already in the library?"))
    _leaks(verbs.add_parser("leaks", help="pictures of a test set that the training set holds"))
    _prune(verbs.add_parser("prune", help="a smaller data set that shows as much"))


def _find(parser: argparse.ArgumentParser) -> None:
    _runs(parser, "imgsearch.cli.dedup.find:find")
    _folders(parser)
    parser.add_argument(
        "--tiers",
        metavar="T,...",
        help="what to look for: bytes, pixels, perceptual, near, burst, semantic (all but semantic; for folders "
        "in no library bytes,pixels,perceptual, which need no model)",
    )
    parser.add_argument("--act-on", metavar="T,...", help="which of these the plan moves (bytes,pixels,perceptual)")
    parser.add_argument(
        "--keep", metavar="RULE", help=f"which copy stays, the most important rule first (for example {_KEEP})"
    )
    parser.add_argument(
        "--reference", action="append", default=[], metavar="DIR", help="never move anything in DIR; may be repeated"
    )
    parser.add_argument("--plan", metavar="FILE", help="where to write the plan (in the library, where apply looks)")
    parser.add_argument("--report", metavar="FILE", help="write an HTML report too")
    parser.add_argument("--pairs", metavar="FILE", help="write every pair to a .csv, .jsonl or .parquet file")
    parser.add_argument("--groups", metavar="FILE", help="write every group to such a file")
    parser.add_argument("--check", action="store_true", help="exit with code 5 if the plan would move something")
    _form(parser)


def _report(parser: argparse.ArgumentParser) -> None:
    _runs(parser, "imgsearch.cli.dedup.find:report")
    _plan(parser)
    parser.add_argument("--out", required=True, metavar="FILE", help="the HTML file to write")
    _form(parser)


def _apply(parser: argparse.ArgumentParser) -> None:
    _runs(parser, "imgsearch.cli.dedup.apply:apply")
    _plan(parser)
    parser.add_argument(
        "--action",
        default="move",
        choices=("move", "hardlink", "reflink"),
        help="what replaces a moved copy: nothing, or a link to or a clone of the kept file",
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")
    _quarantine(parser)
    _form(parser)


def _undo(parser: argparse.ArgumentParser) -> None:
    _runs(parser, "imgsearch.cli.dedup.files:undo")
    parser.add_argument("run", nargs="?", metavar="RUN", help="the apply to undo (default: the newest)")
    parser.add_argument("--list", action="store_true", help="list what was applied")
    _library(parser)
    _quarantine(parser)
    _form(parser)


def _purge(parser: argparse.ArgumentParser) -> None:
    _runs(parser, "imgsearch.cli.dedup.files:purge")
    parser.add_argument("run", nargs="?", metavar="RUN", help="the apply to purge (default: all)")
    parser.add_argument(
        "--older-than", type=real(0), default=0.0, metavar="DAYS", help="only what was moved more than DAYS days ago"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")
    _library(parser)
    _quarantine(parser)
    _form(parser)


def _distinct(parser: argparse.ArgumentParser) -> None:
    _runs(parser, "imgsearch.cli.dedup.files:distinct")
    parser.add_argument("paths", nargs="*", metavar="PATH", help="two or more pictures, no two of which are duplicates")
    parser.add_argument("--list", action="store_true", help="list what is remembered")
    parser.add_argument("--forget", action="store_true", help="forget it again for these pictures")
    _library(parser)
    _form(parser)


def _here(parser: argparse.ArgumentParser) -> None:
    _runs(parser, "imgsearch.cli.dedup.sets:here")
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a picture")
    _library(parser)
    _form(parser)


def _leaks(parser: argparse.ArgumentParser) -> None:
    _runs(parser, "imgsearch.cli.dedup.sets:leaks")
    parser.add_argument("--train", action="append", required=True, metavar="DIR", help="may be repeated")
    parser.add_argument("--test", action="append", required=True, metavar="DIR", help="may be repeated")
    parser.add_argument("--tiers", metavar="T,...", help="what counts as a leak (bytes,pixels,perceptual,near)")
    parser.add_argument("--out", metavar="FILE", help="write the list to a .csv, .jsonl or .parquet file")
    parser.add_argument("--check", action="store_true", help="exit with code 5 if there is a leak")
    _library(parser)
    parser.add_argument("--model", metavar="M", help="for folders that are in no library (mini)")
    _form(parser)


def _prune(parser: argparse.ArgumentParser) -> None:
    _runs(parser, "imgsearch.cli.dedup.sets:prune_set")
    _folders(parser)
    parser.add_argument(
        "--keep-fraction", type=float, required=True, metavar="F", help="share that stays, 0.7 for 70 %%"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", metavar="FILE", help="write the list to a .csv, .jsonl or .parquet file")
    _form(parser)


def _runs(parser: argparse.ArgumentParser, place: str) -> None:
    parser.set_defaults(place=place)


def _library(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--library", metavar="DIR", help="where the library is")


def _folders(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folders",
        nargs="*",
        metavar="DIR",
        help="compare these folders instead of a library; with --library, only its files below them",
    )
    _library(parser)
    parser.add_argument("--model", metavar="M", help="for folders that are in no library (mini)")


def _plan(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "plan",
        nargs="*",
        metavar="PLAN | DIR",
        help="a plan, or the folders that the last plan must be for (default: the last plan that find made)",
    )
    _library(parser)


def _quarantine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quarantine", metavar="DIR", help="where moved files are kept (in the library)")


def _form(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--quiet", action="store_true", help="no bar and no messages on stderr")


DEDUP = Command("find copies of pictures, move them away, and get them back", _configure)
