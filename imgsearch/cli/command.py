"""What a verb is."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """One verb of the command line.

    ``summary`` is its line in ``imgsearch --help`` (`verb_table` has it too, so that the help loads no verb);
    ``configure`` adds its arguments to a parser (every verb gets ``--library DIR`` and ``--json`` only if it asks for
    them there); ``run`` does the work and returns the exit code: 0 ok, 1 nothing found, 2 usage, 3 done but some images
    failed, 4 an error of ours. ``run`` may raise ImgsearchError: main() prints message and hint, and exits with its
    code. ``words``: what the verb takes beside its options is free text, whose words may begin with a minus.
    """

    summary: str
    configure: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
    words: bool = False
