"""`imgsearch completion SHELL`: completion for bash, zsh and fish, made from the parsers by shtab."""

from __future__ import annotations

import argparse

from imgsearch.cli.command import Command
from imgsearch.errors import UsageError

SHELLS = ("bash", "zsh", "fish")

_DESCRIPTION = """\
Print a script that completes commands, options, choices and file names.

  bash:  imgsearch completion bash > ~/.local/share/bash-completion/completions/imgsearch
  zsh:   imgsearch completion zsh > "${fpath[1]}/_imgsearch"
  fish:  imgsearch completion fish > ~/.config/fish/completions/imgsearch.fish
"""

_FILES = ("FILE", "PATH", "PLAN", "OUT", "PAIRS.jsonl", "M", "NAME.pth")
_FOLDERS = ("DIR",)


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = _DESCRIPTION
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help="bash, zsh or fish")


def _run(arguments: argparse.Namespace) -> int:
    print(script(arguments.shell))
    return 0


def script(shell: str) -> str:
    """The completion script for ``shell``. Raises UsageError where shtab is not installed."""
    try:
        import shtab
    except ImportError as exc:
        raise UsageError("completion needs shtab, which is not installed", "pip install shtab") from exc
    from imgsearch.cli.shell.whole_parser import whole_parser

    parser = whole_parser()
    _mark_files(parser, shtab.FILE, shtab.DIRECTORY)
    _describe_briefly(parser)
    return str(shtab.complete(parser, shell))


def _mark_files(parser: argparse.ArgumentParser, file: object, folder: object) -> None:
    """Say of each argument whether it is a file or a folder; its metavar tells."""
    from imgsearch.cli.shell.whole_parser import actions_of, value_of

    for action in actions_of(parser):
        words = value_of(action).replace("|", " ").split()
        if action.choices is None and any(word in _FILES for word in words):
            action.complete = file  # type: ignore[attr-defined]  # shtab reads it
        elif any(word in _FOLDERS for word in words):
            action.complete = folder  # type: ignore[attr-defined]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for verb in action.choices.values():
                _mark_files(verb, file, folder)


def _describe_briefly(parser: argparse.ArgumentParser) -> None:
    """Put each verb's line of the help in the place of its description: zsh shows the first line of that, however it is
    broken."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for listed in action._choices_actions:
                verb = action.choices[listed.dest]
                verb.description = listed.help
                _describe_briefly(verb)


COMPLETION = Command("print completion for bash, zsh or fish", _configure, _run)
