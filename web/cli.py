"""`imgsearch serve`: the library in a browser."""

from __future__ import annotations

import argparse

from imgsearch.cli.command import Command


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--library", metavar="DIR", help="where the library is")


def _run(arguments: argparse.Namespace) -> int:
    raise NotImplementedError


SERVE = Command("open the library in a browser", _configure, _run)
