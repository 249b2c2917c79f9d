"""`imgsearch job VERB`: collections too large for one sitting, in shards that are never done twice."""

from __future__ import annotations

import argparse

from imgsearch.cli.command import Command
from imgsearch.cli.parser import whole
from imgsearch.settings import DTYPES, RUNTIMES

_DESCRIPTION = """\
Embed a collection that is too large for one sitting, and account for every input.

  imgsearch job create --input ~/Pictures --model blip2 --output JOB
  imgsearch job run JOB                run every shard that is not done; safe to kill and to repeat
  imgsearch job status JOB             how far it is
  imgsearch job publish JOB            an ordinary library, in JOB/library
  imgsearch job report JOB             what became of every input

Inputs are folders, manifests (.txt, .csv, .tsv, .jsonl, .parquet: one path a line) and tar archives ('shards/*.tar').
Exit codes: 0 done, 3 done but some inputs failed, 4 an error, 2 usage, 130 and 143 stopped. docs/jobs.md says more.
"""


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = _DESCRIPTION
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    _create(verbs.add_parser("create", help="count and name every input, and fix what the job is"))
    _run_options(verbs.add_parser("run", help="run every shard that is not done"), "run")
    _run_options(verbs.add_parser("resume", help="the same, and repair: --check, --retry"), "resume")
    _status(verbs.add_parser("status", help="how far a job is"))
    _report(verbs.add_parser("report", help="what became of every input"))
    _publish(verbs.add_parser("publish", help="make a library of the shards"))
    _merge(verbs.add_parser("merge", help="join libraries of one model into a new one"))


def _create(parser: argparse.ArgumentParser) -> None:
    _runs(parser, "imgsearch.cli.jobs.making:create")
    parser.add_argument(
        "--input",
        nargs="+",
        action="extend",
        required=True,
        metavar="PATH",
        help="a folder, a manifest, a picture, or archives: 'shards/*.tar', 'shards/{000..099}.tar'; as many as needed",
    )
    parser.add_argument("--output", required=True, metavar="DIR", help="a new folder for the job")
    parser.add_argument("--model", metavar="M", help="as for `imgsearch index` (default blip2)")
    parser.add_argument("--device", help="auto (default), cpu, cuda, cuda:N")
    parser.add_argument("--dtype", choices=DTYPES, metavar="DTYPE", help=", ".join(DTYPES) + " (default: auto)")
    parser.add_argument(
        "--runtime", choices=RUNTIMES, help="what computes the model, on every machine: " + ", ".join(RUNTIMES)
    )
    parser.add_argument(
        "--batch-size", type=whole(1), metavar="N", help="pictures encoded at once, by every worker (default by device)"
    )
    parser.add_argument(
        "--shard-size", type=whole(1), default=10_000, metavar="N", help="inputs a shard (10,000): a kill costs one"
    )
    parser.add_argument(
        "--features",
        dest="keep_features",
        action="store_true",
        help="keep what re-ranking needs of every picture (363 KB each with blip2), for pictures in archives too",
    )
    parser.add_argument("--column", default="", metavar="NAME", help="the column of the paths in a manifest")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="only count the inputs, and say by a sample how long the job takes and what disk and memory it needs",
    )
    parser.add_argument("--workers", type=whole(1), metavar="N", help="with --dry-run: processes that decode")
    _form(parser)


def _run_options(parser: argparse.ArgumentParser, verb: str) -> None:
    _runs(parser, "imgsearch.cli.jobs.running:run")
    _job(parser)
    parser.add_argument(
        "--engine", choices=("local", "ray"), default="local", help="local: processes on this machine (default); ray"
    )
    parser.add_argument(
        "--workers", type=whole(1), metavar="N", help="processes with a model each (default: one a GPU, else one)"
    )
    parser.add_argument("--decode-workers", type=whole(1), metavar="N", help="decoding processes of each of them")
    parser.add_argument("--address", default="", metavar="A", help="of a Ray cluster (default: this machine)")
    parser.add_argument(
        "--shards",
        metavar="I/N",
        help="only every N-th shard, from the I-th on: N such commands share a job, on one machine or many",
    )
    parser.set_defaults(check=False, retry=False)
    if verb == "resume":
        parser.add_argument("--check", action="store_true", help="read what is done, and do again what is damaged")
        parser.add_argument("--retry", action="store_true", help="do again shards with failures that may be mended")
    _form(parser)


def _status(parser: argparse.ArgumentParser) -> None:
    _runs(parser, "imgsearch.cli.jobs.looking:status")
    _job(parser)
    _form(parser)


def _report(parser: argparse.ArgumentParser) -> None:
    _runs(parser, "imgsearch.cli.jobs.looking:report")
    _job(parser)
    parser.add_argument(
        "--list",
        choices=("failed", "copy", "embedded", "pending"),
        metavar="FATE",
        help="name the inputs that are failed, copy, embedded or pending: a line each, with the reason or content hash",
    )
    _form(parser)


def _publish(parser: argparse.ArgumentParser) -> None:
    _runs(parser, "imgsearch.cli.jobs.making:publish")
    _job(parser)
    parser.add_argument("--to", metavar="DIR", help="where the library is to be (JOB/library)")
    parser.add_argument("--partial", action="store_true", help="also if shards are missing; records which")
    _catalog(parser)
    _form(parser)


def _merge(parser: argparse.ArgumentParser) -> None:
    _runs(parser, "imgsearch.cli.jobs.making:merge")
    parser.add_argument("libraries", nargs="+", metavar="DIR", help="a library, or a job that has published one")
    parser.add_argument("--output", required=True, metavar="DIR", help="a new folder for the library of all")
    _catalog(parser)
    _form(parser)


def _catalog(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--catalog-url",
        default="",
        metavar="URL",
        help="move the library's catalog into this empty PostgreSQL database: postgresql+psycopg://USER@HOST/DATABASE",
    )


def _job(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", nargs="?", default=".", metavar="JOB", help="the job's folder (default: this folder)")


def _form(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--quiet", action="store_true", help="no bar and no messages on stderr")


def _runs(parser: argparse.ArgumentParser, place: str) -> None:
    parser.set_defaults(place=place)


JOB = Command("embed large collections in shards, on one machine or many", _configure)
