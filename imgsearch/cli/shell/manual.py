"""`imgsearch manual`: the manual page, made from the parsers."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from imgsearch import __version__
from imgsearch.cli.command import Command
from imgsearch.cli.parser import Parser

_DESCRIPTION = """\
Print the manual page, in the language of man(7).

  imgsearch manual > ~/.local/share/man/man1/imgsearch.1
  imgsearch manual | man -l -
"""

_CODES = (
    ("0", "done"),
    ("1", "nothing was found"),
    ("2", "the command line, a setting or a path is wrong"),
    ("3", "done, but some pictures failed"),
    ("4", "an error, which is told on standard error"),
    ("130", "interrupted"),
)


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = _DESCRIPTION


def _run(arguments: argparse.Namespace) -> int:
    print(page())
    return 0


def page() -> str:
    """The page as roff."""
    from imgsearch.cli.shell.whole_parser import whole_parser

    parser = whole_parser()
    lines = [f'.TH IMGSEARCH 1 "" "imgsearch {__version__}" "User Commands"', ".SH NAME"]
    lines += [r"imgsearch \- search your own pictures by describing them", ".SH SYNOPSIS"]
    lines += [r"\fBimgsearch\fR \fICOMMAND\fR [options]", ".SH COMMANDS"]
    for name, verb in parser.verbs().items():
        lines += _verb(f"imgsearch {name}", verb)
    lines += [".SH ENVIRONMENT", *_environment()]
    lines += [".SH EXIT STATUS"]
    for code, text in _CODES:
        lines += [".TP", rf"\fB{code}\fR", _text(text)]
    return "\n".join(lines)


def _verb(name: str, verb: Parser) -> Iterator[str]:
    """A verb, its options, and the verbs below it."""
    yield f".SS {_text(name)}"
    yield ".nf" if "\n" in (verb.description or "") else ".PP"
    yield from _lines(verb.description or "")
    if "\n" in (verb.description or ""):
        yield ".fi"
    yield from _arguments(verb)
    if verb.epilog:
        yield from (".PP", ".nf", *_lines(verb.epilog), ".fi")
    for lower, below in verb.verbs().items():
        yield from _verb(f"{name} {lower}", below)


def _arguments(parser: Parser) -> Iterator[str]:
    from imgsearch.cli.shell.whole_parser import actions_of, value_of

    for action in actions_of(parser):
        if action.help == argparse.SUPPRESS:
            continue
        names = ", ".join(_bold(name) for name in action.option_strings)
        yield ".TP"
        yield f"{names} {_italic(value_of(action))}".strip()
        yield from _lines((action.help or "").replace("%%", "%"))


def _environment() -> Iterator[str]:
    from imgsearch.settings import PREFIX, known_settings

    for name in sorted(known_settings()):
        yield from (".TP", rf"\fB{PREFIX}{name.upper()}\fR", _text(f"as the setting {name} in imgsearch.toml"))
    yield from (".TP", rf"\fB{PREFIX}CONFIG\fR", "where imgsearch.toml is")


def _bold(text: str) -> str:
    return rf"\fB{_text(text)}\fR"


def _italic(text: str) -> str:
    return rf"\fI{_text(text)}\fR" if text else ""


def _lines(text: str) -> Iterator[str]:
    for line in text.strip("\n").splitlines():
        yield _text(line) or ".PP"


def _text(text: str) -> str:
    r"""Plain text as roff reads it: backslashes and hyphens as such, no line that looks like a request."""
    plain = text.replace("\\", r"\e").replace("-", r"\-")
    return rf"\&{plain}" if plain.startswith((".", "'")) else plain


MANUAL = Command("print the manual page", _configure, _run)
