"""One parser for the whole program, from which completion and the manual page are made."""

from __future__ import annotations

import argparse
from typing import Any

from imgsearch.cli.main import BEFORE, SWITCHES
from imgsearch.cli.parser import Parser
from imgsearch.cli.verb_table import every_verb


def whole_parser() -> Parser:
    """Every verb with its options below one parser. It is never used to parse."""
    parser = Parser(prog="imgsearch", description="Search your own pictures by describing them.")
    parser.add_argument("--version", action="store_true", help="print the version and the formats that it reads")
    for name in BEFORE:
        parser.add_argument(name, metavar="DIR" if name == "--library" else "VALUE", help="of the command behind it")
    for name in SWITCHES:
        parser.add_argument(name, action="store_true", help="of the command behind it")
    below = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, listed in every_verb().items():
        command = listed.load()
        verb = below.add_parser(name, help=command.summary, description=command.summary)
        command.configure(verb)
    return parser


def actions_of(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """The arguments of one parser, without those of its sub-verbs."""
    return [action for action in parser._actions if not isinstance(action, argparse._SubParsersAction)]


def value_of(action: argparse.Action) -> str:
    """The placeholder for the value in the help, "" for a switch."""
    if action.nargs == 0:
        return ""
    shown: Any = action.metavar or action.dest.upper()
    return shown if isinstance(shown, str) else " ".join(shown)
