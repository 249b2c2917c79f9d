"""`imgsearch switch`: the vectors that `imgsearch index --beside` made become the library's, and back."""

from __future__ import annotations

import argparse
import dataclasses
import json

from imgsearch.cli.command import Command

_DESCRIPTION = """\
Make the vectors that `imgsearch index --model NEW --beside` made the library's own. Searches and a running server go
on; a server loads the new model and then answers with it. The former vectors stay beside the new ones: --back returns
to them, --forget removes them and frees their disk space.
"""


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = _DESCRIPTION
    parser.add_argument("--library", metavar="DIR", help="where the library is")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--back", action="store_true", help="return to the vectors from before the last switch")
    which.add_argument(
        "--forget", action="store_true", help="remove the vectors that lie beside the library's own, new ones or former"
    )
    parser.add_argument(
        "--drop-missing",
        action="store_true",
        help="switch even if pictures have no vectors there: they leave the library until `imgsearch index` reads them "
        "again",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _run(arguments: argparse.Namespace) -> int:
    from imgsearch.app import open_store
    from imgsearch.cli.output.terminal import shown
    from imgsearch.settings import load_settings
    from imgsearch.storage.upkeep.switching import forget_vectors, switch_vectors
    from imgsearch.wording import counted, describe_size

    with open_store(load_settings(vars(arguments))) as store:
        if arguments.forget:
            gone = forget_vectors(store, wait_s=_WAIT_S)
            text = f"the vectors of {shown(gone.model.name)} are removed, {describe_size(gone.freed_bytes)} freed"
            facts = dataclasses.asdict(gone)
        else:
            done = switch_vectors(store, back=arguments.back, drop_missing=arguments.drop_missing, wait_s=_WAIT_S)
            text = f"the library's vectors are those of {shown(done.now.name)} now, before of {shown(done.before.name)}"
            if done.dropped:
                text += f"; {counted(done.dropped, 'picture')} left until `imgsearch index` reads them again"
            facts = dataclasses.asdict(done)
    print(json.dumps(facts, indent=2) if arguments.json else text)
    return 0


_WAIT_S = 30.0  # for the commit of a run in progress

SWITCH = Command("make the vectors of another model the library's, and back", _configure, _run)
