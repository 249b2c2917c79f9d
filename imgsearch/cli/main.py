"""Finds the verb, parses its arguments, runs it, and turns errors into one clear message and an exit code."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from imgsearch import __version__
from imgsearch.cli.command import Command
from imgsearch.errors import ImgsearchError

GROUP = "imgsearch.commands"
ORDER = (
    "demo",
    "index",
    "build",
    "search",
    "serve",
    "dedup",
    "stats",
    "failures",
    "verify",
    "compact",
    "forget",
    "calibrate",
    "models",
    "eval",
    "scenes",
    "train",
)


def verbs() -> dict[str, EntryPoint]:
    """Every verb that is installed, in the order of the help page."""
    found = {point.name: point for point in entry_points(group=GROUP)}
    known = [name for name in ORDER if name in found]
    return {name: found[name] for name in known + sorted(set(found) - set(known))}


def _load(point: EntryPoint) -> Command:
    command = point.load()
    if not isinstance(command, Command):
        raise TypeError(f"entry point {point.name} is {type(command).__name__}, not a Command")
    return command


def service_of(verb: str) -> Callable[..., Any]:
    """The function that ``verb`` offers to other verbs. Raises ImgsearchError where it is not installed."""
    point = verbs().get(verb)
    service = None if point is None else _load(point).service
    if service is None:
        raise ImgsearchError(
            f"this imgsearch has no verb {verb!r} that others can use", "install it again: pip install imgsearch"
        )
    return service


def _help(points: dict[str, EntryPoint]) -> str:
    width = max(len(name) for name in points) + 2
    lines = ["usage: imgsearch COMMAND [options]", "", "Search your own pictures by describing them.", "", "commands:"]
    lines += [f"  {name:<{width}}{_load(point).summary}" for name, point in points.items()]
    lines += ["", "imgsearch COMMAND --help tells more. Start with: imgsearch demo"]
    return "\n".join(lines)


def run(arguments: Sequence[str]) -> int:
    """Run one command line (without the program's name); returns the exit code, raises ImgsearchError."""
    points = verbs()
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_help(points))
        return 0 if arguments else 2
    if arguments[0] in ("-V", "--version"):
        print(f"imgsearch {__version__}")
        return 0
    name = arguments[0]
    if name not in points:
        print(f"imgsearch: there is no command {name!r}; the commands are {', '.join(points)}", file=sys.stderr)
        return 2
    command = _load(points[name])
    parser = argparse.ArgumentParser(prog=f"imgsearch {name}", description=command.summary)
    command.configure(parser)
    return command.run(parser.parse_args(arguments[1:]))


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the console script: prints errors instead of raising them."""
    try:
        code = run(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
        return code
    except ImgsearchError as error:
        print(f"imgsearch: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"  {error.hint}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        if arguments is None:  # the program itself, which ends now: a second Ctrl-C meanwhile leaves no traceback
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        print("imgsearch: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
