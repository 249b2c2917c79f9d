"""Finds the verb, parses its arguments, runs it, and turns errors into a clear message and an exit code."""

from __future__ import annotations

import _thread
import os
import signal
import sys
from collections.abc import Callable, Sequence

from imgsearch import __version__
from imgsearch.cli.command import Command
from imgsearch.cli.output.streams import end_start, give_up_output, guard_streams, output_fault, show_start
from imgsearch.cli.parser import Parser, spoken
from imgsearch.cli.verb_table import Verb, every_verb, find_verb, load
from imgsearch.errors import ImgsearchError, UsageError
from imgsearch.wording import closest, one_line

BEFORE = ("--library", "--model", "--device", "--dtype", "--features", "--rerank", "--batch-size", "--workers")
SWITCHES = ("--json", "--quiet", "--null", "--paths", "--yes")
"""Options that may come before the verb, with a value and without one. The verb must have them."""


_OTHER_WORDS = {
    **dict.fromkeys(("find", "query", "look"), "search"),
    **dict.fromkeys(("add", "scan", "import", "update", "ingest"), "index"),
    **dict.fromkeys(("web", "server", "start", "ui"), "serve"),
    **dict.fromkeys(("duplicates", "dups", "dedupe", "clean"), "dedup"),
    **dict.fromkeys(("info", "exif", "facts"), "show"),
    **dict.fromkeys(("status", "list", "ls"), "stats"),
    **dict.fromkeys(("remove", "rm", "delete"), "forget"),
    **dict.fromkeys(("errors", "failed"), "failures"),
    **dict.fromkeys(("pull", "download", "model"), "models"),
    "check": "verify",
    "man": "manual",
    "version": "--version",
}
"""What other programs call our commands."""


def parser_of(name: str, command: Command) -> Parser:
    """The parser of one verb."""
    parser = Parser(prog=f"imgsearch {name}", description=command.summary)
    command.configure(parser)
    return parser


def _help(verbs: dict[str, Verb]) -> str:
    width = max(len(name) for name in verbs) + 2
    lines = ["usage: imgsearch COMMAND [options]", "", "Search your own pictures by describing them.", "", "commands:"]
    lines += [f"  {name:<{width}}{verb.help_line()}" for name, verb in verbs.items()]
    lines += ["", "imgsearch COMMAND --help says more. Start with: imgsearch demo"]
    return "\n".join(lines)


def _version() -> str:
    from imgsearch.media.preprocess import RECIPE
    from imgsearch.storage.catalog.revisions import FORMAT_VERSION, HEAD

    return (
        f"imgsearch {__version__}\n"
        f"library format {FORMAT_VERSION}, catalog {HEAD}; older ones are read and brought up to date\n"
        f"model recipe {RECIPE}; reads Hugging Face BLIP-2 directories (safetensors, .bin) and LAVIS .pth"
    )


def run(arguments: Sequence[str]) -> int:
    """Run one command line (without the program's name); returns the exit code, raises ImgsearchError."""
    before, rest = _split(arguments)
    if not rest or rest[0] in ("-h", "--help", "help"):
        if rest[1:] and rest[0] == "help" and rest[1] != "help":
            _verb(rest[1])
            return run([*rest[1:], "--help"])
        print(_help(every_verb()))
        return 0 if rest else 2
    if rest[0] in ("-V", "--version"):
        print(_version())
        return 0
    name = rest[0]
    show_start(f"imgsearch {name}")
    command = _verb(*rest).load()
    parser = parser_of(name, command)
    words = _placed(parser, before, rest[1:])
    try:
        found = parser.parse_args(spoken(parser, words) if command.words else words)
        code: int = (command.run or load(found.place))(found)
        return code
    except SystemExit as end:  # --help has been printed
        return end.code if isinstance(end.code, int) else 0


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """The options before the verb, and the verb with everything after it."""
    place = 0
    while place < len(arguments):
        name, given, _ = arguments[place].partition("=")
        if name in BEFORE:
            place += 1 if given else 2
        elif name in SWITCHES:
            place += 1
        else:
            break
    place = min(place, len(arguments))
    before, rest = list(arguments[:place]), list(arguments[place:])
    if rest and rest[0].startswith("-") and rest[0] not in ("-h", "--help", "-V", "--version"):
        near = closest(rest[0].partition("=")[0], (*BEFORE, *SWITCHES, "--help", "--version"))
        raise UsageError(
            f"received {one_line(rest[0])} before the command{f'; did you mean {near}?' if near else ''}",
            "put the options of a command after it: imgsearch COMMAND [options]; imgsearch --help lists the commands",
        )
    return before, rest


def _verb(name: str, *words: str) -> Verb:
    """The verb ``name``; ``words`` follow it."""
    verb = find_verb(name)
    if verb is None:
        known = every_verb()
        near = _OTHER_WORDS.get(name.lower()) or closest(name, known)
        meant = f"; did you mean {near!r}?" if near else ""
        asked = one_line(" ".join((name, *words)))
        search = "" if near or not name.strip() else f"to look for pictures: imgsearch search {asked}; "
        raise UsageError(
            f"there is no command {one_line(name)!r}{meant}", f"{search}the commands are {', '.join(known)}"
        )
    return verb


def _placed(parser: Parser, before: Sequence[str], words: Sequence[str]) -> list[str]:
    """The verb's words with the options that came before it. They are put after the sub-verb if there is one."""
    place = 1 if words and words[0] in parser.verbs() else 0
    holder = parser.verbs()[words[0]] if place and not parser.option(before[0] if before else "") else parser
    if holder is parser:
        place = 0
    for word in before:
        if word.startswith("--") and holder.option(word) is None:
            raise UsageError(
                f"{holder.prog} has no option {word.partition('=')[0]}", f"{holder.prog} --help lists what there is"
            )
    return [*words[:place], *before, *words[place:]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the console script: prints errors instead of raising them."""
    if arguments is None:
        guard_streams()
        code = guarded(lambda: _interruptible(lambda: run(sys.argv[1:])))
    else:
        code = guarded(lambda: run(arguments), last=False)
    end_start()
    fault = output_fault()
    if fault is not None:
        give_up_output()
        if not isinstance(fault, BrokenPipeError) and code in (0, 1):
            return _lost(fault)
    return code


def _interruptible(work: Callable[[], int]) -> int:
    """The result of ``work``, in which Ctrl-C raises KeyboardInterrupt. Before and after it Ctrl-C ends the process at
    once if the program was started so (imgsearch/__main__.py). One that Python ignores, because it met a callback, is
    raised again."""
    before = signal.getsignal(signal.SIGINT)
    if not callable(before):  # it is ignored, as under nohup
        return work()
    sys.unraisablehook = _raised_again
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return work()
    finally:
        signal.signal(signal.SIGINT, before)


def _raised_again(lost: sys.UnraisableHookArgs) -> None:
    if issubclass(lost.exc_type, KeyboardInterrupt):
        import threading

        again = threading.Timer(0.02, _thread.interrupt_main)  # raised here, it would be ignored again
        again.daemon = True
        again.start()
    else:
        sys.__unraisablehook__(lost)


def guarded(work: Callable[[], int], *, last: bool = True) -> int:
    """The result of ``work``. One of our errors, an interrupt or a failing disk becomes a message and an exit code.
    ``last``: the program ends afterwards."""
    try:
        return work()
    except ImgsearchError as error:
        print(f"imgsearch: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"  {error.hint}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        if last:  # so that a second Ctrl-C prints no traceback
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        print("imgsearch: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        give_up_output()
        return 0
    except RuntimeError as error:  # of pathlib and platformdirs
        if "home directory" not in str(error):
            raise
        print("imgsearch: received a path with ~ where no home folder is known", file=sys.stderr)
        print("  write the whole path, or set HOME", file=sys.stderr)
        return 2
    except OSError as error:
        fault = output_fault()
        if fault is not None:
            give_up_output()
            return _lost(fault)
        where = f"{one_line(str(error.filename))}: " if error.filename else ""
        where = where or ("the current folder is gone: " if _nowhere() else "")
        print(f"imgsearch: {where}{error.strerror or error}", file=sys.stderr)
        return 4


def _nowhere() -> bool:
    try:
        os.getcwd()  # noqa: PTH109
    except OSError:
        return True
    return False


def _lost(fault: OSError) -> int:
    """Say that the answer could not be written."""
    print(f"imgsearch: the answer cannot be written: {fault.strerror}", file=sys.stderr)
    return 4
